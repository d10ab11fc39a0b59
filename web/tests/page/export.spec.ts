import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { crc32 } from "node:zlib";
import { chromium, type Page } from "@playwright/test";
import { workbook } from "../workbook";
import { openWatched } from "./long-tasks";
import { labelLarge } from "./scenarios";
import { button, drop, expect, expectAccessible, heading, SAMPLE, screenshot, setOptions, smallSample, test, unzip } from "./session";

const alert = (page: Page) => page.getByRole("alert");

/** A zip as the crate writes it: nothing compressed. */
function zipped(files: Map<string, Buffer>): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const [name, content] of files) {
    const sizes = Buffer.alloc(26);
    sizes.writeUInt16LE(20, 0);
    sizes.writeUInt32LE(crc32(content), 10);
    sizes.writeUInt32LE(content.length, 14);
    sizes.writeUInt32LE(content.length, 18);
    sizes.writeUInt16LE(Buffer.byteLength(name), 22);
    const entry = Buffer.alloc(16);
    entry.writeUInt32LE(at, 12);
    directory.push(Buffer.from("PK\x01\x02\x14\x00", "latin1"), sizes.subarray(0, 24), Buffer.alloc(2), entry.subarray(2), Buffer.from(name));
    parts.push(Buffer.from("PK\x03\x04", "latin1"), sizes, Buffer.from(name), content);
    at += 30 + Buffer.byteLength(name) + content.length;
  }
  const list = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(files.size, 8);
  end.writeUInt16LE(files.size, 10);
  end.writeUInt32LE(list.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, list, end]);
}

/** 100 requests that the small sample has not seen, with their labels. */
function fresh(rows: number): string {
  const seen = new Set(smallSample(20).split("\n"));
  const [header, ...all] = SAMPLE.trimEnd().split("\n");
  return [header, ...all.filter((row) => !seen.has(row)).slice(0, rows)].join("\n") + "\n";
}

const folder = mkdtempSync(join(tmpdir(), "softprompt-export-"));
let trained: Buffer | undefined;

async function train(page: Page) {
  await page.goto("");
  await drop(page, "requests.csv", "text/csv", smallSample(20));
  await expect(page.getByText("6 layers, hidden size 384, frozen")).toBeVisible();
  await setOptions(page, { Method: "Prompt tuning", Steps: "16", Evaluations: "2", "Early stopping patience": "" });
  await button(page, "Train").click();
  await expect(heading(page, "Your classifier is ready")).toBeFocused();
}

/** The adapter's zip, trained once for all tests here. */
async function adapter(page: Page): Promise<Buffer> {
  if (trained) return trained;
  await train(page);
  const [download] = await Promise.all([page.waitForEvent("download"), button(page, "Download adapter").click()]);
  return (trained = readFileSync(await download.path()));
}

/** The cells of a labelled sample: no cell of it has a comma inside quotes but the text. */
function predictions(csv: string): { label: string; probability: number; truth: string }[] {
  const [header, ...rows] = csv.trimEnd().split("\n");
  expect(header).toBe("text,label,predicted_label,predicted_probability");
  return rows.map((row) => {
    const [probability, label, truth] = row.split(",").reverse() as [string, string, string];
    return { label, probability: Number(probability), truth };
  });
}

async function labelFile(page: Page, name: string, content: string): Promise<string> {
  await page.getByLabel(/Choose (a file to classify|another file)/).setInputFiles({ name, mimeType: "text/csv", buffer: Buffer.from(content) });
  const save = page.getByRole("button", { name: /^Download .*-labelled/ });
  await expect(save).toBeVisible();
  const [download] = await Promise.all([page.waitForEvent("download"), save.click()]);
  expect(download.suggestedFilename()).toBe(name.replace(".", "-labelled."));
  return marked(await download.path());
}

/** What a file holds behind the byte order mark, by which spreadsheet programs know UTF-8. */
function marked(path: string): string {
  const text = readFileSync(path, "utf8");
  expect(text.startsWith("\ufeff")).toBe(true);
  return text.slice(1);
}

async function open(page: Page, zip: Buffer) {
  await page.goto("");
  await give(page, zip);
}

/** Drops the adapter onto a start page that is open. */
async function give(page: Page, zip: Buffer) {
  await drop(page, "requests.zip", "application/zip", zip);
  await expect(heading(page, "Classify with your adapter")).toBeFocused();
}

test("a result is exported, and classifies a file", async ({ page }) => {
  const files = unzip(await adapter(page));
  expect(files.get("classify.py")!.toString()).toContain("def classify(text");
  const ours = predictions(await labelFile(page, "fresh.csv", fresh(100)));
  expect(ours).toHaveLength(100);
  const right = ours.filter(({ label, truth }) => label === truth).length;
  expect(right).toBeGreaterThan(50);
  await expect(page.locator(".file-accuracy")).toContainText(`${right.toFixed(1)}% accuracy on 100 rows`);
  await expectAccessible(page, "file classified");
  await screenshot(page, "label-file", true);

  for (const summary of await page.locator(".aside summary").all()) await summary.click();
  await expect(page.getByText("Hugging Face PEFT does not support this adapter")).toBeVisible();
  await expectAccessible(page, "export");
});

test("an adapter becomes a single-file web page that classifies from disk", async ({ page, watch }) => {
  test.slow();
  await open(page, await adapter(page));
  const rows = fresh(100);
  const ours = predictions(await labelFile(page, "fresh.csv", rows));
  const card = page.locator("section", { has: heading(page, "Export") });
  await expect(card).toContainText(/About \d+\.\d MB/);
  const estimate = Number.parseFloat(/About (\d+\.\d) MB/.exec((await card.textContent())!)![1]!);
  const before = watch.requests.length;
  const arrives = page.waitForEvent("download", { timeout: 400_000 });
  await button(page, "Download as a web page").click();
  await expect(page.getByRole("progressbar", { name: "Building the web page" })).toBeVisible();
  await expectAccessible(page, "a page of one file under way");
  const download = await Promise.race([
    arrives,
    alert(page)
      .waitFor({ timeout: 400_000 })
      .then(async () => Promise.reject(new Error((await alert(page).textContent()) ?? ""))),
  ]);
  const path = join(folder, "classifier.html");
  await download.saveAs(path);
  const size = readFileSync(path).length;
  console.log(`page of one file: ${size} bytes, estimate ${estimate} MB`);
  expect(Math.abs(estimate * 1e6 - size) / size).toBeLessThan(0.05);
  const asked = watch.requests.slice(before).filter((address) => !address.startsWith("blob:"));
  // Its own program again, from its own server or the browser's cache; nothing else. (Only here, where no service worker keeps the
  // page: `safety.spec.ts` has one, and sees no request.)
  expect(asked.every((address) => /\/assets\/softprompt_bg-[^/]*\.wasm$/.test(address)), asked.join(" ")).toBe(true);

  // From the disk, in a browser without WebGPU and without a network.
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--headless=new", "--no-sandbox"],
  });
  try {
    const context = await browser.newContext({ acceptDownloads: true, offline: true });
    const alone = await context.newPage();
    const requests: string[] = [];
    const errors: string[] = [];
    context.on("request", (request) => requests.push(request.url()));
    alone.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    alone.on("pageerror", (error) => errors.push(String(error)));
    await alone.goto(pathToFileURL(path).href);
    await expect(alone.locator("#state")).toHaveText(/^Ready, on /);
    await alone.getByLabel("Text to classify").fill("will it rain in paris tomorrow");
    await expect(alone.locator("#classes li").first()).toBeVisible();
    await expectAccessible(alone, "page of one file");
    await screenshot(alone, "standalone", true);
    const [saved] = await Promise.all([
      alone.waitForEvent("download"),
      alone.locator("#file").setInputFiles({ name: "fresh.csv", mimeType: "text/csv", buffer: Buffer.from(rows) }),
    ]);
    const theirs = predictions(marked(await saved.path()));
    const differences = ours.map(({ probability }, row) => Math.abs(probability - theirs[row]!.probability));
    console.log(`half against full precision, 100 texts: largest difference of a probability ${Math.max(...differences)}`);
    expect(theirs.map(({ label }) => label)).toEqual(ours.map(({ label }) => label));
    expect(Math.max(...differences)).toBeLessThan(1e-3);
    expect(requests.filter((address) => !/^(file|blob):/.test(address))).toEqual([]);
    expect(errors).toEqual([]);
    // Its policy lets nothing out, whatever its script would do.
    const blocked = await alone.evaluate(() => fetch("https://example.org/").then(() => "sent", (error: Error) => error.message));
    expect(blocked).not.toBe("sent");
    expect(await alone.evaluate(() => document.querySelector("meta[http-equiv]")!.getAttribute("content"))).toContain("default-src 'none'");
  } finally {
    await browser.close();
  }
});

test("an adapter is opened and used without training", async ({ page }) => {
  await open(page, await adapter(page));
  await expect(page.getByText("sentence-transformers/all-MiniLM-L6-v2")).toBeVisible();
  await expect(page.getByRole("list", { name: "Classes" }).getByRole("listitem")).toHaveCount(7);
  await page.getByLabel("Text to classify").fill("will it rain in paris tomorrow");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("list", { name: "Probabilities" })).toBeVisible();
  await expect(page.locator(".prediction")).toContainText("Prediction: GetWeather");
  await expectAccessible(page, "adapter opened");
  await screenshot(page, "adapter", true);
  const out = await labelFile(page, "fresh.csv", fresh(20));
  expect(predictions(out)).toHaveLength(20);

  // One text a line, and a file that is none.
  await page.getByLabel("Choose another file").setInputFiles({ name: "broken.csv", mimeType: "text/csv", buffer: Buffer.from("\x89PNG\r\n\x1a\n", "latin1") });
  await expect(alert(page)).toContainText("PNG");
  await expectAccessible(page, "file refused");
  const lines = await labelFile(page, "lines.txt".replace("txt", "csv"), 'text\n"play some jazz, please"\nwill it snow\n');
  expect(lines.split("\n")[0]).toBe("text,predicted_label,predicted_probability");
  expect(lines.split("\n")[1]).toMatch(/^"play some jazz, please",\w+,[01]\.\d{4}$/);
  await button(page, "Close the adapter").click();
  await expect(heading(page, "Train a text classifier on your own examples")).toBeFocused();
});

test("a workbook is classified: its sheet and its header row are chosen", async ({ page }) => {
  await open(page, await adapter(page));
  const requests = fresh(12)
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((row) => [row.slice(0, row.lastIndexOf(",")).replaceAll('"', ""), row.slice(row.lastIndexOf(",") + 1)]);
  const book = workbook([
    { name: "Read me", rows: [["How to fill in"], ["One request in each row", "and its intent"], ["Ask Ines", "if unsure"]] },
    { name: "May", rows: [["Requests of May"], ["text", "label"], ...requests] },
    { name: "Empty", rows: [] },
  ]);
  await page.getByLabel("Choose a file to classify").setInputFiles({ name: "requests.xlsx", mimeType: "", buffer: book });
  const card = page.locator("section", { has: heading(page, "Classify a file") });
  const reading = card.getByRole("group", { name: "How the file is read" });
  const sheet = reading.getByLabel("Sheet", { exact: true });
  const save = button(page, "Download requests-labelled.csv");
  await expect(save).toBeVisible();
  await expect(sheet, "the sheet that looks like a table").toHaveValue("May");
  await sheet.selectOption("Read me");
  await expect(card.getByText("requests.xlsx: 12 rows.")).toHaveCount(0);
  await expect(save).toBeVisible();
  await sheet.selectOption("May");
  await expect(card.getByText("requests.xlsx: 12 rows.")).toBeVisible();
  await expect(reading.getByText("The header is row 2; row 1 above it is left out.")).toBeVisible();
  await expect(card.locator(".file-accuracy")).toContainText("accuracy on 12 rows with a label in column label");
  await expect(card.locator("code").filter({ hasText: /^May$/ })).toHaveCount(1);

  // Another header row, by keyboard; the rows stay open and keep the focus while the file is classified again.
  await button(page, "Change the header row").press("Enter");
  await expectAccessible(page, "the first rows of a file that is classified");
  await screenshot(page, "label-reading", true);
  await button(page, "Row 4 as the header").press("Enter");
  await expect(card.getByText("requests.xlsx: 10 rows.")).toBeVisible();
  await expect(button(page, "Row 4 as the header")).toBeFocused();
  await button(page, "No header: every row is data").click();
  await expect(card.getByText("requests.xlsx: 14 rows.")).toBeVisible();
  await expect(reading.getByText("There is no header: every row is data.")).toBeVisible();
  await button(page, "Find it automatically").click();
  await expect(card.getByText("requests.xlsx: 12 rows.")).toBeVisible();
  await expect(button(page, "Done")).toBeFocused();
  const [download] = await Promise.all([page.waitForEvent("download"), save.click()]);
  expect(predictions(marked(await download.path()))).toHaveLength(12);

  // A sheet that cannot be classified says so, and another one can be chosen.
  await sheet.selectOption("Empty");
  await expect(card.getByRole("alert")).toContainText("The sheet Empty is empty");
  await expect(sheet).toHaveValue("Empty");
  await sheet.selectOption("May");
  await expect(card.getByText("requests.xlsx: 12 rows.")).toBeVisible();
  await page.setViewportSize({ width: 360, height: 740 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0);
  await expectAccessible(page, "the first rows of a file that is classified, on a phone");
});

test("a file of 100,000 rows leaves the page free, and can be cancelled", async ({ page }) => {
  const zip = await adapter(page);
  const part = await openWatched(page);
  await give(page, zip);
  await labelLarge(page, folder, part);
  await screenshot(page, "label-progress");
  await expectAccessible(page, "file under way");
  await button(page, "Cancel").click();
  await expect(page.getByLabel("Choose a file to classify")).toBeAttached();
  expect(predictions(await labelFile(page, "few.csv", fresh(5)))).toHaveLength(5);
});

test("hostile adapters are refused in place, and nothing else changes", async ({ page }) => {
  const good = unzip(await adapter(page));
  const manifest = JSON.parse(good.get("softprompt.json")!.toString()) as {
    labels: string[];
    base_model: { name: string; layers: number };
    tensors_sha256: string;
  };
  expect(manifest.tensors_sha256).toBe(createHash("sha256").update(good.get("adapter_model.safetensors")!).digest("hex"));
  const changed = (change: (files: Map<string, Buffer>) => void) => {
    const files = new Map(good);
    change(files);
    return zipped(files);
  };
  const withManifest = (change: (copy: typeof manifest) => void) =>
    changed((files) => {
      const copy = structuredClone(manifest);
      change(copy);
      files.set("softprompt.json", Buffer.from(JSON.stringify(copy)));
    });
  const tensors = Buffer.from(good.get("adapter_model.safetensors")!);
  tensors.writeFloatLE(Number.NaN, tensors.length - 4);
  // The same with a manifest that knows of it: then it is the NaN that is refused, and not the SHA-256.
  const nan = changed((files) => {
    const known = { ...manifest, tensors_sha256: createHash("sha256").update(tensors).digest("hex") };
    files.set("adapter_model.safetensors", tensors);
    files.set("softprompt.json", Buffer.from(JSON.stringify(known)));
  });
  const cases: [string, Buffer, RegExp][] = [
    ["no zip", Buffer.from("PK not a zip"), /not a zip/],
    ["empty", Buffer.alloc(0), /not a zip/],
    ["cut off", zipped(good).subarray(0, 3000), /not a zip|broken/],
    ["a path", changed((files) => files.set("../evil.sh", Buffer.from("x"))), /no folders/],
    ["no manifest's tensors", changed((files) => files.set("adapter_model.safetensors", tensors)), /SHA-256/],
    ["NaN", nan, / has NaN at element \d+/],
    ["not JSON", changed((files) => files.set("softprompt.json", Buffer.from("{"))), /softprompt\.json/i],
    ["a missing file", changed((files) => files.delete("adapter_model.safetensors")), /missing/],
    ["one label twice", withManifest((copy) => (copy.labels[1] = copy.labels[0]!)), /twice/],
  ];
  await page.goto("");
  for (const [name, zip, reason] of cases) {
    await drop(page, `${name}.zip`, "application/zip", zip);
    await expect(alert(page), name).toContainText(reason);
    await expect(heading(page, "Train a text classifier on your own examples")).toBeVisible();
  }
  await expectAccessible(page, "adapter refused");
  await screenshot(page, "adapter-refused");

  // Over a table: it says so where the files are chosen, and the rows, the columns and the options are as they were.
  await drop(page, "requests.csv", "text/csv", smallSample(8));
  await expect(page.getByText("56 rows, separated by commas")).toBeVisible();
  await expect(alert(page)).toHaveCount(0);
  await setOptions(page, { Method: "Prompt tuning", Steps: "33" });
  const files = page.locator("section", { has: heading(page, "requests.csv") });
  for (const [name, zip, reason] of [cases[2]!, cases[5]!]) {
    await drop(page, `${name}.zip`, "application/zip", zip);
    await expect(files.getByRole("alert"), name).toContainText(reason);
    await expect(alert(page)).toHaveCount(1);
    await expect(heading(page, "Check your data, then train")).toBeVisible();
    await expect(page.getByText("56 rows, separated by commas")).toBeVisible();
    await expect(page.getByRole("list", { name: "Rows per class" }).getByRole("listitem")).toHaveCount(7);
    await expect(page.locator("#options").getByLabel("Steps", { exact: true })).toHaveValue("33");
  }
  await expectAccessible(page, "adapter refused over a table");
  await page.goto("");

  // An adapter of another encoder names the one that it needs.
  const other = withManifest((copy) => Object.assign(copy.base_model, { name: "intfloat/e5-small-v2", layers: 12 }));
  await drop(page, "other.zip", "application/zip", other);
  await expect(alert(page)).toContainText("intfloat/e5-small-v2");

  // Labels are text, whatever is in them.
  const markup = withManifest((copy) => (copy.labels[0] = "<img src=x onerror=alert(1)>"));
  await drop(page, "markup.zip", "application/zip", markup);
  await expect(heading(page, "Classify with your adapter")).toBeFocused();
  await expect(page.getByRole("list", { name: "Classes" }).getByText("<img src=x onerror=alert(1)>")).toBeVisible();
  expect(await page.locator("main img").count()).toBe(0);

  // A bad one leaves the good one where it is.
  await page.getByLabel("Text to classify").fill("play some jazz");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("list", { name: "Probabilities" })).toBeVisible();
});
