/** How rows come in: every kind of table, several of them, pasted, typed; what is said about them; and what is refused. */
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";
import type { Page } from "@playwright/test";
import { button, drop, expect, expectAccessible, heading, SAMPLE, screenshot, setOptions, smallSample, test, labelColumn, textColumn } from "./session";

/** Written by openpyxl 3.1.5, see tests/files/make.py. */
const TICKETS = join(import.meta.dirname, "../../../tests/files/tickets.xlsx");

const alert = (page: Page) => page.getByRole("alert");
const classes = (page: Page) => page.getByRole("list", { name: "Rows per class" }).getByRole("listitem");
const advice = (page: Page) => page.getByRole("list", { name: "Before you train" }).getByRole("listitem");
const picker = (page: Page) => page.locator("input[type=file]").first();
const ready = (page: Page) => expect(heading(page, "Check your data, then train")).toBeVisible();

/** The sample's rows `from` to `to` with its header. */
function part(from: number, to: number): string {
  const [header, ...rows] = SAMPLE.trimEnd().split("\n");
  return [header, ...rows.slice(from, to)].join("\n") + "\n";
}

function jsonl(csv: string): string {
  const rows = csv.trimEnd().split("\n").slice(1);
  const object = (row: string) => {
    const at = row.lastIndexOf(",");
    return JSON.stringify({ label: row.slice(at + 1), text: row.slice(0, at).replaceAll('"', "") });
  };
  return rows.map(object).join("\n");
}

/** What a person copies: the browser's own paste event with this text. */
async function paste(page: Page, text: string) {
  await page.evaluate((text) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", text);
    document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
  }, text);
}

test("an Excel workbook is read as Excel shows it", async ({ page }) => {
  await page.goto("");
  await picker(page).setInputFiles(TICKETS);
  await expect(page.getByText("43 rows, an Excel workbook, header in row 1")).toBeVisible();
  await expect(textColumn(page)).toHaveValue("1");
  await expect(labelColumn(page)).toHaveValue("2");
  await expect(page.getByText("Only the sheet Tickets is read; the sheets Cover, Notes, Old are not.")).toBeVisible();
  await expect(page.getByRole("cell", { name: "2024-02-28 09:05:00" })).toBeVisible();
  await expect(page.getByRole("cell", { name: "one of two lines, with \"quotes\" & <b>markup</b>" })).toBeVisible();
  expect(await page.locator("main b").count()).toBe(0);
  await expect(classes(page)).toHaveCount(7);
  await expect(advice(page).first()).toContainText("7 classes in 43 rows are 6.1 rows per class");
  await expect(page.getByText(/^No text is truncated: none is longer than \d+ tokens/)).toBeVisible();
  await expectAccessible(page, "a workbook");
  await screenshot(page, "import-workbook", true);
});

test("several files become one table, and more can be put to it", async ({ page }) => {
  await page.goto("");
  await picker(page).setInputFiles([
    { name: "monday.csv", mimeType: "text/csv", buffer: Buffer.from(part(0, 40)) },
    { name: "tuesday.jsonl", mimeType: "", buffer: Buffer.from(jsonl(part(40, 90))) },
  ]);
  await expect(heading(page, "monday.csv and 1 more")).toBeVisible();
  await expect(page.getByText("90 rows of 2 files, joined:")).toBeVisible();
  await expect(page.getByText("tuesday.jsonl: 50 rows, numbered 42 to 91")).toBeVisible();
  await expect(classes(page)).toHaveCount(7);
  await expectAccessible(page, "several files");

  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.getByText("Add files").click()]);
  await chooser.setFiles({ name: "wednesday.csv", mimeType: "text/csv", buffer: Buffer.from(part(90, 100)) });
  await expect(page.getByText("100 rows of 3 files, joined:")).toBeVisible();
  await expect(page.getByText("wednesday.csv: 10 rows, numbered 92 to 101")).toBeVisible();

  // One with other columns changes nothing, and is named with its columns.
  const [again] = await Promise.all([page.waitForEvent("filechooser"), page.getByText("Add files").click()]);
  await again.setFiles({ name: "other.csv", mimeType: "text/csv", buffer: Buffer.from("id,text,label\n1,so it is,x\n2,no it is not,y\n") });
  await expect(alert(page)).toContainText("other.csv has different columns than monday.csv and 2 more: id, text, label");
  await expect(page.getByText("100 rows of 3 files, joined:")).toBeVisible();
  await expectAccessible(page, "a file with other columns");
});

test("a table is pasted, and rows are typed", async ({ page }) => {
  await page.goto("");
  await page.getByText("What does a table look like?").click();
  await expect(page.getByRole("cell", { name: "where is my parcel" })).toBeVisible();
  await page.getByText("Paste or type a table").click();
  await expectAccessible(page, "start, everything open");
  await screenshot(page, "import-start", true);
  const rows = [
    "it <i>works</i>\t<b>good</b>",
    "it is broken\tbad",
    "just as I wanted it\t<b>good</b>",
    "I want my money back\tbad",
    "it came in time\t<b>good</b>",
    "it never came\tbad",
  ];
  await page.getByLabel("Paste a table").fill(rows.join("\n"));
  await button(page, "Use this table").click();
  await ready(page);
  await expect(heading(page, "Pasted text")).toBeVisible();
  await expect(page.getByText("6 rows, separated by tabs")).toBeVisible();
  await expect(page.getByRole("cell", { name: "it <i>works</i>" })).toBeVisible();
  expect(await page.locator("main b, main i").count()).toBe(0);

  // By keyboard alone.
  await button(page, "Type a row").focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  await page.keyboard.type("nobody \"answers\", ever");
  await page.keyboard.press("Tab");
  await page.keyboard.type("bad");
  await page.keyboard.press("Enter");
  await expect(page.getByText("7 rows. 1 row was typed here.")).toBeVisible();
  await expect(page.getByRole("cell", { name: 'nobody "answers", ever' })).toBeVisible();
  // The next row can be typed at once; without a label it is refused where it is typed.
  await expect(page.getByLabel("Text", { exact: true })).toBeFocused();
  await page.keyboard.type("and another one");
  await page.getByLabel("Label", { exact: true }).fill("");
  await page.keyboard.press("Enter");
  await expect(alert(page)).toContainText("The new row has no label");
  await expectAccessible(page, "a typed row");
  await expect(classes(page).first()).toContainText("<b>good</b>");
  await screenshot(page, "import-typed", true);
});

test("cells copied from a spreadsheet are pasted anywhere", async ({ page }) => {
  await page.goto("");
  await expect(button(page, "Try with sample data")).toBeVisible();
  await paste(page, "text\tlabel\nso good\tx\nso bad\ty\nvery good\tx\nvery bad\ty\n");
  await ready(page);
  await expect(page.getByText("4 rows, separated by tabs, UTF-8, header in row 1")).toBeVisible();
});

test("a first table is typed row by row", async ({ page }) => {
  await page.goto("");
  await page.getByText("Paste or type a table").click();
  const text = page.getByLabel("Text", { exact: true });
  const label = page.getByLabel("Label", { exact: true });
  await button(page, "Add row").click();
  await expect(alert(page)).toContainText("The new row has no text");
  await text.fill("good morning");
  await label.fill("greeting");
  await button(page, "Add row").click();
  await ready(page);
  for (const [words, name] of [["good evening", "greeting"], ["see you", "farewell"], ["bye bye", "farewell"]] as const) {
    await text.fill(words);
    await label.fill(name);
    await button(page, "Add row").click();
    await expect(page.getByRole("cell", { name: words })).toBeVisible();
  }
  await expect(heading(page, "Typed rows")).toBeVisible();
  await expect(page.getByText("4 rows were typed here.")).toBeVisible();
  await expect(classes(page)).toHaveCount(2);
  await expect(advice(page).first()).toContainText("2 classes in 4 rows are 2.0 rows per class");
});

test("columns are changed at their heads, by mouse and by keyboard", async ({ page }) => {
  await page.goto("");
  const rows = Array.from({ length: 60 }, (_, row) => `${row % 2 ? "up" : "down"};${["left", "right", "middle"][row % 3]};it goes ${row}`);
  await drop(page, "sides.csv", "text/csv", ["class;side;text", ...rows].join("\n"));
  await expect(page.getByText("60 rows, separated by semicolons")).toBeVisible();
  await expect(button(page, "Text column: text")).toHaveAttribute("aria-pressed", "true");
  await expect(button(page, "Label column: class")).toHaveAttribute("aria-pressed", "true");
  await button(page, "Label column: side").click();
  await expect(classes(page)).toHaveCount(3);
  await expect(button(page, "Label column: side")).toHaveAttribute("aria-pressed", "true");
  await expect(button(page, "Label column: class")).toHaveAttribute("aria-pressed", "false");
  await button(page, "Label column: class").focus();
  await page.keyboard.press("Space");
  await expect(classes(page)).toHaveCount(2);
  await expect(labelColumn(page)).toHaveValue("0");
  // The other one's column: they change places.
  await button(page, "Text column: class").click();
  await expect(textColumn(page)).toHaveValue("0");
  await expect(labelColumn(page)).toHaveValue("2");
  await expectAccessible(page, "columns");
});

test("long texts, few rows and one large class are told", async ({ page }) => {
  await page.goto("");
  const long = "the parcel was left at the door ".repeat(40).trim();
  const rows = Array.from({ length: 60 }, (_, row) => `${row < 3 ? `${long} ${row}` : `it came on day ${row}`},${row < 57 ? "came" : "lost"}`);
  await drop(page, "long.csv", "text/csv", ["text,label", ...rows, "it came on day 4,lost", "it came on day 5,came"].join("\n"));
  await expect(advice(page)).toHaveCount(2);
  await expect(advice(page).first()).toContainText("Class lost has only 3 rows");
  await expect(advice(page).last()).toContainText("94% of the rows are in class came");
  const findings = page.getByRole("region", { name: "Data summary" });
  await expect(findings).toContainText("16 to 1,281 characters");
  for (const [name, value] of [["Duplicates", 1], ["Contradictions", 2], ["Usable", 59]])
    await expect(findings.getByText(`${name}`, { exact: true }).locator("..")).toContainText(`${value}`);
  // The encoder takes 128 tokens of each: 3 texts of 7 x 40 + 1 words and two special tokens lose what is beyond.
  const cut = 3 * (7 * 40 + 1 + 2 - 128);
  await expect(findings.getByText("3 texts of 59 are truncated")).toBeVisible();
  await expect(findings).toContainText(`to 128 tokens (words and word pieces): ${cut} tokens`);
  await setOptions(page, { "Maximum sequence length (tokens)": "300" });
  await expect(findings.getByText(/No text is truncated: none is longer than 300 tokens/)).toBeVisible();
  await expectAccessible(page, "advice");
  await screenshot(page, "import-advice", true);
});

test("held-out rows come from a second file", async ({ page }) => {
  await page.goto("");
  await drop(page, "train.csv", "text/csv", smallSample(6));
  const card = page.getByRole("region", { name: "Held-out set" });
  await expect(card).toContainText("20.0% of the rows are held out");
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), card.getByText("Use a held-out file").click()]);
  await chooser.setFiles({ name: "broken.xlsx", mimeType: "", buffer: readFileSync(TICKETS).subarray(0, 4000) });
  await expect(card.getByRole("alert")).toContainText("The workbook is damaged");
  const [again] = await Promise.all([page.waitForEvent("filechooser"), card.getByText("Use a held-out file").click()]);
  await again.setFiles({ name: "test.jsonl", mimeType: "", buffer: Buffer.from(jsonl(part(400, 440))) });
  await expect(card).toContainText("measured on test.jsonl");
  await expect(card.getByRole("alert")).toHaveCount(0);
  await expectAccessible(page, "held-out file");
  await button(page, "Remove the held-out file").click();
  await expect(card).toContainText("20.0% of the rows are held out");
});

/** A zip of one part, as large when it is unpacked as it says. */
function zipOf(name: string, content: Buffer): Buffer {
  const packed = deflateRawSync(content);
  const head = Buffer.alloc(30);
  head.write("PK\x03\x04", "latin1");
  head.writeUInt16LE(20, 4);
  head.writeUInt16LE(8, 8);
  head.writeUInt32LE(packed.length, 18);
  head.writeUInt32LE(content.length, 22);
  head.writeUInt16LE(name.length, 26);
  const entry = Buffer.alloc(46);
  entry.write("PK\x01\x02", "latin1");
  head.copy(entry, 6, 4, 30);
  entry.writeUInt16LE(20, 4);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(46 + name.length, 12);
  end.writeUInt32LE(30 + name.length + packed.length, 16);
  return Buffer.concat([head, Buffer.from(name), packed, entry, Buffer.from(name), end]);
}

test("hostile files are refused, and what was there stays", async ({ page }, info) => {
  await page.goto("");
  await button(page, "Try with sample data").click();
  await expect(page.getByText("700 rows, separated by commas")).toBeVisible();
  await expect(page.getByText("6 layers, hidden size 384, frozen")).toBeVisible();
  const refuse = async (name: string, content: Buffer | string, ...said: string[]) => {
    const path = info.outputPath(name);
    writeFileSync(path, content);
    if (content === "") truncateSync(path, 1e9);
    const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.getByText("Another file").click()]);
    await chooser.setFiles(path);
    for (const words of said) await expect(alert(page)).toContainText(words);
    await expect(page.getByText("700 rows, separated by commas")).toBeVisible();
  };
  // 1 GB of nothing: refused by its size, without a look inside.
  await refuse("gigabyte.csv", "", "gigabyte.csv has 1000 MB; the page takes up to 256 MB", "fewer rows");
  await refuse("bomb.xlsx", zipOf("xl/workbook.xml", Buffer.alloc(300e6)), "more than 256 MB when it is unpacked");
  await refuse("cut.xlsx", readFileSync(TICKETS).subarray(0, 5000), "The workbook is damaged", "save it again");
  await refuse("bad.jsonl", '{"text": "a", "label": "x"}\n{"text": "b", "label": NaN}\n', "row 2", "write null");
  await refuse("one.csv", "only one column\nand no label\n", "Only one column was found");
  await expectAccessible(page, "a refused file");
  // The worker that refused them has the encoder still.
  await expect(page.getByText("6 layers, hidden size 384, frozen")).toBeVisible();
});

test("everything fits a phone, in the dark", async ({ page }) => {
  await page.setViewportSize({ width: 360, height: 740 });
  await page.emulateMedia({ colorScheme: "dark" });
  const fits = async () =>
    expect(await page.evaluate(() => document.documentElement.scrollWidth), "width of the page").toBeLessThanOrEqual(360);
  await page.goto("");
  await page.getByText("Paste or type a table").click();
  await page.getByText("What does a table look like?").click();
  await fits();
  await expectAccessible(page, "start on a phone");
  await screenshot(page, "import-start-phone", true);
  await picker(page).setInputFiles(TICKETS);
  await ready(page);
  await expect(page.getByText(/^No text is truncated/)).toBeVisible();
  await button(page, "Type a row").click();
  await fits();
  await expectAccessible(page, "data on a phone");
  await screenshot(page, "import-data-phone", true);
});
