/** Somebody who has never been here trains on the sample: with nothing set, how many clicks and how long does it take? */
import { readFileSync } from "node:fs";
import type { Browser } from "@playwright/test";
import { longTasks, seeLongTasks } from "./long-tasks";
import { button, expect, heading, share, test, unzip } from "./session";

/** From opening the page to the adapter on the disk. */
const MOST_CLICKS = 3;

test.use({ serviceWorkers: "allow" });

/** Seconds that the browser's processes have computed: what a busy machine adds to the time on the clock is not in them. */
async function computed(browser: Browser): Promise<number> {
  const devtools = await browser.newBrowserCDPSession();
  const { processInfo } = await devtools.send("SystemInfo.getProcessInfo");
  await devtools.detach();
  // Each renderer is one page with its worker.
  return Math.max(...processInfo.filter(({ type }) => type === "renderer").map(({ cpuTime }) => cpuTime));
}

test("from opening the page to a trained adapter, with nothing set", async ({ page, context, browser }) => {
  test.setTimeout(900_000);
  // The visit before: afterwards the browser has the page and the encoder.
  await page.goto("");
  await expect(page.getByText("it opens without a network, too")).toBeVisible({ timeout: 60_000 });
  await button(page, "Try with sample data").click();
  await expect(page.getByText("6 layers of width 384, frozen")).toBeVisible({ timeout: 120_000 });
  await page.close();

  const visit = await context.newPage();
  await seeLongTasks(visit);
  // What a hand does, and no script: every pointer that goes down and every key, wherever it is.
  await visit.addInitScript(() => {
    const done: string[] = [];
    Object.assign(window, { done });
    for (const type of ["pointerdown", "keydown"])
      window.addEventListener(type, (event) => event.isTrusted && done.push(type), { capture: true });
  });
  const begin = performance.now();
  const seconds = () => Math.round((performance.now() - begin) / 100) / 10;
  await visit.goto("");
  await button(visit, "Try with sample data").click();
  await button(visit, "Train").click();
  await expect(heading(visit, "Your classifier is ready")).toBeVisible({ timeout: 800_000 });
  const trained = seconds();
  const busy = await computed(browser);
  const [download] = await Promise.all([visit.waitForEvent("download"), button(visit, "Download adapter").click()]);
  const files = unzip(readFileSync(await download.path()));
  const taken = seconds();
  const done = await visit.evaluate(() => (window as unknown as { done: string[] }).done);
  const long = await longTasks(visit);

  // Better than the line of the probe, or the page says that it is not.
  const scores = visit.getByRole("list", { name: "Accuracy beside the baselines" }).getByRole("listitem");
  const [prompt, probe] = await Promise.all(
    [0, 1].map(async (row) => share(await scores.nth(row).locator(".value").textContent())),
  );
  const verdict = visit.locator(".verdict");
  const told = prompt! > probe! ? / above the linear probe/ : / below the linear probe|^As accurate as the linear probe/;
  await expect(verdict).toHaveText(told);
  const all = await visit.locator(".verdict").textContent();
  console.log(
    `FIRST USER ${done.length} clicks; trained after ${trained} s (${busy.toFixed(1)} s of processor time), adapter saved after ${taken} s; ${prompt} against ${probe} of the probe: ${all} Long tasks: [${long}] ms`,
  );
  expect(done.filter((type) => type === "keydown")).toEqual([]);
  expect(done.length, "every click was seen").toBe(3);
  expect(done.length).toBeLessThanOrEqual(MOST_CLICKS);

  // All of it is there, and says what it was trained with: the page's own defaults, the method found by trying.
  expect([...files.keys()].sort()).toEqual([
    "README.md",
    "adapter_config.json",
    "adapter_model.safetensors",
    "classify.py",
    "softprompt.json",
  ]);
  for (const [name, content] of files) expect(content.length, name).toBeGreaterThan(0);
  const manifest = JSON.parse(files.get("softprompt.json")!.toString()) as { labels: string[]; metrics: { accuracy: number } };
  expect(manifest.labels).toHaveLength(7);
  await expect(visit.getByRole("table", { name: "Short runs on a part of the rows" }).getByText("chosen")).toHaveCount(1);
});
