/** What a bench notes, and how a scenario of the tests is measured. */
import type { Browser, Page } from "@playwright/test";
import { expect, test } from "@playwright/test";
import { longTasks, type Part, seeLongTasks } from "../page/long-tasks";

/** One figure of one run. */
export interface Figure {
  what: string;
  value: number;
  unit: "s" | "%";
  /** The longest task of the page's own thread meanwhile, in milliseconds: 0 stands for none of more than 50. */
  longest?: number;
}

/** The kind of annotation under which the table finds them. */
export const FIGURE = "figure";

export function note(figure: Figure) {
  test.info().annotations.push({ type: FIGURE, description: JSON.stringify(figure) });
}

/** Opens the page as for the first time; what it gives measures the parts of a scenario. */
export async function openMeasured(page: Page): Promise<Part> {
  await seeLongTasks(page);
  await page.goto("");
  await expect(page.getByText("Trains on CPU")).toBeVisible();
  return measured(page);
}

/** The same of a page that is open, after `seeLongTasks`. */
export function measured(page: Page): Part {
  return async (what, job) => {
    await longTasks(page);
    const begin = performance.now();
    await job();
    const value = (performance.now() - begin) / 1000;
    note({ what, value, unit: "s", longest: Math.max(0, ...(await longTasks(page))) });
  };
}

/** Seconds that the renderer with the most work has computed: what other programs add to the time on the clock is not in them. */
export async function computed(browser: Browser): Promise<number> {
  const devtools = await browser.newBrowserCDPSession();
  const { processInfo } = await devtools.send("SystemInfo.getProcessInfo");
  await devtools.detach();
  // Each renderer is one page with its worker.
  return Math.max(...processInfo.filter(({ type }) => type === "renderer").map(({ cpuTime }) => cpuTime));
}
