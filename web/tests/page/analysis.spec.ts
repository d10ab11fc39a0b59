/** What a result is made of: intervals, cells with their texts, labels put right, neighbours, the report; and texts tried as typed. */
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import AxeBuilder from "@axe-core/playwright";
import type { Locator, Page } from "@playwright/test";
import { button, drop, expect, expectAccessible, file, heading, openWithTiny, screenshot, setOptions, smallSample, test } from "./session";

const READY = "Your classifier is ready";

/** The sample with every ninth label of the first classes set to another class: what a careless annotator leaves. */
function mislabelled(rowsPerClass: number): string {
  const [header, ...rows] = smallSample(rowsPerClass).trimEnd().split("\n");
  const names = [...new Set(rows.map((row) => row.slice(row.lastIndexOf(",") + 1)))];
  const changed = rows.map((row, index) => {
    if (index % 9) return row;
    const at = row.lastIndexOf(",") + 1;
    return row.slice(0, at) + names[(names.indexOf(row.slice(at)) + 3) % names.length];
  });
  return [header, ...changed].join("\n") + "\n";
}

/** Text and label in a line of a CSV of two columns. */
function cells(line: string): [string, string] {
  const at = line.lastIndexOf(",");
  const plain = (cell: string) => (cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell);
  return [plain(line.slice(0, at).replace("\ufeff", "")), plain(line.slice(at + 1))];
}

/** What an item of a list of answered rows says. */
async function answered(item: Locator) {
  const words = await item.locator("p.small").innerText();
  const [, row, truth, predicted] = /^Row (\d+): label (.+), predicted (.+) \(\d+\.\d%\)$/.exec(words.replace(/\s+/g, " "))!;
  return { row: Number(row), truth: truth!, predicted: predicted!, text: await item.locator("p.text").innerText() };
}

/** On a narrow window nothing is wider than it. */
async function expectNoOverflow(page: Page) {
  const { scroll, client } = await page.evaluate(() => ({
    scroll: document.documentElement.scrollWidth,
    client: document.documentElement.clientWidth,
  }));
  expect(scroll, "the page is as wide as the window").toBe(client);
}

test("a result is analysed, its labels are corrected, and it is trained again", async ({ page, browser, watch }) => {
  const table = mislabelled(50);
  const lines = table.trimEnd().split("\n");
  await openWithTiny(page);
  await drop(page, "requests.csv", "text/csv", table);
  await expect(heading(page, "Check your data, then train")).toBeVisible();
  const before = watch.requests.length;
  await setOptions(page, { Method: "Prompt tuning", Steps: "50", Evaluations: "2", "Held-out share": "40", "Early stopping patience": "" });
  await button(page, "Train").click();
  await expect(heading(page, READY)).toBeVisible();

  // Figures with intervals around them.
  const accuracy = Number.parseFloat((await page.locator(".accuracy").innerText()).replace("%", ""));
  const interval = /^95% confidence interval (\d+\.\d)% to (\d+\.\d)%$/.exec(await page.getByText(/^95% confidence interval/).innerText())!;
  expect(Number(interval[1])).toBeLessThan(accuracy);
  expect(Number(interval[2])).toBeGreaterThan(accuracy);
  await expect(page.getByRole("img", { name: /^Reliability diagram\. / })).toBeVisible();

  // The surest mistakes, from the user's own rows.
  const mistakes = page.getByRole("list", { name: "Mistakes" }).getByRole("listitem");
  await expect(mistakes).toHaveCount(5);
  const more = page.getByRole("button", { name: /^Show more of \d+ mistakes$/ });
  const total = Number(/\d+/.exec(await more.innerText())![0]);
  await more.click();
  await expect(mistakes).toHaveCount(Math.min(total, 25));
  for (const item of [mistakes.nth(0), mistakes.nth(5)]) {
    const { row, text, truth, predicted } = await answered(item);
    expect(cells(lines[row - 1]!)).toEqual([text, truth]);
    expect(predicted).not.toBe(truth);
  }
  await expectAccessible(page, "result");
  await screenshot(page, "understand", true);

  // A cell of the confusion table shows its texts; the arrow keys lead from cell to cell.
  const confusion = page.getByRole("region", { name: "Counts by label and predicted class" });
  const cell = confusion.getByRole("button", { name: / predicted as / }).first();
  const rows = Number(await cell.innerText());
  const [, actual, predictedClass] = /^(.+) predicted as (.+): \d+ rows?$/.exec((await cell.getAttribute("aria-label"))!)!;
  await cell.click();
  const texts = page.getByRole("list", { name: "Texts in this cell" }).getByRole("listitem");
  await expect(texts).toHaveCount(Math.min(rows, 5));
  await expect(heading(page, `${actual} predicted as ${predictedClass}: ${rows} row${rows === 1 ? "" : "s"}`)).toBeFocused();
  for (const item of await texts.all()) {
    const { row, text, truth, predicted } = await answered(item);
    expect([truth, predicted]).toEqual([actual, predictedClass]);
    expect(cells(lines[row - 1]!)).toEqual([text, truth]);
  }
  await expectAccessible(page, "an open cell");
  await button(page, "Close").click();
  await expect(cell).toBeFocused();
  await expect(texts).toHaveCount(0);
  await page.keyboard.press("ArrowRight");
  await expect(cell).not.toBeFocused();
  await expect(confusion.locator("button:focus")).toHaveCount(1);
  await page.keyboard.press("ArrowLeft");
  await expect(cell).toBeFocused();
  expect(await confusion.locator('button[tabindex="0"]').count()).toBe(1);

  // One label is put right, one row taken out; a third change is taken back.
  const wrong = await answered(mistakes.nth(0));
  const gone = await answered(mistakes.nth(1));
  await mistakes.nth(0).getByRole("button", { name: `Change label to ${wrong.predicted}` }).click();
  await mistakes.nth(1).getByRole("button", { name: `Remove row ${gone.row}` }).click();
  await expect(page.getByText(`Row ${gone.row} will be removed. 2 changes.`)).toBeAttached();
  const third = mistakes.nth(2).getByRole("combobox");
  const kept = await third.inputValue();
  await third.selectOption({ index: (await answered(mistakes.nth(2))).truth === "AddToPlaylist" ? 1 : 0 });
  await expect(button(page, "Train again with 3 changes")).toBeVisible();
  await third.selectOption(kept);
  await expect(button(page, "Train again with 2 changes")).toBeVisible();
  await expectAccessible(page, "changes");
  await screenshot(page, "understand-changes");
  const [corrected] = await Promise.all([page.waitForEvent("download"), button(page, "Download corrected table").click()]);
  const changed = readFileSync(await corrected.path(), "utf8").trimEnd().split(/\r?\n/).map(cells);
  const wanted = lines.map(cells).filter((_, index) => index !== gone.row - 1);
  wanted.find(([text]) => text === wrong.text)![1] = wrong.predicted;
  expect(changed).toEqual(wanted);

  // The report stands alone: no script, no request, nothing that axe finds; it has the mistakes with their texts.
  await button(page, "Download report").scrollIntoViewIfNeeded();
  const [download] = await Promise.all([page.waitForEvent("download"), button(page, "Download report").click()]);
  expect(download.suggestedFilename()).toBe("softprompt-report.html");
  const path = test.info().outputPath("report.html");
  await download.saveAs(path);
  for (const colorScheme of ["light", "dark"] as const) {
    const reader = await browser.newContext({ colorScheme, viewport: { width: colorScheme === "dark" ? 360 : 1280, height: 900 } });
    const report = await reader.newPage();
    const asked: string[] = [];
    const errors: string[] = [];
    report.on("request", (request) => asked.push(request.url()));
    report.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    await report.goto(pathToFileURL(path).href);
    await expect(report.getByRole("heading", { level: 1 })).toHaveText("Softprompt report: requests.csv");
    await expect(report.getByText(`${accuracy.toFixed(1)}%`, { exact: true }).first()).toBeVisible();
    await expect(report.getByRole("region", { name: "Mistakes" }).getByText(wrong.text, { exact: true })).toBeVisible();
    await expect(report.getByRole("region", { name: "Nearest tokens" }).getByRole("row")).not.toHaveCount(1);
    const { violations } = await new AxeBuilder({ page: report }).analyze();
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`)).toEqual([]);
    await expectNoOverflow(report);
    expect(asked).toEqual([pathToFileURL(path).href]);
    expect(errors).toEqual([]);
    await screenshot(report, `report-${colorScheme}`, true);
    await reader.close();
  }

  // Neighbours of the prompt, looked up when they are asked for.
  const nearest = page.getByRole("region", { name: "Tokens nearest to each prompt row" }).getByRole("row");
  await expect(nearest).toHaveCount(0);
  await page.getByText("Find the vocabulary tokens nearest to each prompt row").click();
  await expect(nearest.first()).toBeVisible();
  const cosines = (await nearest.nth(1).locator(".number").allInnerTexts()).slice(1).map(Number);
  expect(cosines).toHaveLength(8);
  expect(cosines).toEqual([...cosines].sort((a, b) => b - a));
  expect(cosines.every((cosine) => cosine > 0 && cosine <= 1)).toBe(true);
  await expectAccessible(page, "neighbours");

  // Typing is enough: the answer follows the text, and leaves with it.
  const field = page.getByLabel("Text to classify");
  const likely = page.getByRole("list", { name: "Probabilities" });
  await field.pressSequentially("play some music by madonna", { delay: 30 });
  await expect(page.locator(".prediction")).toContainText(/Prediction: [A-Z]\w+/);
  const first = await likely.innerText();
  await field.fill("what will the weather be like in london tomorrow");
  await expect(likely).not.toHaveText(first, { useInnerText: true });
  await expectAccessible(page, "typed");
  await field.fill("");
  await expect(likely).toHaveCount(0);

  // On a phone, in the dark.
  await page.setViewportSize({ width: 360, height: 740 });
  await page.emulateMedia({ colorScheme: "dark" });
  await expectNoOverflow(page);
  await expectAccessible(page, "result on a phone, in the dark");
  await screenshot(page, "understand-phone", true);
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });

  await button(page, "Train again with 2 changes").click();
  await expect(heading(page, "Training your classifier")).toBeVisible();
  await expect(heading(page, READY)).toBeVisible();
  await expect(page.getByText(/^Train again with/)).toHaveCount(0);
  await expect(mistakes.first()).toBeVisible();
  await button(page, "Change options, train again").click();
  await expect(page.getByText(`${lines.length - 2} rows, separated by commas`)).toBeVisible();
  expect(watch.requests.slice(before).filter((address) => !address.startsWith("blob:"))).toEqual([]);
});

test("the seventy-seven classes of a bank's requests stay usable", async ({ page }) => {
  await openWithTiny(page);
  await drop(page, "banking77.csv", "text/csv", file("banking77/train.csv"));
  await setOptions(page, { Method: "Linear probe", Steps: "30", "Held-out share": "30" });
  await button(page, "Train").click();
  await expect(heading(page, READY)).toBeVisible();
  await expect(page.getByText("Find the vocabulary tokens"), "a probe has no prompt").toHaveCount(0);
  const top = page.getByRole("list", { name: "Most frequent confusions" }).getByRole("button");
  await expect(top).toHaveCount(10);
  await top.first().click();
  await expect(page.getByRole("list", { name: "Texts in this cell" }).getByRole("listitem").first()).toBeVisible();
  await page.getByRole("combobox", { name: "Order" }).selectOption("Lowest F1 first");
  const f1 = await page.getByRole("region", { name: "Precision, recall and F1" }).locator("td.f1").allInnerTexts();
  const values = f1.map((value) => Number.parseFloat(value));
  expect(values).toHaveLength(77);
  expect(values).toEqual([...values].sort((a, b) => a - b));
  await page.getByLabel("Text to classify").fill("my card has not arrived yet");
  await expect(page.getByRole("list", { name: "Probabilities" }).getByRole("listitem")).toHaveCount(5);
  await expectAccessible(page, "many classes");
  await screenshot(page, "understand-77", true);
  await page.setViewportSize({ width: 360, height: 740 });
  await expectNoOverflow(page);
  await expectAccessible(page, "many classes on a phone");
  await screenshot(page, "understand-77-phone", true);
});
