/** The list of runs: named, opened, compared, taken along, deleted. */
import { readFileSync } from "node:fs";
import type { Page } from "@playwright/test";
import { button, drop, expect, expectAccessible, expectAccessibleInDark, giveTiny, heading, openWithTiny, screenshot, setOptions, smallSample, test, analysisOf } from "./session";

const rows = (page: Page) => page.getByRole("list", { name: "Runs" }).getByRole("listitem");

async function train(page: Page, options: Record<string, string>) {
  await setOptions(page, {
    Method: "Prompt tuning",
    Evaluations: "4",
    "Batch size": "4",
    "Early stopping patience": "",
    ...options,
  });
  await button(page, "Train").click();
  await expect(heading(page, "Your classifier is ready")).toBeVisible();
}

/** A name that would be markup; not in a picture for the README. */
const LONGER = process.env.SCREENSHOTS ? "more steps" : "Longer <b>run</b>";

const NOTHING = { runs: 0, views: 0, checkpoints: 0, data: 0, adapters: 0, answers: 0, databases: 1, caches: [], settings: [], workers: 0 };

/** Everything that this origin keeps in the browser: entries of each store, databases, caches, settings, service workers. */
const left = (page: Page) =>
  page.evaluate(async () => {
    const found: Record<string, unknown> = {
      databases: (await indexedDB.databases()).length,
      caches: await caches.keys(),
      settings: [...Object.keys(localStorage), ...Object.keys(sessionStorage)],
      workers: (await navigator.serviceWorker.getRegistrations()).length,
    };
    const database = await new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open("softprompt");
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error as Error);
    });
    for (const store of database.objectStoreNames)
      found[store] = await new Promise((resolve) => {
        const request = database.transaction(store).objectStore(store).count();
        request.onsuccess = () => resolve(request.result);
      });
    database.close();
    return found;
  });

async function importRun(page: Page, name: string, content: Buffer) {
  const chooser = page.waitForEvent("filechooser");
  await page.getByText("Import a run").click();
  await (await chooser).setFiles({ name, mimeType: "application/json", buffer: content });
}

test("runs are listed, named, opened, compared, exported, imported and erased", async ({ page }) => {
  await page.goto("");
  await button(page, "Your runs").click();
  await expect(heading(page, "Your runs")).toBeFocused();
  await expect(page.getByText("No saved runs yet.")).toBeVisible();
  await expectAccessible(page, "no runs");
  // Over an empty page axe can tell all colours of a question; elsewhere what lies below is in its way.
  await button(page, "Erase everything").click();
  await expectAccessible(page, "a question");
  await expectAccessibleInDark(page, "a question");
  await button(page, "Keep everything").click();
  await button(page, "New run").click();

  // A picture for the README is of the default encoder.
  if (!process.env.SCREENSHOTS) await giveTiny(page);
  await drop(page, "requests.csv", "text/csv", smallSample(8));
  await train(page, { Steps: "16" });
  await expect(page.getByText("Saved in this browser under “Your runs”.")).toBeVisible();
  const [saved] = await Promise.all([page.waitForEvent("download"), button(page, "Download adapter").click()]);
  const adapter = readFileSync(await saved.path());
  const accuracy = await page.locator(".accuracy").textContent();
  await page.getByLabel("Text to classify").fill("will it rain in paris tomorrow");
  const before = await analysisOf(page);
  expect(before.texts.length).toBeGreaterThan(0);
  const likely = page.getByRole("list", { name: "Probabilities" });
  await expect(likely).toBeVisible();
  const probabilities = await likely.textContent();
  await button(page, "Change options, train again").click();
  await train(page, { Steps: "24" });
  await expect(page.getByText("Saved in this browser under “Your runs”.")).toBeVisible();

  // Leaving loses nothing, and asks nothing.
  const asked: string[] = [];
  page.on("dialog", (dialog) => {
    asked.push(dialog.type());
    void dialog.accept();
  });
  await page.reload();
  expect(asked).toEqual([]);
  await expect(heading(page, "Train a text classifier on your own examples")).toBeVisible();
  await expect(heading(page, "A run was interrupted")).toHaveCount(0);
  await button(page, "Your runs").click();
  await expect(rows(page)).toHaveCount(2);
  await expect(rows(page).first()).toContainText("requests 2");
  await expect(rows(page).last()).toContainText(accuracy!);
  await expect(page.getByText(/used, [\d.]+% of the .* that this browser allows/)).toBeVisible();

  // A name, by keyboard alone.
  await button(page, "Rename requests 2").focus();
  await page.keyboard.press("Enter");
  await page.keyboard.type(LONGER);
  await page.keyboard.press("Enter");
  await expect(button(page, `Rename ${LONGER}`)).toBeFocused();
  expect(await page.locator("main b b, h2 b").count()).toBe(0);
  await button(page, `Rename ${LONGER}`).press("Enter");
  await page.keyboard.type("nothing");
  await expectAccessible(page, "a run that is being renamed");
  await page.keyboard.press("Escape");
  await expect(rows(page).first()).toContainText(LONGER);
  await expectAccessible(page, "runs");
  await expectAccessibleInDark(page, "runs");
  await screenshot(page, "runs");

  // Side by side.
  await expect(button(page, "Compare runs")).toBeDisabled();
  for (const box of await page.getByRole("checkbox", { name: /^Compare / }).all()) await box.check();
  await button(page, "Compare 2 runs").click();
  const table = page.getByRole("region", { name: "Results of each run" });
  await expect(table.getByRole("row")).toHaveCount(3);
  await expect(table).toContainText(accuracy!);
  await expect(page.getByRole("img", { name: /^Held-out accuracy over the steps\. (.*\d%\.){2}/ })).toBeVisible();
  await expect(page.locator("figure").first().getByRole("listitem")).toHaveCount(2);
  await expectAccessible(page, "runs compared");
  await expectAccessibleInDark(page, "runs compared");
  await screenshot(page, "runs-compared", true);
  await page.setViewportSize({ width: 360, height: 780 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  await expectAccessible(page, "runs compared on a phone");
  await screenshot(page, "runs-phone", true);
  await page.setViewportSize({ width: 1280, height: 900 });

  // A run of another day: its page, its adapter, its data.
  await button(page, "Open requests").click();
  await expect(heading(page, "Your classifier is ready")).toBeFocused();
  await expect(page.locator(".accuracy")).toHaveText(accuracy!);
  await expect(page.getByRole("img", { name: /after 16 steps/ })).toBeVisible();
  await expectAccessible(page, "a saved run that was opened");
  const [again] = await Promise.all([page.waitForEvent("download"), button(page, "Download adapter").click()]);
  expect(readFileSync(await again.path()).equals(adapter), "another adapter").toBe(true);
  expect(await analysisOf(page)).toEqual(before);
  await expectAccessible(page, "a saved result");
  await page.getByLabel("Text to classify").fill("will it rain in paris tomorrow");
  await expect(page.getByRole("list", { name: "Probabilities" })).toBeVisible();
  expect(await page.getByRole("list", { name: "Probabilities" }).textContent()).toBe(probabilities);
  const [web] = await Promise.all([page.waitForEvent("download"), button(page, "Download as a web page").click()]);
  expect(readFileSync(await web.path()).length).toBeGreaterThan(5e6);
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
  await expectAccessible(page, "question before a run is deleted");
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
  await expect(page.getByText(/^95% confidence interval \d/)).toHaveText(before.interval);
  await page.getByRole("region", { name: "Counts by label and predicted class" }).getByRole("button").first().click();
  const cell = page.getByRole("list", { name: "Texts in this cell" });
  await expect(cell.getByText("The text was not saved with this run.")).toHaveCount(before.texts.length);
  await expect(cell.getByRole("combobox")).toHaveCount(0);
  await expect(button(page, "Download report")).toHaveCount(0);
  await expectAccessible(page, "a saved result without its rows");
  const [third] = await Promise.all([page.waitForEvent("download"), button(page, "Download adapter").click()]);
  expect(readFileSync(await third.path()).equals(adapter), "another adapter").toBe(true);

  // Nothing stays.
  await button(page, "Your runs").click();
  await button(page, "Erase everything").click();
  await expectAccessible(page, "question before everything is erased");
  await button(page, "Erase everything now").click();
  await expect(page.getByText("No saved runs yet.")).toBeVisible();
  expect(await left(page)).toEqual(NOTHING);
});

test("a saved run is exported as itself, whatever the worker holds; one that is gone says so", async ({ page }) => {
  await openWithTiny(page);
  await drop(page, "requests.csv", "text/csv", smallSample(8));
  const webPage = async () => {
    const arrives = page.waitForEvent("download");
    await button(page, "Download as a web page").click();
    const failed = page.getByRole("alert").waitFor();
    await Promise.race([arrives, failed.then(async () => Promise.reject(new Error((await page.getByRole("alert").textContent()) ?? "")))]);
    return readFileSync(await (await arrives).path());
  };
  await train(page, { Steps: "8", "Prompt length (virtual tokens)": "4" });
  const first = await webPage();
  await button(page, "Change options, train again").click();
  await train(page, { Steps: "12", "Prompt length (virtual tokens)": "4" });
  // The trainer holds the second run, and the first one is looked at.
  await button(page, "Your runs").click();
  await button(page, "Open requests").click();
  await expect(page.getByRole("img", { name: /after 8 steps/ })).toBeVisible();
  expect((await webPage()).equals(first), "another page").toBe(true);
  // And on another day, when it holds none.
  await page.reload();
  await button(page, "Your runs").click();
  await button(page, "Open requests").click();
  await expect(heading(page, "Your classifier is ready")).toBeVisible();
  expect((await webPage()).equals(first), "another page").toBe(true);

  // What it learned is lost, as when the browser clears its storage: the text that cannot be classified says so.
  await button(page, "Your runs").click();
  await button(page, "Open requests 2").click();
  await expect(page.getByRole("img", { name: /after 12 steps/ })).toBeVisible();
  await page.evaluate(
    () =>
      new Promise<void>((cleared) => {
        indexedDB.open("softprompt").onsuccess = function () {
          const stores = this.result.transaction("adapters", "readwrite");
          stores.objectStore("adapters").clear();
          stores.oncomplete = () => (this.result.close(), cleared());
        };
      }),
  );
  await page.getByLabel("Text to classify").fill("will it rain in paris tomorrow");
  const card = page.locator("section", { has: heading(page, "Try a text") });
  await expect(card.getByRole("alert")).toContainText("The adapter of this run is no longer saved.");
  await expect(card.getByRole("alert")).toContainText("Train it again.");
  await expectAccessible(page, "a text that cannot be classified");
  await expectAccessibleInDark(page, "a text that cannot be classified");
});

test.describe("with the page cached for offline use", () => {
  test.use({ serviceWorkers: "allow" });

  test("erased is erased, and the next visit is like the first", async ({ page }) => {
    await page.goto("");
    await expect(page.getByText("it also opens offline")).toBeVisible();
    await giveTiny(page);
    await drop(page, "requests.csv", "text/csv", smallSample(8));
    await train(page, { Steps: "8", "Prompt length (virtual tokens)": "4" });
    await expect(page.getByText("Saved in this browser under “Your runs”.")).toBeVisible();
    const before = await left(page);
    expect(before).toMatchObject({ runs: 1, views: 1, data: 1, adapters: 1, workers: 1 });
    expect((before.caches as string[]).sort()).toEqual([expect.stringMatching(/^softprompt-encoders/), expect.stringMatching(/^softprompt-page-/)]);
    expect((before.settings as string[]).length).toBeGreaterThan(0);

    await button(page, "Your runs").click();
    await button(page, "Erase everything").click();
    await button(page, "Erase everything now").click();
    await expect(page.getByText("No saved runs yet.")).toBeVisible();
    expect(await left(page)).toEqual(NOTHING);
    // The page does not claim any more that it opens without a network.
    await expect(page.getByText("it also opens offline")).toHaveCount(0);
    await expectAccessible(page, "erased");
    await page.reload();
    await expect(page.getByText("it also opens offline")).toBeVisible();
    const { caches: kept, workers, ...rest } = await left(page);
    expect([kept, workers]).toEqual([[expect.stringMatching(/^softprompt-page-/)], 1]);
    expect({ ...rest, caches: [], workers: 0 }).toEqual(NOTHING);
  });
});
