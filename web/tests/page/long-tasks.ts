/** How long the page's own thread is busy at a stretch. */
import type { Page } from "@playwright/test";
import { expect } from "./session";

/** Milliseconds: beyond that, a person feels that the page stands still. */
const LONG = 50;
const RUNS = 3;

declare global {
  interface Window {
    longTasks: () => number[];
  }
}

/** Keeps the page's thread busy for 120 ms, as nothing in the page may. */
const hang = () => {
  setTimeout(() => {
    const end = performance.now() + 120;
    while (performance.now() < end);
  });
};

/** From the next page on that `page` opens, {@link longTasks} has what to tell. */
export async function seeLongTasks(page: Page) {
  await page.addInitScript(() => {
    const seen: PerformanceEntry[] = [];
    const observer = new PerformanceObserver((list) => seen.push(...list.getEntries()));
    observer.observe({ type: "longtask" });
    window.longTasks = () => [...seen.splice(0), ...observer.takeRecords()].map(({ duration }) => duration);
  });
}

/** Tasks that took longer than 50 ms, in milliseconds, since the last call. */
export const longTasks = (page: Page) => page.evaluate(() => window.longTasks());

/**
 * Opens the page as for the first time and does what `scenario` does; in that, no task is longer than a person would feel. It gives
 * the tasks by what went on. Where one was too long, all is done once more: a long task of the page's is there every time, one that
 * comes from what else the machine does is not.
 */
export async function expectNoLongTask(page: Page, scenario: () => Promise<Record<string, number[]>>) {
  await seeLongTasks(page);
  const told: string[] = [];
  let long: number[] = [];
  for (let run = 1; run <= RUNS && (run === 1 || long.length > 0); run++) {
    if (run > 1) await forgetAll(page);
    await page.goto("");
    await expect(page.getByText("Trains on CPU")).toBeVisible();
    await page.evaluate(hang);
    await expect.poll(() => longTasks(page), "long tasks are seen at all").not.toEqual([]);
    const tasks = await scenario();
    long = Object.values(tasks)
      .flat()
      .filter((duration) => duration > LONG);
    told.push(`LONG TASKS ${JSON.stringify(tasks)} ms`);
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
