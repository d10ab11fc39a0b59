/** How long the page's own thread is busy at a stretch. */
import type { Page } from "@playwright/test";
import { expect } from "./session";

/** Milliseconds: beyond that, a person feels that the page stands still. */
const LONG = 50;
/** Milliseconds that {@link work} takes on the machine of `benches/RESULTS.md`: a slower one may take longer. */
const USUAL = 6;
const RUNS = 3;

declare global {
  interface Window {
    longTasks: () => number[];
  }
}

/** Always the same amount of computing; its milliseconds, at the quickest of eleven times. */
const work = () => {
  const times = Array.from({ length: 11 }, () => {
    const begin = performance.now();
    let hash = 1;
    for (let step = 0; step < 4_000_000; step++) hash = Math.imul(hash ^ step, 0x5bd1e995) ^ (hash >>> 13);
    // So that nothing of it can be left out.
    return hash === 0 ? 0 : performance.now() - begin;
  });
  return Math.min(...times);
};

/** Keeps the page's thread busy for 120 ms, as nothing in the page may. */
const hang = () => {
  setTimeout(() => {
    const end = performance.now() + 120;
    while (performance.now() < end);
  });
};

/** Tasks that took longer than 50 ms, in milliseconds, since the last call. */
export const longTasks = (page: Page) => page.evaluate(() => window.longTasks());

/**
 * Opens the page as for the first time and does what `scenario` does; in that, no task is longer than a person would feel on a usual
 * machine. It gives the tasks by what went on. Where one was too long, all is done once more: a long task of the page's is there
 * every time, one that comes from what else the machine does is not.
 */
export async function expectNoLongTask(page: Page, scenario: () => Promise<Record<string, number[]>>) {
  await page.addInitScript(() => {
    const seen: PerformanceEntry[] = [];
    const observer = new PerformanceObserver((list) => seen.push(...list.getEntries()));
    observer.observe({ type: "longtask" });
    window.longTasks = () => [...seen.splice(0), ...observer.takeRecords()].map(({ duration }) => duration);
  });
  const told: string[] = [];
  let long: number[] = [];
  for (let run = 1; run <= RUNS && (run === 1 || long.length > 0); run++) {
    if (run > 1) await forgetAll(page);
    await page.goto("");
    await expect(page.getByText("Trains on CPU")).toBeVisible();
    await page.evaluate(hang);
    await expect.poll(() => longTasks(page), "long tasks are seen at all").not.toEqual([]);
    const tasks = await scenario();
    const took = await page.evaluate(work);
    await longTasks(page);
    const allowed = LONG * Math.max(1, took / USUAL);
    long = Object.values(tasks)
      .flat()
      .filter((duration) => duration > allowed);
    told.push(`LONG TASKS ${JSON.stringify(tasks)} ms, ${allowed.toFixed(0)} allowed (the same work took ${took.toFixed(1)} ms)`);
    console.log(told.at(-1));
  }
  expect(long, told.join("\n")).toEqual([]);
}

/** What earlier visits have left is gone. */
async function forgetAll(page: Page) {
  const { origin } = new URL(page.url());
  await page.goto("about:blank");
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Storage.clearDataForOrigin", { origin, storageTypes: "all" });
  await devtools.detach();
}
