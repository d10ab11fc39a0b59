/** How long the page takes, and how long its own thread is busy at a stretch: the scenarios of the tests, measured. */
import { readFileSync } from "node:fs";
import { seeLongTasks } from "../page/long-tasks";
import { cancelLarge, firstUser, firstVisit, joinLarge, checkpointCost, labelLarge, moveLargeRun, readLarge, trainWhole } from "../page/scenarios";
import { button, drop, expect, heading, setOptions, smallSample, test } from "../page/session";
import { computed, measured, note, openMeasured } from "./figures";

/** How often each scenario is done, `TIMES` in the environment; the first user's takes minutes, and is done once. */
const TIMES = Number(process.env.TIMES ?? 3);

for (let time = 1; time <= TIMES; time++) {
  const run = TIMES > 1 ? `, ${time} of ${TIMES}` : "";

  test(`100,000 rows are read, tokenised and trained on${run}`, async ({ page }, info) => {
    const part = await openMeasured(page);
    await readLarge(page, info.outputPath(), part);
    await cancelLarge(page, part);
  });

  test(`several large files are put together${run}`, async ({ page }, info) => {
    await joinLarge(page, info.outputPath(), await openMeasured(page));
  });

  test(`a whole training${run}`, async ({ page }) => {
    await trainWhole(page, await openMeasured(page));
    note({ what: "share of a training that checkpoints take", value: 100 * (await checkpointCost(page)).share, unit: "%" });
  });

  test(`a run with 60 MB of rows${run}`, async ({ page }, info) => {
    await moveLargeRun(page, info.outputPath(), await openMeasured(page));
  });
}

test("an adapter classifies 100,000 rows", async ({ page }, info) => {
  const part = await openMeasured(page);
  await drop(page, "requests.csv", "text/csv", smallSample(20));
  await expect(page.getByText("6 layers, hidden size 384, frozen")).toBeVisible();
  await setOptions(page, { Method: "Prompt tuning", Steps: "16", Evaluations: "2", "Early stopping patience": "" });
  await part("16 steps with the default encoder on 140 rows", async () => {
    await button(page, "Train").click();
    await expect(heading(page, "Your classifier is ready")).toBeVisible();
  });
  note({ what: "share of it that checkpoints take", value: 100 * (await checkpointCost(page)).share, unit: "%" });
  const [download] = await Promise.all([page.waitForEvent("download"), button(page, "Download adapter").click()]);
  const adapter = readFileSync(await download.path());
  await page.goto("");
  await drop(page, "requests.zip", "application/zip", adapter);
  await expect(heading(page, "Classify with your adapter")).toBeFocused();
  await labelLarge(page, info.outputPath(), part);
});

test.describe("the second visit", () => {
  test.use({ serviceWorkers: "allow" });

  test("of a new user who changes no setting", async ({ page, context, browser }) => {
    await firstVisit(page);
    const visit = await context.newPage();
    await seeLongTasks(visit);
    await visit.goto("");
    await firstUser(visit, measured(visit));
    note({ what: "processor time of its page and worker", value: await computed(browser), unit: "s" });
  });
});
