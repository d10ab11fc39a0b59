/** What is much for the page: done by the tests, which see whether it works, and by `cargo xtask bench page`, which measures it. */
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "@playwright/test";
import type { RunConfig } from "../../src/contract";
import { emptyRun } from "../../src/lib/run-view";
import { packed } from "../../src/lib/store/portable";
import { newRecord } from "../../src/lib/store/record";
import type { Part } from "./long-tasks";
import { button, expect, giveTiny, heading, SAMPLE, setOptions } from "./session";

const ROWS = 100_000;
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

/** 100,000 rows are read, their tokens counted, and the training starts. */
export async function readLarge(page: Page, folder: string, part: Part) {
  // From the disk, as a user's file comes: making a file of it in the page would be a long task of the test's own.
  const table = join(folder, "large.csv");
  writeFileSync(table, largeTable(ROWS));
  await part("reading 100,000 rows", async () => {
    await page.locator("input[type=file]").first().setInputFiles(table);
    await expect(page.getByText("100,000 rows, separated by commas")).toBeVisible();
  });
  await part("loading the default encoder meanwhile", () =>
    expect(page.getByText("6 layers, hidden size 384, frozen")).toBeVisible(),
  );
  // Of all texts, beside everything else that the worker is asked.
  await part("counting the tokens of 100,000 rows", () =>
    expect(page.getByText(/^(No text is truncated|[\d,]+ texts? of [\d,]+ (is|are) truncated)/)).toBeVisible(),
  );
  await setOptions(page, { Method: "Prompt tuning", Evaluations: "1000", "Early stopping patience": "" });
  await part("starting to train on 100,000 rows", async () => {
    await button(page, "Train").click();
    await expect(page.getByText(/^[\d,]+ training rows, [\d,]+ held-out rows/)).toBeVisible();
  });
  await part("the first step on 100,000 rows", async () => {
    await expect(page.getByText(/^Step \d+ of 2\d,\d{3}$/)).toBeVisible();
    await expect(page.getByText(/use a sample of .* held-out rows/)).toBeVisible();
  });
}

/** The worker listens, also while it has much to do: a training on 100,000 rows is cancelled, and starts again. */
export async function cancelLarge(page: Page, part: Part) {
  await part("cancelling a training on 100,000 rows, and starting it again", async () => {
    await button(page, "Cancel").click();
    await button(page, "Cancel the run").click();
    await expect(heading(page, "Check your data, then train")).toBeVisible();
    await button(page, "Train").click();
    await expect(page.getByText(/^[\d,]+ training rows, [\d,]+ held-out rows/)).toBeVisible();
  });
}

/** Four files of 25,000 rows become one table, and a row is typed. */
export async function joinLarge(page: Page, folder: string, part: Part) {
  const [header, ...rows] = largeTable(ROWS).trimEnd().split("\n");
  const files = [0, 1, 2, 3].map((quarter) => {
    const path = join(folder, `quarter-${quarter}.csv`);
    writeFileSync(path, [header, ...rows.slice((quarter * ROWS) / 4, ((quarter + 1) * ROWS) / 4)].join("\n") + "\n");
    return path;
  });
  await part("joining 4 files of 25,000 rows", async () => {
    await page.locator("input[type=file]").first().setInputFiles(files);
    await expect(page.getByText("100,000 rows of 4 files, joined:")).toBeVisible();
  });
  // Which writes and reads all of them again.
  await part("typing a row under 100,000", async () => {
    await button(page, "Type a row").click();
    await page.getByLabel("Text", { exact: true }).fill("one more");
    await page.getByLabel("Label", { exact: true }).fill("PlayMusic");
    await button(page, "Add row").click();
    await expect(page.getByText("100,001 rows of 4 files, joined:")).toBeVisible();
  });
}

/** A whole training, with its evaluations and checkpoints. */
export async function trainWhole(page: Page, part: Part) {
  // An encoder so small that steps and evaluations come as fast as they can: more of them a second than of any other.
  await giveTiny(page);
  await button(page, "Try with sample data").click();
  await expect(page.getByText("700 rows, separated by commas")).toBeVisible();
  await setOptions(page, {
    Method: "Prompt tuning",
    Steps: String(STEPS),
    Evaluations: String(EVALUATIONS),
    "Prompt length (virtual tokens)": "4",
    "Early stopping patience": "",
  });
  await part(`${STEPS} steps and ${EVALUATIONS} evaluations with an encoder of 2 layers`, async () => {
    await button(page, "Train").click();
    await expect(heading(page, "Your classifier is ready")).toBeVisible();
  });
  await part("what the result looks up", async () => {
    await page.getByText("Find the vocabulary tokens nearest to each prompt row").click();
    await expect(page.getByRole("region", { name: "Tokens nearest to each prompt row" }).getByRole("row").first()).toBeVisible();
    await expect(page.getByRole("img", { name: /^Reliability diagram/ })).toBeVisible();
  });
  await expect(page.getByRole("img", { name: new RegExp(`^Training loss .* after ${STEPS} steps`) })).toBeVisible();
  await expect(page.getByRole("img", { name: new RegExp(` after ${EVALUATIONS} evaluations`) })).toBeVisible();
  expect((await checkpointCost(page)).checkpoints).toBeGreaterThan(0);
}

/** A run with 60 MB of rows goes into the list of runs and out of it. */
export async function moveLargeRun(page: Page, folder: string, part: Part) {
  (globalThis as { VERSION?: string }).VERSION = "0.0.0";
  const config = { data: {}, prompt: { method: "prompt" }, head: {}, optim: {}, eval: {}, device: "auto" } as unknown as RunConfig;
  const record = newRecord("large", config, "large.csv", undefined, "encoder");
  const rows = new Blob(Array.from({ length: 60 }, (_, number) => `${"x".repeat(1e6 - 5)},${1000 + number}\n`.slice(0, 1e6)));
  const path = join(folder, "large.softprompt.json");
  writeFileSync(path, Buffer.from(await (await packed({ record, view: emptyRun(), table: rows }, true)).arrayBuffer()));
  await button(page, "Your runs").click();
  await expect(heading(page, "Your runs")).toBeFocused();
  await part("importing a run of 60 MB", async () => {
    await page.getByLabel("Import a run").setInputFiles(path);
    await expect(button(page, "Export large")).toBeVisible();
  });
  await page.getByLabel("Include the rows in exported files").check();
  await part("exporting a run of 60 MB", async () => {
    const [file] = await Promise.all([page.waitForEvent("download"), button(page, "Export large").click()]);
    expect(statSync(await file.path()).size).toBeGreaterThan(80e6);
  });
}

/** With an adapter that is open: 100,000 rows are being classified while a text is tried, which comes in between. */
export async function labelLarge(page: Page, folder: string, part: Part) {
  const rows = ["text,label", ...Array.from({ length: ROWS }, (_, row) => `play the song number ${row},PlayMusic`)];
  const path = join(folder, "large.csv");
  writeFileSync(path, rows.join("\n"));
  const progress = page.locator("#label-progress");
  await part("classifying 100,000 rows, and a text in between", async () => {
    await page.getByLabel("Choose a file to classify").setInputFiles(path);
    await expect(progress).toHaveText(/: [1-9][\d,]* of 100,000 rows/);
    const first = await progress.textContent();
    await expect(progress).not.toHaveText(first!);
    await page.getByLabel("Text to classify").fill("play some jazz");
    await page.keyboard.press("Enter");
    await expect(page.getByRole("list", { name: "Probabilities" })).toBeVisible();
  });
}

/** The first visit of a new user: afterwards the browser has cached the page and the encoder. The page is closed. */
export async function firstVisit(page: Page) {
  await page.goto("");
  await expect(page.getByText("it also opens offline")).toBeVisible();
  await button(page, "Try with sample data").click();
  await expect(page.getByText("6 layers, hidden size 384, frozen")).toBeVisible();
  await page.close();
}

/** A new user who changes no setting: three clicks from the open page to the adapter on the disk. */
export async function firstUser(page: Page, part: Part): Promise<string> {
  let path = "";
  await part("from opening the page to a trained adapter, with nothing set", async () => {
    await page.goto("");
    await button(page, "Try with sample data").click();
    await button(page, "Train").click();
    await expect(heading(page, "Your classifier is ready")).toBeVisible({ timeout: 2_000_000 });
  });
  await part("saving the adapter", async () => {
    const [download] = await Promise.all([page.waitForEvent("download"), button(page, "Download adapter").click()]);
    path = await download.path();
  });
  return path;
}

/** What keeping the run took from its training: the number of checkpoints, and their share of the time. */
export async function checkpointCost(page: Page): Promise<{ checkpoints: number; share: number }> {
  return page.workers()[0]!.evaluate(() => {
    const [kept] = performance.getEntriesByName("checkpoints") as PerformanceMeasure[];
    const [start] = performance.getEntriesByName("start run");
    return { checkpoints: kept!.detail as number, share: kept!.duration / (kept!.startTime + kept!.duration - start!.startTime) };
  });
}
