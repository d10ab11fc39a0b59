/** Files as people have them: what is guessed of each, and a held-out file that comes with its training file. */
import { join } from "node:path";
import type { Page } from "@playwright/test";
import { button, drop, expect, expectAccessible, file, heading, SAMPLE, setOptions, test, TINY, labelColumn, textColumn } from "./session";

const classes = (page: Page) => page.getByRole("list", { name: "Rows per class" }).getByRole("listitem");
const findings = (page: Page) => page.getByRole("region", { name: "Data summary" });

async function expectFound(page: Page, facts: Record<string, string>) {
  for (const [name, value] of Object.entries(facts))
    await expect(findings(page).getByText(name, { exact: true }).locator("..").locator("dd"), name).toHaveText(value);
}

test("a spreadsheet's export in an 8-bit encoding, with nameless columns", async ({ page }) => {
  await page.goto("");
  await drop(page, "spam.csv", "text/csv", file("sms_spam/spam_first1500.csv"));
  await expect(page.getByText("1,500 rows, separated by commas, windows-1252, header in row 1")).toBeVisible();
  await expect(textColumn(page)).toHaveValue("1");
  await expect(labelColumn(page)).toHaveValue("0");
  await expectFound(page, { Rows: "1,500", Usable: "1,450", Classes: "2", Duplicates: "50", Contradictions: "0", "Without text": "0" });
  await expect(classes(page)).toHaveCount(2);
  await expect(classes(page).first()).toContainText("ham");
  // A letter beyond ASCII, as it stands in the file.
  await expect(page.getByRole("cell", { name: "XxX std chgs to send, å£1.50 to rcv" })).toBeVisible();
  await expect(page.getByText("11 rows (97, 283,")).toBeVisible();
  await expectAccessible(page, "nameless columns");
});

test("sentences and numbers between tabs, without a header", async ({ page }) => {
  await page.goto("");
  await drop(page, "yelp_labelled.txt", "text/plain", file("uci_sentiment/yelp_labelled.txt"));
  await expect(page.getByText("1,000 rows, separated by tabs, UTF-8, no header")).toBeVisible();
  await expect(textColumn(page)).toHaveValue("0");
  await expect(labelColumn(page)).toHaveValue("1");
  await expectFound(page, { Rows: "1,000", Usable: "996", Classes: "2", Duplicates: "4" });
  await expect(page.getByRole("cell", { name: "Wow... Loved this place.", exact: true })).toBeVisible();
  await expectAccessible(page, "no header");
});

test("line breaks inside cells, and 77 classes", async ({ page }) => {
  await page.goto("");
  await drop(page, "train.csv", "text/csv", file("banking77/train.csv"));
  await expect(page.getByText("772 rows, separated by commas, UTF-8, header in row 1")).toBeVisible();
  await expectFound(page, { Rows: "772", Usable: "772", Classes: "77", Duplicates: "0", Contradictions: "0" });
  await button(page, "Show all 77").click();
  await expect(classes(page)).toHaveCount(77);
  await expect(classes(page).filter({ hasText: /^pin_blocked/ })).toContainText("11 (1.4%)");
});

test("what is measured is the held-out file, row by row", async ({ page }) => {
  await page.goto("");
  await button(page, "Try with sample data").click();
  await expect(page.getByText("700 rows, separated by commas")).toBeVisible();
  await button(page, "Change").click();
  await page.locator("input[webkitdirectory]").setInputFiles(TINY);
  await expect(page.getByText("2 layers, hidden size 32, frozen")).toBeVisible();
  const card = page.getByRole("region", { name: "Held-out set" });
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), card.getByText("Use a held-out file").click()]);
  await chooser.setFiles(join(import.meta.dirname, "../files/snips/test.csv"));
  await expect(card).toContainText("measured on test.csv");
  await setOptions(page, { Method: "Prompt tuning", Steps: "40", Evaluations: "2", "Prompt length (virtual tokens)": "4" });
  await button(page, "Train").click();
  await expect(heading(page, "Your classifier is ready")).toBeVisible();
  // Counted from the file itself, class by class: its classes are not as large as those of the training file.
  const truth = new Map<string, number>();
  const rows = file("snips/test.csv").toString().trimEnd().split(/\r?\n/).slice(1);
  for (const row of rows) {
    const label = row.slice(row.lastIndexOf(",") + 1);
    truth.set(label, (truth.get(label) ?? 0) + 1);
  }
  expect(rows).toHaveLength(699);
  await expect(page.getByText("accuracy on 699 held-out rows")).toBeVisible();
  const perClass = page.getByRole("region", { name: "Precision, recall and F1" }).getByRole("row");
  await expect(perClass).toHaveCount(1 + truth.size);
  for (const [label, support] of truth) await expect(perClass.filter({ hasText: label }).getByRole("cell").last()).toHaveText(String(support));
  // All rows of the table were there to learn from.
  expect(SAMPLE.trimEnd().split("\n")).toHaveLength(701);
  const cells = await page.getByRole("region", { name: "Counts by label and predicted class" }).getByRole("cell").allTextContents();
  expect(cells.reduce((sum, cell) => sum + Number(cell), 0)).toBe(699);
});
