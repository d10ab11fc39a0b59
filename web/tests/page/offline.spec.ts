/** The page without a network, and a new version of it: on a server of the test's own, which can be changed and switched off. */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "@playwright/test";
import { serveFolder, type Served } from "./server";
import { button, drop, expect, expectAccessible, expectAccessibleInDark, heading, screenshot, setOptions, smallSample, test } from "./session";

const DIST = join(import.meta.dirname, "../../dist");
const cached = (page: Page) => page.getByText("it also opens offline");
const pageCaches = (page: Page) =>
  page.evaluate(async () => (await caches.keys()).filter((name) => name.startsWith("softprompt-page-")));

let served: Served;
test.use({
  serviceWorkers: "allow",
  otherOrigins: [/^http:\/\/127\.0\.0\.1:\d+\/soft\//],
  // A test asks for something that is not there.
  expectedErrors: [/ERR_INTERNET_DISCONNECTED/],
});
test.afterEach(() => served.close());

test("after the first visit the page trains without a network", async ({ page, context }) => {
  // In a folder, as on many a static server, and without a header of its own.
  served = await serveFolder(DIST, { base: "/soft/" });
  await page.goto(served.address);
  await expect(cached(page)).toBeVisible();
  await button(page, "Try with sample data").click();
  await expect(page.getByText("6 layers, hidden size 384, frozen")).toBeVisible();

  // No network: neither for the page nor for its workers, and nobody to answer.
  await context.setOffline(true);
  served.close();
  await page.reload();
  await expect(heading(page, "Train a text classifier on your own examples")).toBeVisible();
  // What the page itself takes for the moment from which it answers (`tests/bench/startup.mjs` says when that is) is that moment.
  await page.addInitScript(() => {
    const mark = performance.mark.bind(performance);
    performance.mark = (name, options) => {
      const sample = [...document.querySelectorAll("button")].find((one) => one.textContent?.trim() === "Try with sample data");
      if (name === "interactive") Object.assign(window, { usable: sample?.disabled === false });
      return mark(name, options);
    };
  });
  await page.reload();
  await page.waitForFunction(() => performance.getEntriesByName("interactive").length > 0);
  expect(await page.evaluate(() => (window as { usable?: boolean }).usable), "the sample can be tried by then").toBe(true);
  await button(page, "Try with sample data").click();
  await expect(page.getByText("700 rows, separated by commas")).toBeVisible();
  // The server is gone: what is asked of it fails, so nothing here came from it.
  expect(await page.evaluate(() => fetch("nothing-of-the-page").then(() => "answered", () => "no network"))).toBe("no network");

  await drop(page, "requests.csv", "text/csv", smallSample(8));
  await expect(page.getByText("56 rows, separated by commas")).toBeVisible();
  await setOptions(page, { Method: "Prompt tuning", Steps: "6", Evaluations: "2" });
  await button(page, "Train").click();
  await expect(heading(page, "Your classifier is ready")).toBeVisible();
  await expectAccessible(page, "result without a network");
});

test("it can be installed, and every answer says the policy", async ({ page, context }) => {
  served = await serveFolder(DIST, { base: "/soft/" });
  await page.goto(served.address);
  await expect(cached(page)).toBeVisible();
  const client = await context.newCDPSession(page);
  const { installabilityErrors } = await client.send("Page.getInstallabilityErrors");
  // The test's own profile is a private one, from which nothing is installed.
  expect(installabilityErrors.map(({ errorId }) => errorId)).toEqual(["in-incognito"]);
  const manifest = await client.send("Page.getAppManifest");
  expect(manifest.errors).toEqual([]);

  await page.reload();
  await expect.poll(() => page.workers().length).toBe(1);
  const workers = page.workers();
  // The server said no policy: the service worker did, also for the trainer's own worker.
  const said = await page.evaluate(async (worker) => {
    const files = ["./", worker, ...performance.getEntriesByType("resource").map(({ name }) => name)];
    return Promise.all(files.map(async (file) => [file, (await fetch(file)).headers.get("content-security-policy")] as const));
  }, workers[0]!.url());
  expect(said.length).toBeGreaterThan(3);
  expect(said.filter(([, policy]) => !policy?.includes("default-src 'none'"))).toEqual([]);
  // Later, because what the debugger itself evaluates is excepted from the policy.
  const refused = await workers[0]!.evaluate(
    () =>
      new Promise((done) =>
        setTimeout(() => {
          try {
            done(new Function("return 1")());
          } catch (error) {
            done((error as Error).name);
          }
        }),
      ),
  );
  expect(refused).toBe("EvalError");
});

test("a new version waits until it is asked for, and then replaces the old one", async ({ page }) => {
  const folder = mkdtempSync(join(tmpdir(), "softprompt-versions-"));
  try {
    copyPage(folder);
    served = await serveFolder(folder, { base: "/soft/" });
    await page.goto(served.address);
    await expect(cached(page)).toBeVisible();
    const [old] = await pageCaches(page);
    const fetchedBefore = served.requests.filter((path) => path.endsWith(".wasm")).length;

    // The next version: another sample, listed under another hash. Its cache is that of this folder.
    const next = "softprompt-page-0123456789abcdef@/soft/";
    const sample = "text,label\nanother,one\n";
    writeFileSync(join(folder, "sample/snips.csv"), sample);
    const script = readFileSync(join(folder, "sw.js"), "utf8");
    const hash = await digest(sample);
    writeFileSync(
      join(folder, "sw.js"),
      script
        .replace(/("sample\/snips\.csv":")[0-9a-f]{16}/, `$1${hash}`)
        .replace(/("version":")[0-9a-f]{16}/, "$1" + "0123456789abcdef"),
    );
    await drop(page, "requests.csv", "text/csv", smallSample(8));
    await page.evaluate(async () => (await navigator.serviceWorker.getRegistration())?.update());
    const reload = page.getByRole("button", { name: "Reload to use it" });
    await expect(reload).toBeVisible();
    // Nothing has happened to what the user was doing, and this version still answers.
    await expect(page.getByText("56 rows, separated by commas")).toBeVisible();
    await expectAccessible(page, "a new version waits");
    await expectAccessibleInDark(page, "a new version waits");
    await screenshot(page, "new-version");
    expect(await page.evaluate(async () => (await (await fetch("sample/snips.csv")).text()).length)).not.toBe(sample.length);

    await Promise.all([page.waitForEvent("load"), reload.click()]);
    await expect(heading(page, "Train a text classifier on your own examples")).toBeVisible();
    expect(await page.evaluate(async () => (await fetch("sample/snips.csv")).text())).toBe(sample);
    await expect.poll(() => pageCaches(page)).toEqual([next]);
    expect(old).not.toBe(next);
    // What has not changed was not fetched again.
    expect(served.requests.filter((path) => path.endsWith(".wasm")).length).toBe(fetchedBefore);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a version whose files do not belong together is not taken", async ({ page }) => {
  const folder = mkdtempSync(join(tmpdir(), "softprompt-mixed-"));
  try {
    copyPage(folder);
    writeFileSync(join(folder, "sample/snips.csv"), "text,label\nof another,version\n");
    served = await serveFolder(folder, { base: "/soft/" });
    await page.goto(served.address);
    await expect
      .poll(() => page.evaluate(async () => (await navigator.serviceWorker.getRegistration())?.installing ?? "none"))
      .toBe("none");
    await expect(cached(page)).toHaveCount(0);
    // The page works all the same.
    await drop(page, "requests.csv", "text/csv", smallSample(8));
    await expect(page.getByText("56 rows, separated by commas")).toBeVisible();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** The built page without a copy of the encoder. */
function copyPage(folder: string) {
  const models = join(DIST, "models");
  cpSync(DIST, folder, { recursive: true, filter: (path) => !path.startsWith(models) });
  symlinkSync(models, join(folder, "models"));
}

async function digest(text: string): Promise<string> {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return Buffer.from(bytes).toString("hex").slice(0, 16);
}
