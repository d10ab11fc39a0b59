/** A table of 100,000 rows: the page stays alive while it is read, and trains as fast as on a small one. */
import { statSync, writeFileSync } from "node:fs";
import type { RunConfig } from "../../src/contract";
import { emptyRun } from "../../src/lib/run-view";
import { packed } from "../../src/lib/store/portable";
import { newRecord } from "../../src/lib/store/record";
import { expectNoLongTask, longTasks } from "./long-tasks";
import { button, expect, heading, SAMPLE, setOptions, test, TINY } from "./session";

const ROWS = 100_000;
/** Seconds for reading the file, and for reading it again and turning every text into tokens. */
const IMPORT = 20;
/** Of the training that is watched from its beginning to its result. */
const [STEPS, EVALUATIONS] = [400, 40];

/**
 * `rows` texts made of the sample's: the beginning of one, the end of another and some words of a third one of the same class;
 * always the same ones, which hardly ever repeat. (`benches/import.rs` makes its rows by the same rule.)
 */
function largeTable(rows: number): string {
  const classes = new Map<string, string[][]>();
  for (const line of SAMPLE.trimEnd().split("\n").slice(1)) {
    const at = line.lastIndexOf(",");
    const words = line.slice(0, at).replaceAll('"', "").split(" ");
    classes.set(line.slice(at + 1), [...(classes.get(line.slice(at + 1)) ?? []), words]);
  }
  let state = 1;
  const below = (n: number) => {
    // xorshift, because a table must not change from run to run.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % n;
  };
  const names = [...classes.keys()];
  const lines = ["text,label"];
  for (let row = 0; row < rows; row++) {
    const label = names[row % names.length]!;
    const texts = classes.get(label)!;
    const [first, second, third] = [0, 1, 2].map(() => texts[below(texts.length)]!) as [string[], string[], string[]];
    const words = [
      ...first.slice(0, 1 + below(first.length)),
      ...second.slice(below(second.length)),
      ...third.slice(0, below(third.length)),
    ];
    lines.push(`"${words.join(" ")}",${label}`);
  }
  return `${lines.join("\n")}\n`;
}

test(`${ROWS} rows are read and tokenised without a stop of the page`, async ({ page }, info) => {
  // From the disk, as a user's file comes: making a file of it in the page would be a long task of the test's own.
  const table = info.outputPath("large.csv");
  writeFileSync(table, largeTable(ROWS));
  await expectNoLongTask(page, async () => {
    let begin = performance.now();
    await page.locator("input[type=file]").first().setInputFiles(table);
    await expect(page.getByText("100,000 rows, separated by commas")).toBeVisible({ timeout: 60_000 });
    const read = (performance.now() - begin) / 1000;
    await expect(page.getByText("6 layers of width 384, frozen")).toBeVisible({ timeout: 60_000 });
    const whileReading = await longTasks(page);
    // The tokens of all texts, beside everything else that the worker is asked.
    begin = performance.now();
    await expect(page.getByText(/^(No text is too long for the encoder|[\d,]+ texts? of [\d,]+ (is|are) too long)/)).toBeVisible({
      timeout: 60_000,
    });
    console.log(`LARGE tokens counted ${((performance.now() - begin) / 1000).toFixed(2)} s after the encoder was there`);
    const whileCounting = await longTasks(page);

    await setOptions(page, { Method: "Prompt tuning", Evaluations: "1000", "Stop early after": "" });
    await longTasks(page);
    begin = performance.now();
    await button(page, "Train").click();
    await expect(page.getByText(/^[\d,]+ rows to learn from/)).toBeVisible({ timeout: 60_000 });
    const started = (performance.now() - begin) / 1000;
    await expect(page.getByText(/^Step \d+ of 2\d,\d{3}$/)).toBeVisible({ timeout: 60_000 });
    const first = (performance.now() - begin) / 1000;
    await expect(page.getByText(/held-out rows are evaluated while training/)).toBeVisible();
    const whileStarting = await longTasks(page);
    const told = `read ${read.toFixed(2)} s, tokenised and ready ${started.toFixed(2)} s, first step ${first.toFixed(2)} s`;
    console.log(`LARGE ${ROWS} rows: ${told}`);
    expect(read + started, told).toBeLessThan(IMPORT);
    return { whileReading, whileCounting, whileStarting };
  });

  // The worker listens, also while it has much to do.
  const begin = performance.now();
  await button(page, "Cancel").click();
  await button(page, "Cancel the training").click();
  await expect(heading(page, "Look at your data, then train")).toBeVisible();
  await button(page, "Train").click();
  await expect(page.getByText(/^[\d,]+ rows to learn from/)).toBeVisible({ timeout: 60_000 });
  console.log(`LARGE cancelled and started again in ${((performance.now() - begin) / 1000).toFixed(2)} s`);
});

test("several large files are put together without a stop of the page", async ({ page }, info) => {
  const [header, ...rows] = largeTable(ROWS).trimEnd().split("\n");
  const files = [0, 1, 2, 3].map((quarter) => {
    const path = info.outputPath(`quarter-${quarter}.csv`);
    const part = rows.slice((quarter * ROWS) / 4, ((quarter + 1) * ROWS) / 4);
    writeFileSync(path, [header, ...part].join("\n") + "\n");
    return path;
  });
  await expectNoLongTask(page, async () => {
    const begin = performance.now();
    await page.locator("input[type=file]").first().setInputFiles(files);
    await expect(page.getByText("100,000 rows of 4 files, put under one another:")).toBeVisible({ timeout: 60_000 });
    const joined = (performance.now() - begin) / 1000;
    // And a row more, which writes and reads all of them again.
    await button(page, "Type a row").click();
    await page.getByLabel("Text", { exact: true }).fill("one more");
    await page.getByLabel("Label", { exact: true }).fill("PlayMusic");
    await button(page, "Add row").click();
    await expect(page.getByText("100,001 rows of 4 files, put under one another:")).toBeVisible({ timeout: 60_000 });
    const tasks = await longTasks(page);
    console.log(`LARGE 4 files joined in ${joined.toFixed(2)} s`);
    expect(joined).toBeLessThan(IMPORT);
    return { whileJoining: tasks };
  });
});

test("a whole training, with its evaluations and checkpoints, never stops the page", async ({ page }) => {
  await expectNoLongTask(page, async () => {
    await button(page, "Try with sample data").click();
    await expect(page.getByText("700 rows, separated by commas")).toBeVisible();
    // An encoder so small that steps and evaluations come as fast as they can: more of them a second than of any other.
    await button(page, "Change").click();
    await page.locator("input[webkitdirectory]").setInputFiles(TINY);
    await expect(page.getByText("2 layers of width 32, frozen")).toBeVisible();
    await setOptions(page, {
      Method: "Prompt tuning",
      Steps: String(STEPS),
      Evaluations: String(EVALUATIONS),
      "Prompt length": "4",
      "Stop early after": "",
    });
    await longTasks(page);
    await button(page, "Train").click();
    await expect(heading(page, "Your classifier is ready")).toBeVisible({ timeout: 200_000 });
    const whileTraining = await longTasks(page);
    // Also what the result looks up when it is there.
    await page.waitForTimeout(1500);
    const afterwards = await longTasks(page);
    await expect(page.getByRole("img", { name: new RegExp(`^Training loss .* after ${STEPS} steps`) })).toBeVisible();
    await expect(page.getByRole("img", { name: new RegExp(` after ${EVALUATIONS} evaluations`) })).toBeVisible();
    const checkpoints = await page.workers()[0]!.evaluate(() => {
      const [kept] = performance.getEntriesByName("checkpoints") as PerformanceMeasure[];
      return kept!.detail as number;
    });
    expect(checkpoints).toBeGreaterThan(0);
    console.log(`LARGE ${STEPS} steps, ${EVALUATIONS} evaluations, ${checkpoints} checkpoints`);
    return { whileTraining, afterwards };
  });
});

test("a run with 60 MB of rows goes into the list and out of it without a stop of the page", async ({ page }, info) => {
  (globalThis as { VERSION?: string }).VERSION = "0.0.0";
  const config = { data: {}, prompt: { method: "prompt" }, head: {}, optim: {}, eval: {}, device: "auto" } as unknown as RunConfig;
  const record = newRecord("large", config, "large.csv", undefined, "encoder");
  const rows = new Blob(Array.from({ length: 60 }, (_, number) => `${"x".repeat(1e6 - 5)},${1000 + number}\n`.slice(0, 1e6)));
  const path = info.outputPath("large.softprompt.json");
  writeFileSync(path, Buffer.from(await (await packed({ record, view: emptyRun(), table: rows }, true)).arrayBuffer()));
  await expectNoLongTask(page, async () => {
    await button(page, "Your runs").click();
    await expect(heading(page, "Your runs")).toBeFocused();
    await longTasks(page);
    let begin = performance.now();
    await page.getByLabel("Import a run").setInputFiles(path);
    await expect(button(page, "Export large")).toBeVisible({ timeout: 120_000 });
    const took = (performance.now() - begin) / 1000;
    const whileImporting = await longTasks(page);
    await page.getByLabel("Put the rows into exported files").check();
    begin = performance.now();
    const [file] = await Promise.all([page.waitForEvent("download", { timeout: 120_000 }), button(page, "Export large").click()]);
    expect(statSync(await file.path()).size).toBeGreaterThan(80e6);
    const whileExporting = await longTasks(page);
    const told = `in ${took.toFixed(2)} s, out ${((performance.now() - begin) / 1000).toFixed(2)} s`;
    console.log(`LARGE run of 60 MB ${told}`);
    return { whileImporting, whileExporting };
  });
});
