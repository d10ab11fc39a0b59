import { readFileSync } from "node:fs";
import type { Page } from "@playwright/test";
import { button, drop, expect, expectAccessible, expectAccessibleInDark, heading, openWithTiny, screenshot, setOptions, share, smallSample, test } from "./session";

const narrow = { width: 360, height: 740 };

/** Nothing is wider than the window. */
const expectFits = async (page: Page, state: string) =>
  expect(
    await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth),
    `wider than the window: ${state}`,
  ).toBeLessThanOrEqual(0);

test("each method has its options, and the automatic one is chosen first", async ({ page }) => {
  await openWithTiny(page);
  await drop(page, "requests.csv", "text/csv", smallSample(8));
  const options = page.locator("#options");
  await options.locator("summary").click();
  await expect(options.getByText("default values")).toBeVisible();
  await expect(page.getByRole("radio", { name: "Automatic", exact: true })).toBeChecked();
  await expect(page.getByRole("group", { name: "Candidate methods" }).getByRole("checkbox")).toHaveCount(7);
  await screenshot(page, "options-auto", true);

  const own: Record<string, string> = {
    "Late prompt tuning (LPT)": "Prompt insertion layer",
    "Progressive prompt tuning (FPT)": "Partial encoder",
    "Efficient prompt tuning (EPT)": "Update rank",
    "Prompt ensemble": "Voting",
  };
  for (const [method, label] of Object.entries(own)) {
    await setOptions(page, { Method: method });
    await expect(options.getByLabel(label, { exact: true })).toBeVisible();
    for (const other of Object.values(own).filter((one) => one !== label))
      await expect(options.getByLabel(other, { exact: true })).toHaveCount(0);
    await expectAccessible(page, `options of ${method}`);
  }
  await setOptions(page, { Method: "Progressive prompt tuning (FPT)" });
  const stages = page.getByRole("group", { name: "Stages", exact: true });
  await expect(stages.getByRole("textbox")).toHaveCount(6);
  await stages.getByRole("button", { name: "Remove stage 1" }).click();
  await button(page, "Add a stage").click();
  await page.getByLabel("Stage 3: % of the steps").fill("90");
  await expect(page.getByText(/stages with 1\.\d+ of the steps in total/i)).toBeVisible();
  await page.getByLabel("Stage 3: % of the steps").fill("10");
  await expect(page.getByText(/stages with 1\.\d+ of the steps in total/i)).toHaveCount(0);
  await screenshot(page, "options-progressive", true);
  await page.setViewportSize(narrow);
  await expectFits(page, "options");
  await screenshot(page, "options-narrow", true);
  await setOptions(page, { Method: "Prompt tuning", "Prompt pruning": "on" });
  await expect(options.getByLabel("Pieces per token", { exact: true })).toHaveValue(/^\d+$/);
  await expectAccessible(page, "pruning");
  await button(page, "Reset to defaults").click();
  await expect(page.getByRole("radio", { name: "Automatic", exact: true })).toBeChecked();
});

test("an automatic run shows its trials and the reason for its choice", async ({ page }) => {
  await openWithTiny(page);
  await drop(page, "requests.csv", "text/csv", smallSample(12));
  await page.getByLabel("Device", { exact: true }).selectOption("cpu");
  await setOptions(page, { Steps: "400", Evaluations: "2", "Batch size": "4" });
  await page.getByRole("group", { name: "Candidate methods" }).getByRole("checkbox", { name: "Efficient prompt tuning (EPT)" }).uncheck();
  await button(page, "Train").click();
  await expect(heading(page, "Training your classifier")).toBeFocused();
  const trials = page.getByRole("table", { name: "Trials: short runs on a part of the rows" });
  await expect(trials).toBeVisible();
  await expectAccessible(page, "trials");
  await expect(heading(page, "Your classifier is ready")).toBeVisible();
  await expect(trials.getByRole("row")).toHaveCount(4);
  await expect(trials.getByText("chosen")).toHaveCount(1);
  await expectAccessible(page, "result of an automatic run");
  await screenshot(page, "result-auto");
});

test("progressive prompt tuning shows its stages", async ({ page }) => {
  await openWithTiny(page);
  await drop(page, "requests.csv", "text/csv", smallSample(12));
  await page.getByLabel("Device", { exact: true }).selectOption("cpu");
  await setOptions(page, {
    Method: "Progressive prompt tuning (FPT)",
    Steps: "400",
    Evaluations: "8",
    "Batch size": "4",
    "Early stopping patience": "",
  });
  // All that is said of stages: with this encoder each is over soon.
  await page.evaluate(() => {
    const stages = new Set<string>();
    Object.assign(window, { stages });
    new MutationObserver(() => {
      for (const [said] of (document.querySelector("main") as HTMLElement).innerText.matchAll(/^Stage .*$/gm)) stages.add(said);
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
  await button(page, "Train").click();
  const said = () => page.evaluate(() => [...(window as unknown as { stages: Set<string> }).stages].join("\n"));
  await expect.poll(said).toMatch(/^Stage 2 of 4: \d layers? of [\d,]+ neurons\.$/m);
  await expect.poll(said).toMatch(/^Stage 4 of 4: 2 layers of 64 neurons\.$/m);
  await screenshot(page, "training-progressive");
  await expect(heading(page, "Your classifier is ready")).toBeVisible();
  await expect(page.getByRole("img", { name: /Stage 2 from step \d+\. Stage 3 from step \d+\./ })).toBeVisible();
});

/** Steps of the options, and of each run of the comparison: enough for a look at it while it goes. */
const [STEPS, LIMIT] = [800, 600];

/** Each run of the comparison takes {@link LIMIT} steps. */
async function limit(page: Page) {
  await page.getByLabel("Budget per run").selectOption("Number of steps");
  await page.getByRole("textbox", { name: "Number of steps, in steps" }).fill(String(LIMIT));
}

test("methods are compared, and the best one is trained", async ({ page }) => {
  await openWithTiny(page);
  await button(page, "Try with sample data").click();
  await page.getByLabel("Device", { exact: true }).selectOption("cpu");
  await setOptions(page, { Steps: String(STEPS), Evaluations: "4", "Early stopping patience": "" });
  await button(page, "Compare methods").click();
  await expect(heading(page, "Compare methods on your data")).toBeFocused();
  await expectAccessible(page, "choice of methods");
  for (const method of ["Late prompt tuning (LPT)", "Efficient prompt tuning (EPT)"]) await page.getByRole("checkbox", { name: method, exact: true }).uncheck();
  await expect(page.getByText(new RegExp(`^6 runs of ${STEPS} steps: 2 methods × 3 seeds`))).toBeVisible();
  await page.getByLabel("Seeds", { exact: true }).fill("none");
  await expect(button(page, "Start comparison")).toBeDisabled();
  await page.getByLabel("Seeds", { exact: true }).fill("1");
  await expect(page.getByText(new RegExp(`^2 runs of ${STEPS} steps: 2 methods × 1 seed\\.`))).toBeVisible();
  await page.getByLabel("Budget per run").selectOption("Number of steps");
  await page.getByRole("textbox", { name: "Number of steps, in steps" }).fill("1.5");
  await expect(page.getByText("Enter a whole number above 0.")).toBeVisible();
  await expect(button(page, "Start comparison")).toBeDisabled();
  await limit(page);
  await expect(page.getByText(new RegExp(`^2 runs of ${LIMIT} steps`))).toBeVisible();
  await expectAccessible(page, "choice of methods with a budget");
  await screenshot(page, "compare-choice");
  await page.setViewportSize(narrow);
  await expectFits(page, "choice of methods");
  await screenshot(page, "compare-choice-narrow", true);
  await page.setViewportSize({ width: 1280, height: 900 });

  await button(page, "Start comparison").click();
  await expect(heading(page, "Comparing methods on your data")).toBeFocused();
  await expect(heading(page, "Prompt tuning, seed 0")).toBeVisible();
  await expect(page.getByRole("img", { name: /Prompt tuning: \d/ })).toBeVisible();
  await expect(page.getByText(/^\d of 2 runs done \(2 methods × 1 seed\)$/)).toBeVisible();
  await button(page, "Pause").click();
  await expect(heading(page, "Paused")).toBeVisible();
  await expectAccessible(page, "comparing");
  await expectAccessibleInDark(page, "comparing");
  await screenshot(page, "comparing");
  await button(page, "Resume").click();

  const figures = page.getByRole("region", { name: "Results of each method" });
  await expect(figures.getByRole("rowheader", { name: /^Prompt tuning/ })).toBeVisible();
  // The page is lost in the middle. What was done is there again.
  await page.reload();
  await button(page, "Try with sample data").click();
  await page.getByLabel("Device", { exact: true }).selectOption("cpu");
  await setOptions(page, { Steps: String(STEPS), Evaluations: "4", "Early stopping patience": "" });
  await button(page, "Compare methods").click();
  await expect(heading(page, "Compare methods on your data")).toBeFocused();
  for (const method of ["Late prompt tuning (LPT)", "Efficient prompt tuning (EPT)"]) await page.getByRole("checkbox", { name: method, exact: true }).uncheck();
  await page.getByLabel("Seeds", { exact: true }).fill("1");
  const there = page.getByText(/^\d of them (is|are) already done/);
  await limit(page);
  await expect(there).toBeVisible();
  // Of another budget, nothing is there yet.
  await page.getByLabel("Budget per run").selectOption("Steps or epochs from the options");
  await expect(there).toHaveCount(0);
  await limit(page);
  await expect(there).toBeVisible();
  await button(page, "Start comparison").click();
  await expect(figures.getByRole("rowheader", { name: /^Prompt tuning/ })).toBeVisible();
  await expect(heading(page, "Comparison of methods")).toBeVisible({ timeout: 400_000 });
  await expect(figures.getByRole("row")).toHaveCount(4);
  const accuracy = async (name: RegExp) =>
    share(await figures.getByRole("row", { name }).getByRole("cell").first().textContent());
  expect(await accuracy(/^Majority class/)).toBeCloseTo(1 / 7, 1);
  expect(await accuracy(/Linear probe/)).toBeGreaterThan(1 / 7);
  expect(await accuracy(/Prompt tuning/)).toBeGreaterThan(1 / 7);
  await expectAccessible(page, "comparison");
  await screenshot(page, "compared", true);
  await page.setViewportSize(narrow);
  await expectFits(page, "comparison");
  await expectAccessible(page, "comparison on a phone");
  await expectAccessibleInDark(page, "comparison on a phone");
  await screenshot(page, "compared-narrow", true);

  const [download] = await Promise.all([page.waitForEvent("download"), button(page, "Download results (JSON)").click()]);
  const results = JSON.parse(readFileSync(await download.path(), "utf8")) as {
    rows: { name: string }[];
    cells: { curve: unknown[]; steps: number }[];
    budget: string;
  };
  expect(results.budget).toBe(`steps:${LIMIT}`);
  expect(results.cells.map(({ steps }) => steps).sort()).toEqual([0, LIMIT, LIMIT]);
  expect(results.rows.map(({ name }) => name).sort()).toEqual(["majority", "probe", "prompt"]);
  expect(results.cells).toHaveLength(3);

  await page.getByRole("button", { name: /^Train the best: / }).click();
  await expect(heading(page, "Training your classifier")).toBeFocused();
  await expect(heading(page, "Your classifier is ready")).toBeVisible();
  // With the steps that it was the best with.
  await expect(page.locator("dl > div").filter({ hasText: /^Steps/ }).locator("dd")).toHaveText(String(LIMIT));
});
