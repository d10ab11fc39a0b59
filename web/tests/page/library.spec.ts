/** The list of runs: named, opened, compared, taken along, deleted. */
import { readFileSync } from "node:fs";
import type { Page } from "@playwright/test";
import { button, drop, expect, expectAccessible, heading, screenshot, setOptions, smallSample, test, understood } from "./session";

const rows = (page: Page) => page.getByRole("list", { name: "Runs" }).getByRole("listitem");

async function train(page: Page, options: Record<string, string>) {
  await setOptions(page, {
    Method: "Prompt tuning",
    Evaluations: "4",
    "Texts per step": "4",
    "Stop early after": "",
    ...options,
  });
  await button(page, "Train").click();
  await expect(heading(page, "Your classifier is ready")).toBeVisible({ timeout: 200_000 });
}

async function importRun(page: Page, name: string, content: Buffer) {
  const chooser = page.waitForEvent("filechooser");
  await page.getByText("Import a run").click();
  await (await chooser).setFiles({ name, mimeType: "application/json", buffer: content });
}

test("runs are listed, named, opened, compared, exported, imported and erased", async ({ page }) => {
  await page.goto("");
  await button(page, "Your runs").click();
  await expect(heading(page, "Your runs")).toBeFocused();
  await expect(page.getByText("Nothing is kept yet.")).toBeVisible();
  await expectAccessible(page, "no runs");
  await button(page, "New training").click();

  await drop(page, "requests.csv", "text/csv", smallSample(8));
  await train(page, { Steps: "16" });
  await expect(page.getByText("Kept in this browser under “Your runs”.")).toBeVisible();
  const [saved] = await Promise.all([page.waitForEvent("download"), button(page, "Download adapter").click()]);
  const adapter = readFileSync(await saved.path());
  const accuracy = await page.locator(".accuracy").textContent();
  await page.getByLabel("A text like those in your table").fill("will it rain in paris tomorrow");
  const before = await understood(page);
  expect(before.texts.length).toBeGreaterThan(0);
  const likely = page.getByRole("list", { name: "Probabilities" });
  await expect(likely).toBeVisible();
  const probabilities = await likely.textContent();
  await button(page, "Change options, train again").click();
  await train(page, { Steps: "24" });

  // Leaving loses nothing, and asks nothing.
  const asked: string[] = [];
  page.on("dialog", (dialog) => {
    asked.push(dialog.type());
    void dialog.accept();
  });
  await page.reload();
  expect(asked).toEqual([]);
  await expect(heading(page, "Teach a text classifier with your own examples")).toBeVisible();
  await expect(heading(page, "A training was interrupted")).toHaveCount(0);
  await button(page, "Your runs").click();
  await expect(rows(page)).toHaveCount(2);
  await expect(rows(page).first()).toContainText("requests 2");
  await expect(rows(page).last()).toContainText(accuracy!);
  await expect(page.getByText(/used, [\d.]+% of the .* that this browser allows/)).toBeVisible();

  // A name, by keyboard alone.
  await button(page, "Rename requests 2").focus();
  await page.keyboard.press("Enter");
  await page.keyboard.type("Longer <b>run</b>");
  await page.keyboard.press("Enter");
  await expect(button(page, "Rename Longer <b>run</b>")).toBeFocused();
  expect(await page.locator("main b b, h2 b").count()).toBe(0);
  await button(page, "Rename Longer <b>run</b>").press("Enter");
  await page.keyboard.type("nothing");
  await page.keyboard.press("Escape");
  await expect(rows(page).first()).toContainText("Longer <b>run</b>");
  await expectAccessible(page, "runs");
  await screenshot(page, "runs");

  // Side by side.
  await expect(button(page, "Compare runs")).toBeDisabled();
  for (const box of await page.getByRole("checkbox", { name: /^Compare / }).all()) await box.check();
  await button(page, "Compare 2 runs").click();
  const table = page.getByRole("region", { name: "Figures of each run" });
  await expect(table.getByRole("row")).toHaveCount(3);
  await expect(table).toContainText(accuracy!);
  await expect(page.getByRole("img", { name: /^Held-out accuracy over the steps\. (.*\d%\.){2}/ })).toBeVisible();
  await expect(page.locator("figure").first().getByRole("listitem")).toHaveCount(2);
  await expectAccessible(page, "runs compared");
  await screenshot(page, "runs-compared", true);
  await page.setViewportSize({ width: 360, height: 780 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  await screenshot(page, "runs-phone", true);
  await page.setViewportSize({ width: 1280, height: 900 });

  // A run of another day: its page, its adapter, its data.
  await button(page, "Open requests").click();
  await expect(heading(page, "Your classifier is ready")).toBeFocused();
  await expect(page.locator(".accuracy")).toHaveText(accuracy!);
  await expect(page.getByRole("img", { name: /after 16 steps/ })).toBeVisible();
  const [again] = await Promise.all([page.waitForEvent("download"), button(page, "Download adapter").click()]);
  expect(readFileSync(await again.path()).equals(adapter), "another adapter").toBe(true);
  expect(await understood(page)).toEqual(before);
  await expectAccessible(page, "a kept result");
  await page.getByLabel("A text like those in your table").fill("will it rain in paris tomorrow");
  await expect(page.getByRole("list", { name: "Probabilities" })).toBeVisible({ timeout: 60_000 });
  expect(await page.getByRole("list", { name: "Probabilities" }).textContent()).toBe(probabilities);
  const [web] = await Promise.all([page.waitForEvent("download"), button(page, "Download as a web page").click()]);
  expect(readFileSync(await web.path()).length).toBeGreaterThan(30e6);
  // A label that is put right here is trained on, as in a new result.
  const label = page.getByRole("list", { name: "Mistakes" }).getByRole("combobox").first();
  await label.selectOption({ index: (await label.evaluate((list: HTMLSelectElement) => list.selectedIndex)) === 0 ? 1 : 0 });
  await expect(button(page, "Train again with 1 change")).toBeEnabled();
  await button(page, "Change options, train again").click();
  await expect(page.getByText("56 rows, separated by commas")).toBeVisible();

  // As a file, which holds no text of the user's.
  await button(page, "Your runs").click();
  const [exported] = await Promise.all([page.waitForEvent("download"), button(page, "Export requests").click()]);
  expect(exported.suggestedFilename()).toBe("requests.softprompt.json");
  const file = readFileSync(await exported.path());
  const [firstText] = smallSample(8).split("\n")[1]!.split(",");
  expect(file.includes(firstText!)).toBe(false);
  expect(file.includes(Buffer.from(firstText!).toString("base64").slice(0, -4))).toBe(false);
  await button(page, "Delete").last().click();
  await button(page, "Delete the run").click();
  await expect(rows(page)).toHaveCount(1);
  for (const [name, content] of [
    ["broken.json", file.subarray(0, file.length / 2)],
    ["other.json", Buffer.from("[1, 2, 3]")],
  ] as const) {
    await importRun(page, name, content);
    await expect(page.getByRole("alert")).toContainText(`“${name}” is not an exported run`);
    await expect(rows(page)).toHaveCount(1);
  }
  await expectAccessible(page, "a file that is no run");
  await importRun(page, "requests.softprompt.json", file);
  await expect(rows(page)).toHaveCount(2);
  await expect(page.getByRole("alert")).toHaveCount(0);
  await button(page, "Open requests").click();
  await expect(page.locator(".accuracy")).toHaveText(accuracy!);
  // Without its rows: everything but their texts.
  await expect(page.getByText(/^95% interval \d/)).toHaveText(before.interval);
  await page.getByRole("region", { name: "Confusion table" }).getByRole("button").first().click();
  const cell = page.getByRole("list", { name: "Texts of the cell" });
  await expect(cell.getByText("Its text is not kept with this run.")).toHaveCount(before.texts.length);
  await expect(cell.getByRole("combobox")).toHaveCount(0);
  await expect(button(page, "Download report")).toHaveCount(0);
  await expectAccessible(page, "a kept result without its rows");
  const [third] = await Promise.all([page.waitForEvent("download"), button(page, "Download adapter").click()]);
  expect(readFileSync(await third.path()).equals(adapter), "another adapter").toBe(true);

  // Nothing stays.
  await button(page, "Your runs").click();
  await button(page, "Erase everything").click();
  await button(page, "Erase everything now").click();
  await expect(page.getByText("Nothing is kept yet.")).toBeVisible();
  expect(await page.evaluate(async () => [await caches.keys(), Object.keys(localStorage)])).toEqual([[], []]);
});
