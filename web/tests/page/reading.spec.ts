/** How a table is read is shown and can be changed: its header row, its sheet, its columns, labels that look the same, its split. */
import { readFileSync } from "node:fs";
import type { Page } from "@playwright/test";
import { workbook } from "../workbook";
import {
  button,
  drop,
  expect,
  expectAccessible,
  expectAccessibleInDark,
  file,
  heading,
  openWithTiny,
  screenshot,
  setOptions,
  test,
  unzip,
  labelColumn,
  textColumn,
} from "./session";

const phone = { width: 360, height: 740 };

/** What is wrong, as the card or the drawer says it. */
const alert = (page: Page, where = ".stack") => page.locator(where).getByRole("alert");
const classes = (page: Page) => page.getByRole("list", { name: "Rows per class" }).getByRole("listitem");
const notes = (page: Page) => page.getByRole("list", { name: "Notes on the rows" });
const advice = (page: Page) => page.getByRole("list", { name: "Before you train" });
const heldOut = (page: Page) => page.getByRole("region", { name: "Held-out set" });
const headerButton = (page: Page, row: number) => button(page, `Row ${row} as the header`);
const question = (page: Page, which: string) => page.getByRole("group", { name: `Which column holds the ${which}?` });
const similar = (page: Page) => page.getByRole("group", { name: /the same/ });
const [texts, labels] = [textColumn, labelColumn];

/** Opens a table on the page with the encoder of 2 layers. */
async function open(page: Page, name: string, content: string | Buffer) {
  await openWithTiny(page);
  await drop(page, name, "text/csv", content);
  await expect(heading(page, "Check your data, then train")).toBeVisible();
}

/** The settings as they are downloaded: those of the data. */
async function dataSettings(page: Page): Promise<Record<string, unknown>> {
  const options = page.locator("#options");
  if (!(await options.evaluate((details: HTMLDetailsElement) => details.open))) await options.locator("summary").click();
  const [download] = await Promise.all([page.waitForEvent("download"), button(page, "Download settings").click()]);
  return (JSON.parse(readFileSync(await download.path(), "utf8")) as { data: Record<string, unknown> }).data;
}

/** Trains shortly; gives the record of the adapter. */
async function train(page: Page) {
  await setOptions(page, { Method: "Prompt tuning", Steps: "4", Evaluations: "1", "Batch size": "4", "Prompt length (virtual tokens)": "2" });
  await button(page, "Train").click();
  await expect(heading(page, "Your classifier is ready")).toBeVisible();
  const [download] = await Promise.all([page.waitForEvent("download"), button(page, "Download adapter").click()]);
  const record = unzip(readFileSync(await download.path())).get("softprompt.json");
  return JSON.parse(record!.toString()) as { labels: string[]; config: { data: Record<string, unknown> } };
}

const fits = (page: Page) => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);

test("the header row is clicked", async ({ page }) => {
  await open(page, "lines_above.csv", file("reading/lines_above.csv"));
  await expect(page.getByText("36 rows, separated by semicolons, UTF-8, header in row 5")).toBeVisible();
  await expect(texts(page)).toHaveAccessibleName("Text column");
  await expect(labels(page)).toHaveAccessibleName("Label column");
  await expect(page.getByText("The header is row 5; rows 1 to 3 above it are left out.")).toBeVisible();
  await labels(page).selectOption({ label: "Queue" });
  await button(page, "Change the header row").click();
  await expect(headerButton(page, 5)).toHaveAttribute("aria-pressed", "true");
  await expect(headerButton(page, 1)).toHaveAttribute("aria-pressed", "false");
  await expectAccessible(page, "the first rows of the file");
  await expectAccessibleInDark(page, "the first rows of the file");
  await screenshot(page, "reading-header", true);

  // Every row is data: the chosen columns stay where they are.
  await button(page, "No header: every row is data").click();
  await expect(page.getByText("40 rows, separated by semicolons, UTF-8, no header")).toBeVisible();
  await expect(page.getByRole("cell", { name: "Help desk" }).last()).toBeVisible();
  await expect(labels(page)).toHaveValue("2");
  await expect(button(page, "No header: every row is data")).toHaveAttribute("aria-pressed", "true");
  await expect(page.getByRole("status").filter({ hasText: "The table was read again: 40 rows" })).toHaveCount(1);
  expect(await dataSettings(page)).toMatchObject({ header_row: 0, label_column: "3" });

  // By keyboard; the focus stays, so that another row can be tried.
  await headerButton(page, 5).focus();
  await page.keyboard.press("Enter");
  await expect(page.getByText("36 rows, separated by semicolons, UTF-8, header in row 5")).toBeVisible();
  await expect(headerButton(page, 5)).toBeFocused();
  await expect(labels(page)).toHaveValue("2");
  expect(await dataSettings(page)).toMatchObject({ header_row: 5, label_column: "Queue" });
  // The whole row can be clicked.
  await page.getByRole("region", { name: "The first rows of the file" }).getByText("2024-01-01").click();
  await expect(page.getByText("The header is row 2; row 1 above it is left out.")).toBeVisible();
  await button(page, "Find it automatically").click();
  await expect(page.getByText("The header is row 5; rows 1 to 3 above it are left out.")).toBeVisible();
  await expect(button(page, "Done")).toBeFocused();
  expect(await dataSettings(page)).toMatchObject({ header_row: null });

  // Under "Options" it is typed; a row that the file does not have is refused, and the table stays.
  await setOptions(page, { "Header row": "400" });
  await expect(alert(page, "#options")).toContainText("Row 400 cannot be the header");
  await expect(page.getByText("The header is row 5;")).toBeVisible();
  await setOptions(page, { "Header row": "3" });
  await expect(alert(page, "#options")).toHaveCount(0);
  await expect(page.getByText("The header is row 3; rows 1 and 2 above it are left out.")).toBeVisible();
  await expect(headerButton(page, 3)).toHaveAttribute("aria-pressed", "true");

  await page.setViewportSize(phone);
  expect(await fits(page)).toBeLessThanOrEqual(0);
  await expectAccessible(page, "the first rows of the file on a phone");
  await screenshot(page, "reading-header-phone", true);
});

test("what was chosen holds for files that are added, for typed rows, and is over with another file", async ({ page }) => {
  await open(page, "lines_above.csv", file("reading/lines_above.csv"));
  await button(page, "Change the header row").click();
  await headerButton(page, 3).click();
  await expect(page.getByText("37 rows, separated by semicolons, UTF-8, header in row 3")).toBeVisible();
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.getByText("Add files").click()]);
  await chooser.setFiles({ name: "more.csv", mimeType: "text/csv", buffer: Buffer.from("Number;Text;Queue\n40;a box is open;billing\n41;the box is lost;delivery\n") });
  await expect(page.getByText("39 rows of 2 files, joined:")).toBeVisible();
  await expect(page.getByText("lines_above.csv: 37 rows, numbered 2 to 38")).toBeVisible();
  expect(await dataSettings(page), "the page has written the table").toMatchObject({ header_row: null });
  await button(page, "Type a row").click();
  await page.getByLabel("Text", { exact: true }).fill("it is broken");
  await page.getByLabel("Label", { exact: true }).fill("billing");
  await button(page, "Add row").click();
  await expect(page.getByText("40 rows of 2 files, joined:")).toBeVisible();

  await page.getByLabel("Another file").setInputFiles({ name: "b.csv", mimeType: "text/csv", buffer: file("reading/lines_above.csv") });
  await expect(page.getByText("36 rows, separated by semicolons, UTF-8, header in row 5")).toBeVisible();
  // Nothing that was chosen for one file is asked of another one.
  await button(page, "Change the header row").click();
  await headerButton(page, 3).click();
  await expect(page.getByText("37 rows, separated by semicolons, UTF-8, header in row 3")).toBeVisible();
  await page.getByLabel("Another file").setInputFiles({ name: "c.csv", mimeType: "text/csv", buffer: file("reading/lines_above.csv") });
  await expect(page.getByText("36 rows, separated by semicolons, UTF-8, header in row 5")).toBeVisible();
});

test("a sheet is chosen", async ({ page }) => {
  const rows = (month: string, count: number) =>
    Array.from({ length: count }, (_, row) => [`the parcel of ${month} ${row} is late`, ["billing", "delivery"][row % 2]!]);
  const book = workbook([
    { name: "Read me", rows: [["How to fill in"], ["One ticket in each row", "and its queue"], ["Ask Ines", "if unsure"]] },
    { name: "May", rows: [["Tickets of May"], ["ticket", "queue"], ...rows("May", 20)], hiddenRows: [4, 7] },
    { name: "June", rows: [["queue", "ticket"], ...rows("June", 12).map(([text, label]) => [label!, text!])], hidden: true },
    { name: "Empty", rows: [] },
  ]);
  await open(page, "tickets.xlsx", book);
  const sheet = page.locator("#sheet");
  await expect(sheet, "the sheet that looks like a table").toHaveValue("May");
  await expect(page.getByText("20 rows, an Excel workbook, header in row 2")).toBeVisible();
  // The advice leads to the list of sheets.
  await expect(advice(page)).toContainText("Only the sheet “May” is read, one of 4.");
  await expectAccessible(page, "a workbook that begins with something else");
  await screenshot(page, "reading-readme", true);
  await button(page, "Choose the sheet").click();
  await expect(sheet).toBeFocused();
  await sheet.selectOption("Read me");
  await expect(page.getByText("3 rows, an Excel workbook")).toBeVisible();
  await sheet.selectOption("May");
  await expect(page.getByText("20 rows, an Excel workbook, header in row 2")).toBeVisible();
  await expect(page.getByText("The header is row 2; row 1 above it is left out.")).toBeVisible();
  await expect(notes(page)).toContainText("2 rows (4, 7) are hidden in the sheet");
  await expect(notes(page)).toContainText("Only the sheet May is read; the sheets Read me, June, Empty are not");
  // What the crate has in backticks is code.
  await expect(notes(page).locator("code").filter({ hasText: /^May$/ })).toHaveCount(1);
  expect(await page.locator("main").innerText()).not.toContain("`");
  await expect(advice(page), "it is chosen").not.toContainText("Only the sheet");
  await expectAccessible(page, "a workbook with several sheets");
  await screenshot(page, "reading-sheet", true);

  // A hidden sheet can be chosen; the columns are those of the same names.
  await labels(page).selectOption({ label: "queue" });
  await sheet.selectOption("June");
  await expect(page.getByText("12 rows, an Excel workbook, header in row 1")).toBeVisible();
  await expect(labels(page)).toHaveValue("0");
  await expect(texts(page)).toHaveValue("1");
  await sheet.selectOption("Empty");
  await expect(alert(page)).toContainText("The sheet Empty is empty");
  await expect(alert(page).locator("code")).toHaveText("Empty");
  await expect(sheet).toHaveValue("June");

  // It belongs to the file: the defaults of the options leave it alone, and a file of settings brings it back.
  const settings = await dataSettings(page);
  expect(settings).toMatchObject({ sheet: "June", label_column: "queue" });
  await setOptions(page, { Steps: "12" });
  await button(page, "Reset to defaults").click();
  await expect(page.getByText("12 rows, an Excel workbook, header in row 1")).toBeVisible();
  expect(await dataSettings(page), "how the file is read is no default").toMatchObject({ sheet: "June" });
  await page.locator("#options").getByLabel("Sheet", { exact: true }).selectOption("May");
  await expect(sheet).toHaveValue("May");
  const load = page.locator("#options").getByRole("group", { name: "Settings file" }).locator("input[type=file]");
  const given = (data: object) => ({ name: "mine.json", mimeType: "application/json", buffer: Buffer.from(JSON.stringify({ data })) });
  await load.setInputFiles(given({ sheet: "June", merge_labels: true }));
  await expect(sheet).toHaveValue("June");
  await expect(page.getByText("12 rows, an Excel workbook, header in row 1")).toBeVisible();
  await load.setInputFiles(given({ sheet: "July", max_tokens: 99 }));
  await expect(page.locator(".stack").getByText("does not have. The file is read as before.")).toBeVisible();
  await expect(sheet).toHaveValue("June");
  expect(await dataSettings(page)).toMatchObject({ sheet: "June", max_tokens: 99 });
});

test("a workbook that begins with prose is opened by another sheet", async ({ page }) => {
  const book = workbook([
    { name: "Read me", rows: [["How to fill in"], ["One ticket in each row, and its queue"]] },
    // Hidden sheets are not read unless they are chosen.
    {
      name: "May",
      rows: [["ticket", "queue"], ...Array.from({ length: 20 }, (_, row) => [`the parcel ${row} is late`, ["billing", "delivery"][row % 2]!])],
      hidden: true,
    },
    { name: "Empty", rows: [] },
  ]);
  await openWithTiny(page);
  await drop(page, "tickets.xlsx", "", book);
  const main = page.locator("main");
  await expect(main.getByRole("alert")).toContainText("Only one column has any content");
  await expect(main.getByText("tickets.xlsx has 3 sheets.")).toBeVisible();
  const sheet = main.getByLabel("Sheet", { exact: true });
  await expectAccessible(page, "a workbook that was refused");
  await screenshot(page, "reading-refused", true);
  await sheet.selectOption("Empty");
  await expect(main.getByRole("alert")).toContainText("The sheet Empty is empty");
  await expect(sheet).toHaveValue("Empty");
  await sheet.selectOption("May");
  await expect(page.getByText("20 rows, an Excel workbook, header in row 1")).toBeVisible();
  expect(await dataSettings(page)).toMatchObject({ sheet: "May" });
  // In place of an open table, too.
  await page.getByLabel("Another file").setInputFiles({ name: "again.xlsx", mimeType: "", buffer: book });
  await expect(main.getByText("again.xlsx has 3 sheets.")).toBeVisible();
  await expect(page.getByText("20 rows, an Excel workbook, header in row 1")).toBeVisible();
  await page.getByLabel("Another file").setInputFiles({ name: "rows.csv", mimeType: "text/csv", buffer: file("reading/lines_above.csv") });
  await expect(page.getByText("36 rows, separated by semicolons")).toBeVisible();
  await expect(main.getByText("again.xlsx has 3 sheets.")).toHaveCount(0);
});

test("where two columns come close, the user says which one is meant", async ({ page }) => {
  await page.setViewportSize(phone);
  await open(page, "pairs.tsv", file("reading/two_texts.tsv"));
  await expect(question(page, "text")).toContainText("sentence1");
  await expect(question(page, "text")).toContainText("a man waters roses in the rain for 0 minutes");
  await expect(question(page, "label")).toHaveCount(0);
  expect(await fits(page)).toBeLessThanOrEqual(0);
  await expectAccessible(page, "a question");
  await expectAccessibleInDark(page, "a question");
  await screenshot(page, "reading-question-phone", true);
  await question(page, "text").getByRole("button", { name: /^sentence2/ }).focus();
  await page.keyboard.press("Enter");
  await expect(question(page, "text")).toHaveCount(0);
  await expect(texts(page)).toBeFocused();
  await expect(texts(page)).toHaveValue("2");
  await expect(button(page, "Text column: sentence2")).toHaveAttribute("aria-pressed", "true");
  expect(await dataSettings(page)).toMatchObject({ text_column: "sentence2", label_column: null });
  // The one that is read already is an answer, too.
  await drop(page, "again.tsv", "text/tab-separated-values", file("reading/two_texts.tsv"));
  await question(page, "text").getByRole("button", { name: /^sentence1/ }).click();
  await expect(question(page, "text")).toHaveCount(0);
  expect(await dataSettings(page)).toMatchObject({ text_column: "sentence1" });
});

test("labels that look the same are merged, in the held-out file too, and taken apart again", async ({ page }) => {
  const table = (spellings: string[], from: number, count: number) =>
    ["text,label", ...Array.from({ length: count }, (_, row) => `it came on day ${from + row} of the year,${spellings[row % spellings.length]}`)].join("\n");
  await open(page, "mail.csv", table(["Spam", "ham", "spam", "ham"], 0, 40));
  await expect(classes(page)).toHaveCount(3);
  await expect(similar(page)).toContainText("1 group of labels looks the same");
  await expect(similar(page)).toContainText("Spam (10), spam (10)");
  // One note, and it is this one.
  await expect(page.getByText("looks the same")).toHaveCount(1);
  await expectAccessible(page, "labels that look the same");
  await screenshot(page, "reading-similar", true);
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.getByText("Use a held-out file").click()]);
  await chooser.setFiles({ name: "held.csv", mimeType: "text/csv", buffer: Buffer.from(table(["SPAM", "ham"], 100, 12)) });
  await expect(heldOut(page)).toContainText("measured on held.csv: 12 rows, separated by commas, UTF-8, header in row 1");

  await button(page, "Merge these labels").click();
  await expect(classes(page)).toHaveCount(2);
  await expect(similar(page)).toContainText("are merged into 1 class, in the held-out file too");
  await expect(page.locator(".stack").getByText(/looks? the same/), "said once").toHaveCount(1);
  await expect(button(page, "Undo the merge")).toBeFocused();
  await expectAccessible(page, "merged labels");
  await screenshot(page, "reading-merged", true);
  const { labels, config } = await train(page);
  expect(labels).toEqual(["ham", "spam"]);
  expect(config.data).toMatchObject({ merge_labels: true });
  // All 12 rows of the held-out file are measured, those with `SPAM` too.
  await expect(page.getByText(/\b12 held-out rows/).first()).toBeVisible();

  // The run is saved with it, and comes back with it.
  await page.reload();
  await button(page, "Your runs").click();
  await page.getByRole("list", { name: "Runs" }).getByRole("button", { name: /^Open / }).first().click();
  await expect(heading(page, "Your classifier is ready")).toBeVisible();
  await button(page, "Change options, train again").click();
  await expect(classes(page)).toHaveCount(2);
  await button(page, "Undo the merge").click();
  await expect(classes(page)).toHaveCount(3);
  await expect(button(page, "Merge these labels")).toBeFocused();
  expect(await dataSettings(page)).toMatchObject({ merge_labels: false });
});

test("the column that states the split is chosen, or none", async ({ page }) => {
  const rows = Array.from({ length: 40 }, (_, row) => `it came on day ${row} of the year,${["early", "late"][row % 2]},${["train", "train", "test", "dev"][Math.floor(row / 2) % 4]},${row % 5}`);
  // A text of the test part once more, to train on.
  const leaked = "it came on day 4 of the year,early,train,0";
  await open(page, "split.csv", ["text,label,part,fold", ...rows, leaked].join("\n"));
  const split = heldOut(page).getByLabel("Split", { exact: true });
  await expect(split).toHaveValue("");
  await expect(split.locator("option:checked")).toHaveText("Automatic: column part");
  await expect(heldOut(page)).toContainText("Column part defines the split: 20 training rows, 10 held-out rows");
  const findings = page.getByRole("region", { name: "Data summary" });
  for (const [name, value] of [["Left out", 10], ["Also held out", 1]] as const)
    await expect(findings.getByText(name, { exact: true }).first().locator("..")).toContainText(`${value}`);
  await expect(notes(page)).not.toContainText("--");
  await expectAccessible(page, "a split column");
  await screenshot(page, "reading-split", true);

  await split.selectOption({ label: "Column fold" });
  await expect(heldOut(page).getByRole("alert")).toContainText("Column “fold” does not define the split");
  await expect(split).toHaveValue("");
  await split.selectOption({ label: "Random" });
  await expect(heldOut(page).getByRole("alert")).toHaveCount(0);
  await expect(heldOut(page)).toContainText("20.0% of the rows are held out");
  await expect(findings.getByText("Left out", { exact: true })).toHaveCount(0);
  expect(await dataSettings(page)).toMatchObject({ split_column: "none" });
  await split.selectOption({ label: "Column part" });
  await expect(heldOut(page)).toContainText("Column part defines the split");
  await expect(page.locator("#options").getByLabel("Held-out share", { exact: true })).toBeDisabled();
  const { config } = await train(page);
  expect(config.data).toMatchObject({ split_column: "part" });
  await expect(page.getByText(/\b10 held-out rows/).first()).toBeVisible();
});

test("a held-out file without the columns of the table is told", async ({ page }) => {
  await page.setViewportSize(phone);
  await open(page, "split.csv", file("reading/split_column.csv"));
  const give = async (name: string, content: string | Buffer) => {
    const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.getByText("Use a held-out file").click()]);
    await chooser.setFiles({ name, mimeType: "text/csv", buffer: Buffer.from(content) });
  };
  await give("pairs.tsv", file("reading/two_texts.tsv"));
  await expect(heldOut(page)).toContainText("pairs.tsv: 48 rows, separated by tabs, UTF-8, header in row 1.");
  await expect(heldOut(page)).toContainText("It has no column “text” and no column “label”");
  await expect(heldOut(page).getByLabel("Split", { exact: true })).toHaveCount(0);
  expect(await fits(page)).toBeLessThanOrEqual(0);
  await expectAccessible(page, "a held-out file with other columns");
  await screenshot(page, "reading-held-out-phone", true);
  await button(page, "Remove the held-out file").click();
  await give("same.csv", file("reading/split_column.csv"));
  await expect(heldOut(page)).toContainText("same.csv: 36 rows");
  await expect(heldOut(page)).not.toContainText("It has no column");
});
