/** How long the page's own thread is busy at a stretch. */
import type { Page } from "@playwright/test";
import { expect, test } from "./session";

/**
 * Milliseconds. A page that answers to nothing for so long has frozen, however busy the machine is. A person notices far less; how
 * long tasks really are is what `cargo xtask bench page` measures.
 */
const FROZEN = 5000;

/** Runs a part of a scenario: a test sees in it whether the page freezes, the bench how long it takes. */
export type Part = (name: string, job: () => Promise<void>) => Promise<void>;

declare global {
  interface Window {
    longTasks: () => number[];
  }
}

/** From the next page on that `page` opens, {@link longTasks} has something to return. */
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

/** Keeps the page's thread busy for 120 ms. */
const hang = () => {
  setTimeout(() => {
    const end = performance.now() + 120;
    while (performance.now() < end);
  });
};

/** Opens the page as for the first time, with its long tasks seen; what it gives fails in a part in which the page freezes. */
export async function openWatched(page: Page): Promise<Part> {
  await seeLongTasks(page);
  await page.goto("");
  await expect(page.getByText("Trains on CPU")).toBeVisible();
  return watched(page);
}

/** The same of a page that is open, after {@link seeLongTasks}. */
export async function watched(page: Page): Promise<Part> {
  await page.evaluate(hang);
  await expect.poll(() => longTasks(page), "long tasks are seen at all").not.toEqual([]);
  return (name, job) =>
    test.step(name, async () => {
      await longTasks(page);
      await job();
      const longest = Math.max(0, ...(await longTasks(page)));
      expect(longest, `milliseconds for which the page stood still: ${name}`).toBeLessThan(FROZEN);
    });
}
