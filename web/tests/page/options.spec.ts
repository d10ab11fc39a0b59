/** The drawer of options: with the keyboard alone, with wrong values, reset to defaults, and as a file. */
import { readFileSync } from "node:fs";
import type { Page } from "@playwright/test";
import { button, drop, expect, expectAccessible, heading, openWithTiny, screenshot, setOptions, smallSample, test } from "./session";

const narrow = { width: 360, height: 740 };

const drawer = (page: Page) => page.locator("#options");
const field = (page: Page, label: string) => drawer(page).getByLabel(label, { exact: true });
const resetOf = (page: Page, label: string) => drawer(page).getByRole("button", { name: `${label}: reset to ` });

async function open(page: Page) {
  await openWithTiny(page);
  await drop(page, "requests.csv", "text/csv", smallSample(8));
  await expect(heading(page, "Check your data, then train")).toBeVisible();
}

/** Moves on with Tab until this is reached. */
async function tabTo(page: Page, what: string, reached: () => Promise<boolean>) {
  for (let presses = 0; presses < 150; presses++) {
    if (await reached()) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`the keyboard does not reach ${what}`);
}

const focused = (page: Page, selector: string) => async () =>
  page.evaluate((selector) => document.activeElement?.matches(selector) ?? false, selector);

test("the drawer is used with the keyboard alone", async ({ page }) => {
  await open(page);
  await tabTo(page, "the drawer", focused(page, "summary"));
  await page.keyboard.press("Enter");
  await tabTo(page, "the search", focused(page, "#option-search"));
  await expectAccessible(page, "options");
  await screenshot(page, "options", true);
  await page.keyboard.type("prompt length");
  await expect(drawer(page).getByRole("status")).toHaveText("1 option found.");
  await expect(drawer(page).getByRole("radio")).toHaveCount(0);
  await tabTo(page, "the prompt's length", focused(page, "#option-prompt-length"));
  const standard = await field(page, "Prompt length (virtual tokens)").inputValue();
  await page.keyboard.press("Control+A");
  await page.keyboard.type("501");
  await expect(field(page, "Prompt length (virtual tokens)")).toHaveAttribute("aria-invalid", "true");
  await expect(field(page, "Prompt length (virtual tokens)")).toHaveAccessibleDescription("501 is too large: enter a whole number, 1 to 500.");
  await expectAccessible(page, "a wrong value");
  await screenshot(page, "options-wrong", true);
  await page.keyboard.press("Backspace");
  await expect(field(page, "Prompt length (virtual tokens)")).not.toHaveAttribute("aria-invalid");
  await expect(drawer(page).getByText("1 changed")).toBeVisible();
  await page.keyboard.press("Shift+Tab");
  await expect(resetOf(page, "Prompt length (virtual tokens)")).toBeFocused();
  await expect(resetOf(page, "Prompt length (virtual tokens)")).toHaveAccessibleName(`Prompt length (virtual tokens): reset to ${standard} tokens`);
  await page.keyboard.press("Enter");
  await expect(field(page, "Prompt length (virtual tokens)")).toBeFocused();
  await expect(field(page, "Prompt length (virtual tokens)")).toHaveValue(standard);
  await expect(drawer(page).getByText("default values")).toBeVisible();
});

test("every change can be reset, and a search that finds nothing says so", async ({ page }) => {
  await open(page);
  await setOptions(page, {
    Method: "Prompt tuning",
    Steps: "12",
    "Held-out share": "25",
    "Pooling": "[CLS] token",
    "Prompt pruning": "on",
    "Pieces per token": "8",
    "Compute device": "CPU",
  });
  await expect(drawer(page).getByText("7 changed")).toBeVisible();
  await expect(page.getByLabel("Device", { exact: true })).toHaveValue("cpu");
  await screenshot(page, "options-changed", true);
  await resetOf(page, "Steps").click();
  await expect(field(page, "Steps")).toHaveValue("");
  await resetOf(page, "Pieces per token").click();
  await expect(field(page, "Pieces per token")).not.toHaveValue("8");
  await resetOf(page, "Prompt pruning").click();
  await expect(field(page, "Pieces per token")).toHaveCount(0);
  await expect(resetOf(page, "Pooling")).toHaveAccessibleName("Pooling: reset to mean of all tokens");
  await expect(drawer(page).getByText("4 changed")).toBeVisible();
  await resetOf(page, "Method").click();
  await expect(page.getByRole("radio", { name: "Automatic", exact: true })).toBeFocused();
  await expect(page.getByRole("radio", { name: "Automatic", exact: true })).toBeChecked();
  await expect(drawer(page).getByText("3 changed")).toBeVisible();
  await page.getByLabel("Find an option").fill("zeppelin");
  await expect(drawer(page).getByRole("status")).toContainText("No option of this method matches.");
  await expectAccessible(page, "nothing found");
  await page.getByLabel("Find an option").fill("");
  await button(page, "Reset to defaults").click();
  await expect(drawer(page).getByText("default values")).toBeVisible();
  await expect(page.getByLabel("Device", { exact: true })).toHaveValue("auto");
  await expect(page.getByRole("radio", { name: "Automatic", exact: true })).toBeChecked();
});

test("Train and Compare go to the option that has to be corrected, and name it", async ({ page }) => {
  await open(page);
  await setOptions(page, { Method: "Progressive prompt tuning (FPT)", "Batch size": "0" });
  // It stays in sight, whatever is searched for, and is no hit.
  await page.getByLabel("Find an option").fill("prompt length");
  await expect(drawer(page).getByRole("status")).toHaveText("1 option found. Also shown: 1 option to correct.");
  await page.getByLabel("Find an option").fill("zeppelin");
  await expect(drawer(page).getByRole("status")).toHaveText("No option of this method matches. Also shown: 1 option to correct.");
  await drawer(page).locator("summary").click();
  await expect(field(page, "Batch size")).toBeHidden();
  await expect(page.getByText("Correct “Batch size” first.").first()).toBeVisible();
  await page.evaluate(() => window.scrollTo(0, 0));
  await button(page, "Train").click();
  await expect(field(page, "Batch size")).toBeFocused();
  await expect(field(page, "Batch size")).toBeInViewport({ ratio: 1 });
  await expect(page.getByRole("status").filter({ hasText: "Correct “Batch size” first." })).toHaveCount(1);
  await expectAccessible(page, "an option to correct");
  await screenshot(page, "options-correct");

  // By keyboard, what only the crate can refuse: here the stages do not fit together. The search is over.
  await page.keyboard.press("Control+A");
  await page.keyboard.type("4");
  await page.getByLabel("Find an option").fill("");
  await page.getByLabel("Stage 3: % of the steps").fill("90");
  await expect(page.getByText(/stages with 1\.\d+ of the steps in total/i)).toBeVisible();
  await expect(page.getByText("Correct “Stages” first.").first()).toBeVisible();
  await button(page, "Compare methods").focus();
  await page.keyboard.press("Enter");
  await expect(page.getByLabel("Stage 1: % of the steps")).toBeFocused();
  await expect(heading(page, "Check your data, then train")).toBeVisible();

  // What was typed and is no value is gone with the fields, and with it what is to be corrected.
  await page.getByLabel("Stage 3: % of the steps").fill("10");
  await setOptions(page, { "Batch size": "none" });
  await button(page, "Your runs").click();
  await button(page, "Back to the data").click();
  await expect(page.locator("main").getByText(/^Correct /)).toHaveCount(0);
  await setOptions(page, {});
  await expect(field(page, "Batch size")).toHaveValue("4");
});

test("settings go to a file and come back", async ({ page }) => {
  await open(page);
  await setOptions(page, { Method: "Progressive prompt tuning (FPT)", Steps: "30", "Warm-up": "12,5", "Batch size": "4" });
  await page.getByLabel("Stage 1: % of the steps").fill("15");
  const [download] = await Promise.all([page.waitForEvent("download"), button(page, "Download settings").click()]);
  expect(download.suggestedFilename()).toBe("softprompt-settings.json");
  const text = readFileSync(await download.path(), "utf8");
  const settings = JSON.parse(text) as {
    optim: { steps: number; warmup_fraction: number; batch_size: number };
    prompt: { method: string; progressive: { stages: { share: number }[] } };
  };
  expect(settings.optim).toMatchObject({ steps: 30, warmup_fraction: 0.125, batch_size: 4 });
  expect(settings.prompt.method).toBe("progressive");
  expect(settings.prompt.progressive.stages[0]!.share).toBe(0.15);

  await button(page, "Reset to defaults").click();
  await expect(drawer(page).getByText("default values")).toBeVisible();
  const load = drawer(page).getByRole("group", { name: "Settings file" }).locator("input[type=file]");
  await load.setInputFiles({ name: "mine.json", mimeType: "application/json", buffer: Buffer.from(text) });
  await expect(page.getByRole("radio", { name: "Progressive prompt tuning (FPT)", exact: true })).toBeChecked();
  await expect(field(page, "Steps")).toHaveValue("30");
  await expect(field(page, "Warm-up")).toHaveValue("12.5");
  await expect(page.getByLabel("Stage 1: % of the steps")).toHaveValue("15");

  // What cannot be taken says why, and leaves everything as it was.
  for (const [content, said] of [
    ["{ not json", "mine.json is not JSON."],
    [JSON.stringify({ optim: { batch_size: 0 } }), /0 is too small/],
    [JSON.stringify({ optim: { batch_sise: 8 } }), /unknown field .*batch_sise/],
  ] as const) {
    await load.setInputFiles({ name: "mine.json", mimeType: "application/json", buffer: Buffer.from(content) });
    await expect(drawer(page).getByText(said)).toBeVisible();
    await expect(field(page, "Steps")).toHaveValue("30");
  }
  await expectAccessible(page, "settings that cannot be taken");
  await screenshot(page, "options-file", true);
});

test("the drawer fits a phone, in the dark", async ({ page }) => {
  await page.setViewportSize(narrow);
  await page.emulateMedia({ colorScheme: "dark" });
  await open(page);
  await setOptions(page, { Method: "Efficient prompt tuning (EPT)", Steps: "12", "Update rank": "0" });
  await expect(field(page, "Update rank")).toHaveAttribute("aria-invalid", "true");
  expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0);
  await expectAccessible(page, "options on a phone, dark");
  await screenshot(page, "options-phone-dark", true);
});

test("the numbers of a run are told while it goes", async ({ page }) => {
  // With the default encoder, of which the size is known.
  await page.goto("");
  await drop(page, "requests.csv", "text/csv", smallSample(8));
  await setOptions(page, {
    Method: "Prompt tuning",
    Steps: "2000",
    Evaluations: "1000",
    "Batch size": "4",
    "Early stopping patience": "",
    "Compute device": "CPU",
  });
  await button(page, "Train").click();
  const fact = (name: string) =>
    page
      .locator("dl > div")
      .filter({ has: page.getByText(name, { exact: true }) })
      .locator("dd");
  await expect(fact("Throughput")).toHaveText(/^[\d,.]+k? tokens\/s$/);
  await expect(fact("Memory")).toHaveText(/^\d+\.\d MB$/);
  // The layers alone are more than 40 MB; what the page says is not just a number.
  expect(Number.parseFloat((await fact("Memory").textContent())!)).toBeGreaterThan(42);
  await expect(fact("Majority class")).toHaveText(/^\d+\.\d%$/);
  await expect(fact("Linear probe")).toHaveText(/^\d+\.\d%$/);
  await expect(page.getByText(/ left$/)).toBeVisible();
  await expect(page.getByText("CPU. Chosen by you.")).toBeVisible();
  await expectAccessible(page, "numbers of a run");
  await screenshot(page, "training-numbers", true);
  await page.setViewportSize(narrow);
  expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0);
  await screenshot(page, "training-numbers-narrow", true);
  await button(page, "Cancel").click();
  await button(page, "Cancel the run").click();
});
