/** What the tests of the page share: one way through it, and what must hold all the way. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { inflateRawSync } from "node:zlib";
import AxeBuilder from "@axe-core/playwright";
import { expect, test as base, type BrowserContext, type Page } from "@playwright/test";

export { expect };

/** What the user's own session shows: the requests it made. */
export interface Watch {
  /** Addresses, in order. */
  requests: string[];
}

/** A page that may talk to its own origin only, and may not write an error to the console. */
export const test = base.extend<{ watch: Watch; expectedErrors: RegExp[]; otherOrigins: RegExp[] }>({
  /** What a test provokes in the console. */
  expectedErrors: [[], { option: true }],
  /** Addresses that a test makes the page ask. */
  otherOrigins: [[], { option: true }],
  watch: [
    async ({ page, context, baseURL, expectedErrors, otherOrigins }, use) => {
      const requests: string[] = [];
      const errors: string[] = [];
      context.on("request", (request) => requests.push(request.url()));
      page.on("console", (message) => {
        if (message.type() === "error" && !expectedErrors.some((known) => known.test(message.text())))
          errors.push(message.text());
      });
      page.on("pageerror", (error) => errors.push(String(error)));
      await use({ requests });
      const own = [/^(blob|data):/, ...otherOrigins];
      const outside = requests.filter((address) => !address.startsWith(baseURL!) && !own.some((known) => known.test(address)));
      expect.soft(outside, "requests that left the page's origin").toEqual([]);
      expect.soft(errors, "errors in the console").toEqual([]);
    },
    { auto: true },
  ],
});

export const button = (page: Page, name: string) => page.getByRole("button", { name, exact: true });
export const heading = (page: Page, name: string) => page.getByRole("heading", { name, exact: true });

/** The lists above the table, by which its columns are chosen; the options have the same two settings. */
export const textColumn = (page: Page) => page.locator("#column-text");
export const labelColumn = (page: Page) => page.locator("#column-label");

export const SAMPLE = readFileSync(join(import.meta.dirname, "../../public/sample/snips.csv"), "utf8");

/** A real file of `tests/files`. */
export const file = (path: string) => readFileSync(join(import.meta.dirname, "../files", path));

/** The folder of an encoder of 2 layers, for what does not depend on the encoder. */
export const TINY = join(import.meta.dirname, "../../../tests/golden/tiny");
export const TINY_FILES = ["config.json", "tokenizer.json", "model.safetensors"].map((name) => join(TINY, name));
export const TINY_READY = "2 layers, hidden size 32, frozen";

/**
 * Opens the page and gives it the encoder of 2 layers before anything else, as files of the user's: a training takes seconds, and the
 * default encoder is not loaded at all. `address` is that of another server.
 */
export async function openWithTiny(page: Page, address = "") {
  await page.goto(address);
  await giveTiny(page);
}

/** The same on a start page that is open. */
export async function giveTiny(page: Page) {
  await page.locator("input[type=file]").first().setInputFiles(TINY_FILES);
  await expect(page.getByText(TINY_READY)).toBeVisible();
}

/** Puts code in front of the worker's own, which runs with `given`. */
export async function inWorker<A>(where: Page | BrowserContext, code: (given: A) => void, given: A) {
  await where.route(/\/worker-[^/]*\.js$/, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `(${code.toString()})(${JSON.stringify(given)});${await response.text()}` });
  });
}

/** The sample cut to the first rows of every class. */
export function smallSample(rowsPerClass: number): string {
  const [header, ...rows] = SAMPLE.trimEnd().split("\n");
  const seen = new Map<string, number>();
  const kept = rows.filter((row) => {
    const label = row.slice(row.lastIndexOf(",") + 1);
    const count = (seen.get(label) ?? 0) + 1;
    seen.set(label, count);
    return count <= rowsPerClass;
  });
  return [header, ...kept].join("\n") + "\n";
}

/** Drops a file onto the page, as a user does. */
export async function drop(page: Page, name: string, type: string, content: string | Buffer) {
  const release = await drag(page, name, type, content);
  await release();
}

/** Drags a file over the page; what it gives lets go of it there. */
export async function drag(page: Page, name: string, type: string, content: string | Buffer) {
  const transfer = await page.evaluateHandle(
    ([name, type, base64]) => {
      const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File([bytes], name, { type }));
      return transfer;
    },
    [name, type, Buffer.from(content).toString("base64")] as const,
  );
  await page.locator("body").dispatchEvent("dragover", { dataTransfer: transfer });
  return () => page.locator("body").dispatchEvent("drop", { dataTransfer: transfer });
}

/** Changes settings in the options by their labels; a choice is given by its text, a switch is "on" or "off". */
export async function setOptions(page: Page, values: Record<string, string>) {
  const options = page.locator("#options");
  if (!(await options.evaluate((details: HTMLDetailsElement) => details.open))) await options.locator("summary").click();
  for (const [label, value] of Object.entries(values)) {
    if (label === "Method") {
      await options.getByRole("radio", { name: value, exact: true }).check();
      continue;
    }
    const field = options.getByLabel(label, { exact: true });
    if ((await field.evaluate((element) => element.tagName)) === "SELECT") await field.selectOption({ label: value });
    else if ((await field.getAttribute("type")) === "checkbox") await field.setChecked(value === "on");
    else await field.fill(value);
  }
}

export async function expectAccessible(page: Page, state: string) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" | ")}`);
  expect(found, `what axe finds: ${state}`).toEqual([]);
}

/** The same where the user prefers dark colours; afterwards it is light again. */
export async function expectAccessibleInDark(page: Page, state: string) {
  await prefer(page, "dark");
  await expectAccessible(page, `${state}, in the dark`);
  await prefer(page, "light");
}

/** Changes what the user prefers, and waits until the colours have changed. */
async function prefer(page: Page, colorScheme: "light" | "dark") {
  await page.emulateMedia({ colorScheme });
  await page.evaluate(async () => {
    await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
    const changing = document.getAnimations().filter((animation) => animation instanceof CSSTransition);
    await Promise.allSettled(changing.map(({ finished }) => finished));
  });
}

/** With `SCREENSHOTS` set (to a folder, or to 1 for tests/screenshots), a picture of what the user sees. */
export async function screenshot(page: Page, name: string, fullPage = false) {
  const folder = process.env.SCREENSHOTS;
  if (!folder) return;
  await page.mouse.move(0, 0);
  await page.screenshot({
    path: join(folder === "1" ? join(import.meta.dirname, "../screenshots") : folder, `${name}.png`),
    fullPage,
    animations: "disabled",
  });
}

/** What a result is analysed by, as the page shows it: taken twice, it must be the same. The report is downloaded. */
export async function analysisOf(page: Page) {
  const cell = page.getByRole("region", { name: "Counts by label and predicted class" }).getByRole("button").first();
  await cell.click();
  const texts = page.getByRole("list", { name: "Texts in this cell" });
  await expect(texts).toBeVisible();
  const words = page.getByRole("region", { name: "Tokens nearest to each prompt row" });
  if (!(await words.isVisible())) await page.getByText("Find the vocabulary tokens nearest to each prompt row").click();
  const [report] = await Promise.all([page.waitForEvent("download"), button(page, "Download report").click()]);
  const found = {
    interval: await page.getByText(/^95% confidence interval \d/).innerText(),
    texts: await texts.locator("p.text").allInnerTexts(),
    mistakes: await page.getByRole("list", { name: "Mistakes" }).locator("p").allInnerTexts(),
    calibration: await page.getByRole("img", { name: /^Reliability diagram/ }).getAttribute("aria-label"),
    words: await words.getByRole("row").allInnerTexts(),
    report: readFileSync(await report.path(), "utf8"),
  };
  await button(page, "Close").click();
  return found;
}

/** The figure of a percentage such as "92.6%", as a share. */
export function share(text: string | null): number {
  expect(text).toMatch(/^\d+\.\d%$/);
  return Number.parseFloat(text!) / 100;
}

/** Names and contents of a zip, by its central directory. */
export function unzip(zip: Buffer): Map<string, Buffer> {
  const end = zip.lastIndexOf(Buffer.from("PK\x05\x06", "latin1"));
  expect(end, "end of the central directory").toBeGreaterThan(0);
  const files = new Map<string, Buffer>();
  let at = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    expect(zip.readUInt32LE(at)).toBe(0x02014b50);
    const method = zip.readUInt16LE(at + 10);
    const size = zip.readUInt32LE(at + 20);
    const [name, extra, comment] = [28, 30, 32].map((offset) => zip.readUInt16LE(at + offset)) as [number, number, number];
    const local = zip.readUInt32LE(at + 42);
    const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    const stored = zip.subarray(start, start + size);
    files.set(zip.toString("utf8", at + 46, at + 46 + name), method === 0 ? stored : inflateRawSync(stored));
    at += 46 + name + extra + comment;
  }
  return files;
}
