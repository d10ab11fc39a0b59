/** Runs are saved: whatever interrupts one, it resumes to the same adapter, byte for byte. Each of these interruptions is provoked here. */
import { mkdtempSync, mkdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type Browser, type BrowserContext, type Page } from "@playwright/test";
import { checkpointCost } from "./scenarios";
import {
  button,
  drop,
  expect,
  expectAccessible,
  file,
  heading,
  inWorker,
  openWithTiny,
  SAMPLE,
  screenshot,
  setOptions,
  smallSample,
  test,
  TINY,
  analysisOf,
} from "./session";

const STEPS = 60;
const TABLE = smallSample(8);
const OPTIONS = {
  Method: "Prompt tuning",
  Steps: String(STEPS),
  Evaluations: "6",
  "Batch size": "4",
  "Early stopping patience": "",
};

/**
 * The worker of a slow machine: it waits after every event of a run, so that what is to happen in the middle of a run does, however
 * fast this machine is. (`Pull` posts an empty message to itself after each.)
 */
const slowed = (where: Page | BrowserContext, milliseconds: number) =>
  inWorker(
    where,
    (milliseconds) => {
      const post = MessagePort.prototype.postMessage as (this: MessagePort, ...given: unknown[]) => void;
      MessagePort.prototype.postMessage = function (this: MessagePort, ...given: unknown[]) {
        if (given[0] === null) setTimeout(() => post.call(this, null), milliseconds);
        else post.call(this, ...given);
      };
    },
    milliseconds,
  );
/** Milliseconds for a run that is interrupted, and for one that goes on, so that its steps are seen. */
const [INTERRUPTED, RESUMED] = [100, 20];
test.beforeEach(({ context }) => slowed(context, RESUMED));

const done = (page: Page) => expect(heading(page, "Your classifier is ready")).toBeVisible();
const savedUpTo = (page: Page, step: RegExp) => expect(page.getByText(step)).toBeVisible();
const SAVED = /up to step \d+, and can be resumed/;

/** Begins a run that is going to be interrupted. */
async function beginSlowly(page: Page, options?: Record<string, string>, heldOut?: string) {
  await slowed(page, INTERRUPTED);
  await begin(page, options, TABLE, heldOut);
}

/** @param heldOut rows to measure on, in place of a part of the table */
async function begin(page: Page, options: Record<string, string> = OPTIONS, table = TABLE, heldOut?: string) {
  await openWithTiny(page);
  await drop(page, "requests.csv", "text/csv", table);
  await expect(heading(page, "Check your data, then train")).toBeVisible();
  if (heldOut) {
    const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.getByText("Use a held-out file").click()]);
    await chooser.setFiles({ name: "test.csv", mimeType: "text/csv", buffer: Buffer.from(heldOut) });
    await expect(page.getByText("measured on test.csv")).toBeVisible();
  }
  await setOptions(page, options);
  await button(page, "Train").click();
}

async function adapterOf(page: Page): Promise<Buffer> {
  const [download] = await Promise.all([page.waitForEvent("download"), button(page, "Download adapter").click()]);
  return readFileSync(await download.path());
}

const references = new Map<string, Promise<Buffer>>();

/** The adapter of a run that nothing interrupts, with these options. */
function reference(browser: Browser, baseURL: string, options: Record<string, string> = OPTIONS, heldOut?: string): Promise<Buffer> {
  const key = JSON.stringify([options, heldOut]);
  const make = async () => {
    const context = await browser.newContext({ baseURL, acceptDownloads: true });
    const page = await context.newPage();
    await begin(page, options, TABLE, heldOut);
    await done(page);
    const adapter = await adapterOf(page);
    await context.close();
    return adapter;
  };
  const made = references.get(key) ?? make();
  references.set(key, made);
  return made;
}

/** Notes every step that the page tells from now on, each once, in order. */
async function watchSteps(page: Page) {
  await page.evaluate(() => {
    const seen: number[] = ((window as unknown as { steps: number[] }).steps = []);
    new MutationObserver(() => {
      const told = /Step ([\d,]+) of/.exec(document.querySelector("main .progress")?.textContent ?? "")?.[1];
      const step = Number(told?.replaceAll(",", ""));
      if (told && seen.at(-1) !== step) seen.push(step);
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
  return () => page.evaluate(() => (window as unknown as { steps: number[] }).steps);
}

/** Goes on from the start page to the end; says with which step. */
async function resume(page: Page): Promise<number> {
  await expect(heading(page, "A run was interrupted")).toBeVisible();
  const offer = page.getByRole("region", { name: "A run was interrupted" });
  const step = Number(/step (\d+) of/.exec((await offer.textContent())!)?.[1] ?? 0);
  const told = await watchSteps(page);
  await button(page, "Resume").click();
  if (step) await expect(page.getByText("CPU. As in the checkpoint.")).toBeVisible();
  await done(page);
  // What was kept is shown until the first step beyond it; no step is trained a second time.
  const steps = await told();
  const trained = steps[0] === step ? steps.slice(1) : steps;
  console.log(`RESUMED from step ${step}: ${trained.slice(0, 3).join(", ")} ... ${trained.at(-1)}`);
  expect(trained[0], `first step after ${step}, of ${steps.join(" ")}`).toBeGreaterThan(step);
  expect(trained, "steps in order").toEqual([...trained].sort((a, b) => a - b));
  return step;
}

/** How often each step is in the curve, and whether all are: what went on shows the whole run. */
async function expectWholeCurve(page: Page) {
  await expect(page.getByRole("img", { name: new RegExp(`^Training loss .* after ${STEPS} steps`) })).toBeVisible();
  await expect(page.getByRole("img", { name: / after 6 evaluations/ })).toBeVisible();
}

const left = (page: Page) =>
  page.evaluate(async () => {
    const database = await new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open("softprompt");
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error as Error);
    });
    const counts: Record<string, number> = {};
    for (const store of database.objectStoreNames)
      counts[store] = await new Promise((resolve) => {
        const request = database.transaction(store).objectStore(store).count();
        request.onsuccess = () => resolve(request.result);
      });
    database.close();
    return counts;
  });

test("a run in a tab that is closed resumes to the same adapter", async ({ page, context, browser, baseURL }) => {
  await beginSlowly(page);
  await savedUpTo(page, SAVED);
  await button(page, "Pause").click();
  await expectAccessible(page, "training, saved");
  // A second tab does not take the run over.
  const other = await context.newPage();
  await other.goto("");
  await expect(heading(other, "Train a text classifier on your own examples")).toBeVisible();
  await expect(heading(other, "A run was interrupted")).toHaveCount(0);
  await button(other, "Your runs").click();
  await expect(other.getByText("training in another tab")).toBeVisible();
  await expect(button(other, "Resume requests")).toHaveCount(0);
  await other.close();
  await button(page, "Resume").click();
  const told = await watchSteps(page);
  await expect.poll(async () => (await told()).length).toBeGreaterThan(1);
  // Without a word: no handler runs.
  await page.close({ runBeforeUnload: false });

  const back = await context.newPage();
  await back.goto("");
  await expect(heading(back, "A run was interrupted")).toBeVisible();
  await expect(back.getByText("requests.csv")).toBeVisible();
  await expectAccessible(back, "start, with an interrupted run");
  await screenshot(back, "unfinished");
  await button(back, "Discard").click();
  await expectAccessible(back, "question before a run is discarded");
  await button(back, "Keep it").click();
  expect((await left(back)).checkpoints).toBe(1);
  const step = await resume(back);
  expect(step).toBeGreaterThan(0);
  expect(step).toBeLessThan(STEPS);
  await expectWholeCurve(back);
  const adapter = await adapterOf(back);
  expect((await checkpointCost(back)).checkpoints).toBeGreaterThan(0);
  expect(adapter.equals(await reference(browser, baseURL!)), "another adapter").toBe(true);
  expect(await left(back)).toEqual({ adapters: 1, answers: 1, checkpoints: 0, data: 1, runs: 1, views: 1 });
});

test("with a held-out file it resumes to the same adapter, evaluated on that file", async ({ page, context, browser, baseURL }) => {
  const [header, ...rows] = file("snips/test.csv").toString().trimEnd().split(/\r?\n/);
  const heldOut = [header, ...rows.filter((_, row) => row % 12 === 0)].join("\n") + "\n";
  await beginSlowly(page, OPTIONS, heldOut);
  await savedUpTo(page, SAVED);
  await page.close({ runBeforeUnload: false });
  const back = await context.newPage();
  await back.goto("");
  expect((await left(back)).data, "the table and the held-out file").toBe(2);
  expect(await resume(back)).toBeGreaterThan(0);
  await expect(back.getByText(`accuracy on ${Math.ceil(rows.length / 12)} held-out rows`)).toBeVisible();
  const adapter = await adapterOf(back);
  expect(adapter.equals(await reference(browser, baseURL!, OPTIONS, heldOut)), "another adapter").toBe(true);
  expect(adapter.equals(await reference(browser, baseURL!)), "the adapter without the file").toBe(false);
});

test("paused, crashed and opened again it resumes to the same adapter", async ({ page, context, browser, baseURL }) => {
  await beginSlowly(page);
  await savedUpTo(page, SAVED);
  await button(page, "Pause").click();
  await expect(heading(page, "Paused")).toBeVisible();
  const crashed = page.waitForEvent("crash");
  await page.goto("chrome://crash").catch(() => undefined);
  await crashed;
  const back = await context.newPage();
  await back.goto("");
  const step = await resume(back);
  expect(step).toBeLessThan(STEPS);
  await expectWholeCurve(back);
  expect((await adapterOf(back)).equals(await reference(browser, baseURL!)), "another adapter").toBe(true);
});

test("a worker that is killed is replaced, and the run resumes automatically", async ({ page, browser, baseURL }) => {
  await beginSlowly(page);
  await savedUpTo(page, SAVED);
  for (const worker of page.workers()) await worker.evaluate(() => self.close()).catch(() => undefined);
  await expect(page.getByText("The browser stopped the worker, perhaps because memory ran out.", { exact: true })).toBeVisible();
  await expect(page.getByText(/resumed automatically from step \d+/)).toBeVisible();
  await expectAccessible(page, "training that was recovered");
  await screenshot(page, "recovered");
  await done(page);
  await expectWholeCurve(page);
  await expect(page.getByText("The browser stopped the worker, perhaps because memory ran out.", { exact: true })).toBeVisible();
  expect((await adapterOf(page)).equals(await reference(browser, baseURL!)), "another adapter").toBe(true);

  // The worker that holds the result dies too: everything is still there.
  const before = await analysisOf(page);
  for (const worker of page.workers()) await worker.evaluate(() => self.close()).catch(() => undefined);
  await expect.poll(() => page.workers().length).toBe(0);
  expect(await analysisOf(page)).toEqual(before);
  expect((await adapterOf(page)).equals(await reference(browser, baseURL!)), "another adapter").toBe(true);
});

test("during the trials it starts from the beginning, to the same adapter", async ({ page, context, browser, baseURL }) => {
  const options = { ...OPTIONS, Method: "Automatic", Steps: "24" };
  await beginSlowly(page, options);
  await expect(page.getByText(/^Running trials/).first()).toBeVisible();
  await page.close({ runBeforeUnload: false });
  const back = await context.newPage();
  await back.goto("");
  await expect(back.getByText("starts from the beginning")).toBeVisible();
  expect(await resume(back)).toBe(0);
  expect((await adapterOf(back)).equals(await reference(browser, baseURL!, options)), "another adapter").toBe(true);
});

/** A browser of its own, with a profile on the disk. */
async function ownBrowser(profile: string, baseURL: string, launch: { args?: string[]; executablePath?: string }) {
  const context = await chromium.launchPersistentContext(profile, { ...launch, baseURL, acceptDownloads: true, serviceWorkers: "block" });
  await slowed(context, RESUMED);
  return { context, page: context.pages()[0] ?? (await context.newPage()) };
}

test("the whole browser is killed, as when the power goes", async ({ browser, baseURL, launchOptions }) => {
  const profile = mkdtempSync(join(tmpdir(), "softprompt-"));
  const first = await ownBrowser(profile, baseURL!, launchOptions);
  await beginSlowly(first.page);
  await savedUpTo(first.page, SAVED);
  const pid = Number(/-(\d+)$/.exec(readlinkSync(join(profile, "SingletonLock")))![1]);
  const gone = new Promise((resolve) => first.context.once("close", resolve));
  process.kill(pid, "SIGKILL");
  await gone;
  const second = await ownBrowser(profile, baseURL!, launchOptions);
  await second.page.goto("");
  const step = await resume(second.page);
  expect(step).toBeGreaterThan(0);
  expect((await adapterOf(second.page)).equals(await reference(browser, baseURL!)), "another adapter").toBe(true);
  await second.context.close();
  rmSync(profile, { recursive: true, force: true });
});

test("where the browser stores nothing, training works and the page says so", async ({ browser, baseURL, launchOptions }) => {
  const profile = mkdtempSync(join(tmpdir(), "softprompt-"));
  mkdirSync(join(profile, "Default"));
  // What "block all cookies" in the browser's settings writes.
  writeFileSync(
    join(profile, "Default/Preferences"),
    JSON.stringify({ profile: { default_content_setting_values: { cookies: 2 } } }),
  );
  const { context, page } = await ownBrowser(profile, baseURL!, launchOptions);
  await beginSlowly(page);
  await expect(page.getByText("This run is not saved in the browser.")).toBeVisible();
  await expect(page.getByText("does not allow the page to store anything")).toBeVisible();
  await expectAccessible(page, "training, not saved");
  await done(page);
  expect((await adapterOf(page)).equals(await reference(browser, baseURL!)), "another adapter").toBe(true);
  await button(page, "Your runs").click();
  await expect(page.getByRole("alert")).toContainText("does not allow the page to store anything");
  await context.close();
  rmSync(profile, { recursive: true, force: true });
});

test("a full storage stops the saving, and not the training", async ({ page, context, browser, baseURL }) => {
  const devtools = await context.newCDPSession(page);
  const quota = (quotaSize?: number) =>
    devtools.send("Storage.overrideQuotaForOrigin", { origin: new URL(baseURL!).origin, quotaSize });
  await beginSlowly(page);
  await savedUpTo(page, SAVED);
  await button(page, "Pause").click();
  await quota(1);
  // The browser believes for half a minute what it has looked up. Meanwhile, what the run must come to.
  await Promise.all([page.waitForTimeout(35_000), reference(browser, baseURL!)]);
  await button(page, "Resume").click();
  await expect(page.getByText(/This run is saved up to step \d+ only\./)).toBeVisible();
  await expect(page.getByText("storage of this browser is full")).toBeVisible();
  await expectAccessible(page, "storage full");
  await screenshot(page, "storage-full");
  await done(page);
  await expect(page.getByText("storage of this browser is full")).toBeVisible();
  expect((await adapterOf(page)).equals(await reference(browser, baseURL!)), "another adapter").toBe(true);
  await quota();
  // What was kept before is still whole.
  await page.close({ runBeforeUnload: false });
  const back = await context.newPage();
  await back.goto("");
  expect(await resume(back)).toBeLessThan(STEPS);
  expect((await adapterOf(back)).equals(await reference(browser, baseURL!)), "another adapter").toBe(true);
});

test.describe("a lost GPU", () => {
  test.use({ expectedErrors: [/the wgpu device was lost/] });

  test("is opened again, and the run resumes automatically to the same adapter", async ({ page, browser }) => {
    await openWithTiny(page);
    await drop(page, "requests.csv", "text/csv", smallSample(4));
    await page.getByLabel("Device", { exact: true }).selectOption("gpu");
    await setOptions(page, { ...OPTIONS, Steps: "24", "Batch size": "2", Evaluations: "12", "Held-out share": "25" });
    await button(page, "Train").click();
    await savedUpTo(page, SAVED);
    const devtools = await browser.newBrowserCDPSession();
    await devtools.send("Browser.crashGpuProcess" as never).catch(() => undefined);
    await expect(page.locator("strong", { hasText: "The GPU was lost." })).toBeVisible();
    await expect(page.getByText(/resumed automatically from step \d/)).toBeVisible();
    await screenshot(page, "gpu-lost");
    await expect(heading(page, "Your classifier is ready")).toBeVisible({ timeout: 400_000 });
    await expect(page.getByRole("img", { name: /^Training loss .* after 24 steps/ })).toBeVisible();
    const adapter = await adapterOf(page);
    await button(page, "Change options, train again").click();
    await button(page, "Train").click();
    await expect(heading(page, "Your classifier is ready")).toBeVisible({ timeout: 400_000 });
    await expect(page.locator("strong", { hasText: "The GPU was lost." })).toHaveCount(0);
    expect((await adapterOf(page)).equals(adapter), "another adapter").toBe(true);
  });
});

test("too little memory for a batch is an error, at once, and the page lives", async ({
  browser: _,
  baseURL,
  launchOptions,
}) => {
  // Enough for the encoder, not for a step on all rows at once.
  const args = [...(launchOptions.args ?? []), "--js-flags=--wasm-max-mem-pages=900"];
  const profile = mkdtempSync(join(tmpdir(), "softprompt-"));
  const { context, page } = await ownBrowser(profile, baseURL!, { ...launchOptions, args });
  await begin(page, { ...OPTIONS, "Batch size": "560" }, SAMPLE);
  await expect(heading(page, "Training failed")).toBeVisible();
  await expect(page.getByRole("alert")).toContainText("There is not enough memory for a batch of");
  await expect(page.getByRole("alert")).toContainText("optim.batch_size");
  // It would only come again: nothing was tried a second time. And there is no other device to try.
  await expect(page.getByText(/resumed automatically/)).toHaveCount(0);
  await expect(button(page, "Try again")).toBeVisible();
  await expect(button(page, "Resume on the CPU")).toHaveCount(0);
  await expectAccessible(page, "out of memory");
  await screenshot(page, "out-of-memory");
  await button(page, "Back to data and options").click();
  await setOptions(page, { "Batch size": "4" });
  await button(page, "Train").click();
  await done(page);
  await context.close();
  rmSync(profile, { recursive: true, force: true });
});

test("training continues in a hidden tab", async ({ browser, baseURL }) => {
  const tab = await rawTab(browser, baseURL!);
  await tab.run(`(${driver.toString()})()`);
  await expect.poll(() => tab.run("document.body.innerText")).toContain("Try with sample data");
  const encoder = ["config.json", "tokenizer.json", "model.safetensors"].map((name) => [name, readFileSync(join(TINY, name)).toString("base64")]);
  await tab.run(`give(${JSON.stringify(encoder)})`);
  await expect.poll(() => tab.run("document.body.innerText")).toContain("2 layers, hidden size 32, frozen");
  await tab.run(`drop(${JSON.stringify(TABLE)})`);
  await expect.poll(() => tab.run("document.body.innerText")).toContain("Check your data");
  // Nothing slows this one: it has more steps.
  const options = { ...OPTIONS, Steps: "2000" };
  await tab.run(`set(${JSON.stringify(options)})`);
  await tab.run(`press("Train")`);
  await expect.poll(() => tab.run("document.body.innerText"), { intervals: [20] }).toMatch(/Step [1-9]/);
  await tab.hide();
  expect(await tab.run("document.visibilityState")).toBe("hidden");
  expect(await tab.run("document.body.innerText"), "it was hidden in the middle").not.toContain("Your classifier is ready");
  // The page comes to its end without being looked at.
  await expect.poll(() => tab.run("document.body.innerText")).toContain("Your classifier is ready");
  expect(await tab.run("document.visibilityState")).toBe("hidden");
  const adapter = Buffer.from(await tab.run("adapter()"), "base64");
  expect(adapter.equals(await reference(browser, baseURL!, options)), "another adapter").toBe(true);
  await tab.close();
});

/** A tab that Playwright does not know of: those that it does know are made to believe that they are always in front. */
async function rawTab(browser: Browser, url: string) {
  const root = await browser.newBrowserCDPSession();
  const { targetId } = await root.send("Target.createTarget", { url });
  const { sessionId } = await root.send("Target.attachToTarget", { targetId, flatten: false });
  const waiting = new Map<number, (answer: { result?: { value?: string }; exceptionDetails?: unknown }) => void>();
  root.on("Target.receivedMessageFromTarget", ({ message }) => {
    const answer = JSON.parse(message) as { id?: number; result: object };
    if (answer.id !== undefined) waiting.get(answer.id)?.(answer.result);
  });
  let id = 0;
  const run = async (expression: string): Promise<string> => {
    const answered = new Promise<{ result?: { value?: string }; exceptionDetails?: unknown }>((resolve) =>
      waiting.set(++id, resolve),
    );
    const params = { expression, awaitPromise: true, returnByValue: true };
    await root.send("Target.sendMessageToTarget", {
      sessionId,
      message: JSON.stringify({ id, method: "Runtime.evaluate", params }),
    });
    const { result, exceptionDetails } = await answered;
    expect(exceptionDetails, expression).toBeUndefined();
    return result?.value ?? "";
  };
  const hide = async () => {
    const front = await root.send("Target.createTarget", { url: "about:blank" });
    await root.send("Target.activateTarget", front);
    await expect.poll(() => run("document.visibilityState")).toBe("hidden");
  };
  return { run, hide, close: () => root.send("Target.closeTarget", { targetId }) };
}

/** What a user does, from inside the page. */
function driver() {
  const dropAll = (files: File[]) => {
    const dataTransfer = new DataTransfer();
    for (const file of files) dataTransfer.items.add(file);
    for (const type of ["dragover", "drop"])
      document.body.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
  };
  Object.assign(globalThis, {
    drop: (table: string) => dropAll([new File([table], "requests.csv", { type: "text/csv" })]),
    give: (encoder: [string, string][]) =>
      dropAll(encoder.map(([name, base64]) => new File([Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))], name))),
    async set(values: Record<string, string>) {
      // The options come after the table, and their fields group after group.
      const there = async <T>(look: () => T | null | undefined): Promise<T> => {
        let found = look();
        for (; !found; found = look()) await new Promise((later) => setTimeout(later, 20));
        return found;
      };
      (await there(() => document.querySelector<HTMLDetailsElement>("#options"))).open = true;
      for (const [name, value] of Object.entries(values)) {
        const label = await there(() =>
          [...document.querySelectorAll<HTMLLabelElement>("#options label")].find((one) =>
            name === "Method" ? one.textContent!.trim().startsWith(value) : one.textContent!.trim() === name,
          ),
        );
        const field = label.control as HTMLInputElement;
        if (name === "Method") field.click();
        else {
          field.value = value;
          for (const type of ["input", "change"]) field.dispatchEvent(new Event(type, { bubbles: true }));
        }
      }
    },
    press(name: string) {
      [...document.querySelectorAll("button")].find((one) => one.textContent!.trim() === name)!.click();
    },
    async adapter() {
      const database = await new Promise<IDBDatabase>((resolve) => {
        const request = indexedDB.open("softprompt");
        request.onsuccess = () => resolve(request.result);
      });
      const [zip] = await new Promise<Uint8Array[]>((resolve) => {
        const request = database.transaction("adapters").objectStore("adapters").getAll();
        request.onsuccess = () => resolve(request.result as Uint8Array[]);
      });
      database.close();
      return btoa(String.fromCharCode(...zip!));
    },
  });
}
