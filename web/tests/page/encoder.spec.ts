/** The choice of the encoder: from the hub, from a folder, broken off and gone on with, and refused without harm. */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "@playwright/test";
import { COMMIT, files, hub, NAMES, TINY } from "./hub";
import { serveFolder } from "./server";
import { button, drop, expect, expectAccessible, heading, screenshot, setOptions, smallSample, test } from "./session";

const DIST = join(import.meta.dirname, "../../dist");
const MiniLM = (page: Page) => page.getByText("6 layers, hidden size 384, frozen");
const tiny = (page: Page) => page.getByText("2 layers, hidden size 32, frozen");
const dialog = (page: Page) => page.getByRole("dialog", { name: "Choose the encoder" });

/** To the place where an encoder is chosen, with the default one ready. */
async function open(page: Page) {
  await page.goto("");
  await drop(page, "requests.csv", "text/csv", smallSample(8));
  await expect(MiniLM(page)).toBeVisible();
}

test.use({ otherOrigins: [/^(https:\/\/huggingface\.co|http:\/\/127\.0\.0\.1:\d+)\//], expectedErrors: [/status of 404/] });

test("an encoder of the hub is looked up, loaded, trained with, remembered and removed", async ({ page, context }) => {
  const contents = files();
  const asked = await hub(context, contents);
  await open(page);
  await button(page, "Change").click();
  await expect(dialog(page).getByText("in use", { exact: true })).toBeVisible();
  await expectAccessible(page, "choice of the encoder");
  await page.getByLabel("Name on huggingface.co").fill("https://huggingface.co/somebody/tiny");
  await page.keyboard.press("Enter");
  // Sizes before anything large is fetched.
  await expect(dialog(page).getByText("2 layers, hidden size 32")).toContainText("to download");
  expect(asked).toEqual(["/api/models/somebody/tiny/revision/main", `/somebody/tiny/resolve/${COMMIT}/config.json`]);
  await expectAccessible(page, "an encoder that was looked up");
  await screenshot(page, "encoder-choice");
  await button(page, "Download and use").click();
  await expect(tiny(page)).toBeVisible();
  await expect(dialog(page)).toBeHidden();

  await setOptions(page, { Method: "Prompt tuning", Steps: "4", Evaluations: "1", "Prompt length (virtual tokens)": "4" });
  await button(page, "Train").click();
  await expect(heading(page, "Your classifier is ready")).toBeVisible();

  // The next visit has it in the browser: nobody is asked.
  const before = asked.length;
  await page.reload();
  await drop(page, "requests.csv", "text/csv", smallSample(8));
  await expect(tiny(page)).toBeVisible();
  await button(page, "Change").click();
  await button(page, "Use all-MiniLM-L6-v2").click();
  await expect(MiniLM(page)).toBeVisible();
  expect(asked.length).toBe(before);

  await button(page, "Change").click();
  const row = dialog(page).getByRole("listitem").filter({ hasText: "somebody/tiny" });
  await expect(row).toContainText(createHash("sha256").update(contents["model.safetensors"]!).digest("hex"));
  await button(page, "Remove tiny from this browser").click();
  await expect(row).toHaveCount(0);
  const left = await page.evaluate(async () => (await (await caches.open("softprompt-encoders")).keys()).map(({ url }) => url));
  expect(left.filter((url) => !/(config\.json|tokenizer\.json|model\.safetensors)$/.test(url))).toEqual([]);
  expect(left.length).toBe(3);
});

test("what cannot be used is refused where it was chosen, and the encoder before it stays", async ({ page, context }) => {
  const contents = files();
  contents["config.json"] = Buffer.from(contents["config.json"]!.toString().replace('"bert"', '"roberta"'));
  const asked = await hub(context, contents);
  await open(page);
  await button(page, "Change").click();
  const name = page.getByLabel("Name on huggingface.co");
  const alert = dialog(page).getByRole("alert");
  for (const [typed, said] of [
    ["nonsense", "is not the name of an encoder"],
    ["nobody/nothing", "no public encoder nobody/nothing"],
    ["somebody/tiny", '"model_type" is "roberta"'],
  ] as const) {
    await name.fill(typed);
    await button(page, "Look up").click();
    await expect(alert).toContainText(said);
  }
  // Refused by its config alone.
  expect(asked.filter((path) => path.endsWith(".safetensors"))).toEqual([]);
  await expectAccessible(page, "refused encoder");
  await screenshot(page, "encoder-refused");

  // Folders that were made to do harm.
  const folder = mkdtempSync(join(tmpdir(), "softprompt-encoder-"));
  try {
    for (const [kind, change, said] of [
      ["nan", (all: Record<string, Buffer>) => all["model.safetensors"]!.writeFloatLE(Number.NaN, all["model.safetensors"]!.length - 4), "NaN"],
      ["lies", (all: Record<string, Buffer>) => all["model.safetensors"]!.writeBigUInt64LE(2n ** 62n, 0), "model.safetensors cannot be read"],
      ["table", (all: Record<string, Buffer>) => {
          const json = JSON.parse(all["tokenizer.json"]!.toString()) as Record<string, unknown>;
          json.normalizer = { type: "Precompiled", precompiled_charsmap: "AAAA" };
          all["tokenizer.json"] = Buffer.from(JSON.stringify(json));
        }, "precompiled_charsmap is invalid"],
      ["large", (all: Record<string, Buffer>) => void (all["tokenizer.json"] = Buffer.alloc(100e6, " ")), "tokenizer.json has 100.0 MB"],
    ] as const) {
      const all = files();
      change(all);
      mkdirSync(join(folder, kind));
      for (const file of NAMES) writeFileSync(join(folder, kind, file), all[file]!);
      await page.locator("input[webkitdirectory]").setInputFiles(join(folder, kind));
      await expect(alert).toContainText(said);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  await button(page, "Close").click();
  await expect(MiniLM(page)).toBeVisible();
  await setOptions(page, { Method: "Linear probe" });
  await button(page, "Train").click();
  await expect(heading(page, "Your classifier is ready")).toBeVisible();
});

test("a folder of the user's is an encoder", async ({ page }) => {
  await open(page);
  await button(page, "Change").click();
  await page.locator("input[webkitdirectory]").setInputFiles(TINY);
  await expect(tiny(page)).toBeVisible();
  await expect(page.locator("p.name", { hasText: "Encoder tiny" })).toBeVisible();
  // It is cached: the next visit has it.
  await page.reload();
  await drop(page, "requests.csv", "text/csv", smallSample(8));
  await expect(tiny(page)).toBeVisible();
});

test("a download is stopped, and resumes after a reload", async ({ page }) => {
  const served = await serveFolder(DIST, { rate: 4e6, throttled: /model\.safetensors$/ });
  try {
    await page.goto(served.address);
    await button(page, "Try with sample data").click();
    const progress = page.getByRole("progressbar", { name: "Loading the encoder" });
    const value = () => progress.evaluate((bar: HTMLProgressElement) => bar.value);
    await expect.poll(value).toBeGreaterThan(10e6);
    await expect(page.getByText(/MB\/s, .* left/)).toBeVisible();
    await expectAccessible(page, "encoder under way");
    await expect(progress).toBeVisible();
    await screenshot(page, "encoder-loading");
    await button(page, "Stop the download").click();
    await expect(progress).toHaveCount(0);
    await expect(page.getByText("91.3 MB, downloaded once")).toBeVisible();
    await button(page, "Change").click();
    await expect(dialog(page).getByText(/^\S+ MB of 91\.3 MB downloaded|MB downloaded/)).toBeVisible();

    served.hurry();
    await page.reload();
    await button(page, "Try with sample data").click();
    await expect(MiniLM(page)).toBeVisible();
    const [first, second] = served.ranges.filter(({ path }) => path.endsWith("model.safetensors"));
    expect(first!.from).toBe(0);
    expect(second!.from).toBeGreaterThan(9e6);
    const urls = await page.evaluate(async () => (await (await caches.open("softprompt-encoders")).keys()).map(({ url }) => url));
    expect(urls.filter((url) => url.includes("/partial/"))).toEqual([]);
  } finally {
    served.close();
  }
});
