/** Without a mouse and without eyes: the whole way by keyboard, and what a screen reader is told on it. */
import { readFileSync } from "node:fs";
import type { FileChooser, Page } from "@playwright/test";
import { button, expect, heading, smallSample, test, TINY_FILES, TINY_READY, unzip } from "./session";

/** How often Tab may be pressed until something is reached. */
const FAR = 60;

/** Name and role of what has the focus, as far as the page says it. */
const focused = (page: Page) =>
  page.evaluate(() => {
    const element = document.activeElement;
    if (!(element instanceof HTMLElement) || element === document.body) return "nothing";
    const label = element instanceof HTMLInputElement ? element.labels?.[0]?.textContent : undefined;
    return (element.ariaLabel ?? label ?? element.textContent ?? "").replace(/\s+/g, " ").trim();
  });

/** Moves on with Tab until this has the focus; says how often. */
async function tabTo(page: Page, name: RegExp): Promise<number> {
  const passed: string[] = [];
  for (let presses = 0; presses <= FAR; presses++) {
    const here = await focused(page);
    if (name.test(here)) return presses;
    passed.push(here.slice(0, 40));
    await page.keyboard.press("Tab");
  }
  throw new Error(`the keyboard does not reach ${name}; it came by ${passed.join(" | ")}`);
}

/** From now on, all that the live region says, in order. */
async function listen(page: Page) {
  await page.addInitScript(() => {
    const heard: string[] = [];
    Object.assign(window, { heard, pointers: 0 });
    window.addEventListener("pointerdown", () => ((window as unknown as { pointers: number }).pointers += 1), { capture: true });
    document.addEventListener("DOMContentLoaded", () =>
      new MutationObserver(() => {
        const said = document.querySelector("[role=status][aria-live=polite]")?.textContent?.trim();
        if (said && said !== heard.at(-1)) heard.push(said);
      }).observe(document.body, { subtree: true, childList: true, characterData: true }),
    );
  });
  return () => page.evaluate(() => (window as unknown as { heard: string[] }).heard);
}

test("from a file to the adapter by keyboard alone, and every step is said", async ({ page }) => {
  const heard = await listen(page);
  await page.goto("");
  await expect(button(page, "Try with sample data")).toBeVisible();

  await page.keyboard.press("Tab");
  expect(await focused(page)).toBe("Skip to content");
  // Listened for in time: a key is pressed at once, without the looks at the page that come before a click.
  const choose = async (files: Parameters<FileChooser["setFiles"]>[0]) => {
    const chooser = page.waitForEvent("filechooser");
    await tabTo(page, /Choose files/);
    await page.keyboard.press("Enter");
    await (await chooser).setFiles(files);
  };
  // An encoder of one's own, then the table.
  await choose(TINY_FILES);
  await expect(page.getByText(TINY_READY)).toBeVisible();
  await choose({ name: "requests.csv", mimeType: "text/csv", buffer: Buffer.from(smallSample(8)) });
  await expect(heading(page, "Check your data, then train")).toBeFocused();
  await expect.poll(heard).toContain("requests.csv is open: 56 rows.");

  // A few options: the search finds them, and Tab leads to what was found.
  await tabTo(page, /^Options/);
  await page.keyboard.press("Enter");
  const set = async (search: string, selector: string, act: () => Promise<void>) => {
    const field = page.locator("#option-search");
    if (!(await field.evaluate((element) => element === document.activeElement))) {
      for (let presses = 0; presses <= FAR && !(await field.evaluate((element) => element === document.activeElement)); presses++)
        await page.keyboard.press("Shift+Tab");
    }
    await expect(field).toBeFocused();
    await page.keyboard.press("Control+A");
    await page.keyboard.type(search);
    for (let presses = 0; presses <= FAR && !(await page.evaluate((which) => document.activeElement?.matches(which), selector)); presses++)
      await page.keyboard.press("Tab");
    await act();
  };
  await page.keyboard.press("Tab");
  await set("method", "input[type=radio]", () => page.keyboard.press("ArrowDown"));
  await expect(page.getByRole("radio", { name: "Automatic", exact: true })).not.toBeChecked();
  const type = (value: string) => async () => {
    await page.keyboard.press("Control+A");
    await page.keyboard.type(value);
  };
  await set("evaluations", "#option-eval-evaluations", type("6"));
  await set("texts per step", "#option-optim-batch-size", type("4"));
  await set("steps", "#option-optim-steps", type("2000"));
  await page.keyboard.press("Enter");

  for (let presses = 0; presses <= FAR && (await focused(page)) !== "Train"; presses++) await page.keyboard.press("Shift+Tab");
  expect(await focused(page)).toBe("Train");
  await page.keyboard.press("Enter");
  await expect(heading(page, "Training your classifier")).toBeFocused();

  // After an evaluation its step and its figure are said; then it is paused, and Pause has become Resume under the finger.
  const evaluation = /^Step \d+: held-out accuracy \d+\.\d%\.$/;
  await expect.poll(async () => (await heard()).at(-1)).toMatch(evaluation);
  await tabTo(page, /^Pause$/);
  await page.keyboard.press("Enter");
  await expect(heading(page, "Paused")).toBeVisible();
  expect(await focused(page)).toBe("Resume");
  await expect.poll(async () => (await heard()).includes("Paused.")).toBe(true);
  await page.keyboard.press("Enter");
  expect(await focused(page)).toBe("Pause");
  await expect.poll(async () => (await heard()).includes("Training resumed.")).toBe(true);

  await expect(heading(page, "Your classifier is ready")).toBeFocused();
  await expect.poll(async () => (await heard()).at(-1)).toMatch(/^Training finished: held-out accuracy \d+\.\d%\.$/);
  const all = await heard();
  expect(all[2], all.join(" | ")).toBe("Preparing the run.");
  const evaluations = all.filter((said) => evaluation.test(said));
  expect(evaluations.length, all.join(" | ")).toBeGreaterThan(2);
  expect(all.at(-1)).toContain((await page.locator(".accuracy").textContent())!);

  const arrives = page.waitForEvent("download");
  await tabTo(page, /^Download adapter$/);
  await page.keyboard.press("Enter");
  expect([...unzip(readFileSync(await (await arrives).path())).keys()]).toContain("softprompt.json");
  await expect(page.getByRole("status").filter({ hasText: "softprompt-adapter.zip" })).toBeVisible();
  expect(await page.evaluate(() => (window as unknown as { pointers: number }).pointers), "pointers that went down").toBe(0);
});
