import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { snippet } from "../../src/lib/snippet";
import { files as tinyFiles, hub } from "./hub";
import { expect, smallSample, test } from "./session";

const folder = join(import.meta.dirname, "../../package");
const built = join(folder, "dist");
const TYPES: Record<string, string> = { js: "text/javascript", wasm: "application/wasm", html: "text/html", csv: "text/csv" };

/** The code of the README, as it stands there. */
function example(): string {
  const [, code] = /```js\n(.*?)```/s.exec(readFileSync(join(folder, "README.md"), "utf8"))!;
  return code!;
}

test("the example of the package's README does what it says", async ({ page, context, baseURL }) => {
  expect(existsSync(join(built, "worker.js")), "npm run package builds it").toBe(true);
  const code = example();
  expect(code.trimEnd().split("\n").length).toBeLessThanOrEqual(15);
  const html =
    '<!doctype html><html lang="en"><title>package</title><script type="importmap">{"imports":{"softprompt":"./index.js"}}</script>' +
    '<script type="module" src="./example.js"></script>';
  const files: Record<string, string | Buffer> = { "": html, "example.js": code, "snips.csv": smallSample(20) };
  await context.route(/\/package\//, async (route) => {
    const name = new URL(route.request().url()).pathname.split("/package/")[1]!;
    // The encoder lies beside the user's page.
    if (name.startsWith("models/")) return route.continue({ url: new URL(name, baseURL).href });
    const body = files[name] ?? (existsSync(join(built, name)) ? readFileSync(join(built, name)) : undefined);
    if (body === undefined) return route.fulfill({ status: 404 });
    return route.fulfill({ body, contentType: TYPES[name.split(".").pop()!] ?? "text/html" });
  });
  const lines: string[] = [];
  page.on("console", (message) => message.type() === "log" && lines.push(message.text()));
  await page.goto("package/");
  await expect.poll(() => lines.at(-1), { timeout: 1_200_000 }).toBe("BookRestaurant");
  const steps = lines.filter((line) => /^step \d+ of 24: loss \d+\.\d\d$/.test(line));
  expect(steps.length).toBeGreaterThan(10);
  const accuracies = lines.filter((line) => line.startsWith("held-out accuracy ")).map((line) => parseFloat(line.split(" ")[2]!));
  expect(accuracies.length).toBeGreaterThan(1);
  expect(accuracies.at(-1)!).toBeGreaterThan(50);
  expect(lines.at(-3)).toMatch(/^GetWeather 0\.\d+$/);
  expect(lines.at(-2)).toMatch(/^\d{4,7} bytes$/);
});

test.describe("the lines that the page shows", () => {
  test.use({ otherOrigins: [/^https:\/\/huggingface\.co\//] });

  test("classify with an adapter as they stand, with the default encoder and with another", async ({ page, context, baseURL }) => {
    const asked = await hub(context, tinyFiles());
    const head = '<!doctype html><html lang="en"><title>package</title>';
    const files: Record<string, string | Buffer> = { "": head };
    await context.route(/\/package\//, async (route) => {
      const name = new URL(route.request().url()).pathname.split("/package/")[1]!;
      if (name.startsWith("models/")) return route.continue({ url: new URL(name, baseURL).href });
      const body = files[name] ?? readFileSync(join(built, name));
      return route.fulfill({ body, contentType: TYPES[name.split(".").pop()!] ?? "text/html" });
    });
    for (const model of [undefined, "somebody/tiny"]) {
      files[""] = head;
      await page.goto("package/");
      const zip = await page.evaluate(async (model) => {
        const address = new URL("./index.js", document.baseURI).href;
        const { load } = (await import(address)) as typeof import("../../src/package/index");
        const softprompt = await load(model);
        const rows = Array.from({ length: 40 }, (_, row) => (row % 2 ? `rain ${row}` : `song ${row}`));
        const labelled = rows.map((text, row) => ({ text, label: row % 2 ? "weather" : "music" }));
        for await (const event of softprompt.train(labelled, { optim: { steps: 4 }, device: "cpu" })) void event;
        const zip = await softprompt.export();
        softprompt.close();
        return btoa(String.fromCharCode(...zip));
      }, model);
      files["softprompt-adapter.zip"] = Buffer.from(zip, "base64");
      files["snippet.js"] = snippet(model);
      const map = '<script type="importmap">{"imports":{"softprompt":"./index.js"}}</script>';
      files[""] = `${head}${map}<script type="module" src="./snippet.js"></script>`;
      const line = page.waitForEvent("console", (message) => message.type() === "log");
      await page.goto("package/");
      expect((await line).text()).toMatch(/^(music|weather) (0\.\d+|1)$/);
    }
    expect(asked).toContain("/api/models/somebody/tiny/revision/main");
  });
});

test("a loop that is left ends the training, and errors are problems", async ({ page, context, baseURL }) => {
  const files: Record<string, string> = { "": "<!doctype html><title>package</title>" };
  await context.route(/\/package\//, async (route) => {
    const name = new URL(route.request().url()).pathname.split("/package/")[1]!;
    if (name.startsWith("models/")) return route.continue({ url: new URL(name, baseURL).href });
    const body = files[name] ?? readFileSync(join(built, name));
    return route.fulfill({ body, contentType: TYPES[name.split(".").pop()!] ?? "text/html" });
  });
  await page.goto("package/");
  const encoder = Object.entries(tinyFiles()).map(([name, bytes]) => [name, bytes.toString("base64")] as const);
  const found = await page.evaluate(async (encoder) => {
    type Package = typeof import("../../src/package/index");
    const address = "./index.js";
    const { load } = (await import(new URL(address, document.baseURI).href)) as Package;
    const caught = async (job: () => Promise<unknown>) => job().then(() => "nothing", ({ code }: { code: string }) => code);
    const bytes = (base64: string) => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
    const softprompt = await load({ files: encoder.map(([name, base64]) => new File([bytes(base64)], name)) });
    const early = await caught(() => softprompt.classify(["a text"]));
    const damaged = await caught(() => softprompt.import(new Uint8Array([80, 75, 3, 4])));
    const words = { music: ["play", "song", "album"], weather: ["rain", "snow", "cold"] };
    const rows = Object.entries(words).flatMap(([label, texts]) =>
      Array.from({ length: 30 }, (_, row) => ({ text: `${texts[row % 3]}, "${row}"\nplease`, label })),
    );
    const wrong = await caught(async () => {
      for await (const event of softprompt.train(rows, { optim: { batch_size: 0 } })) void event;
    });
    let events = 0;
    for await (const event of softprompt.train(rows, { optim: { steps: 500 }, device: "cpu" })) {
      events++;
      if (event.event === "eval") break;
    }
    const [answer] = await softprompt.classify(["will it rain"]);
    const zip = await softprompt.export();
    softprompt.close();
    const closed = await caught(() => softprompt.classify(["a text"]));
    return { early, damaged, wrong, events, labels: answer!.probabilities.map(({ label }) => label).sort(), zip: zip.length, closed };
  }, encoder);
  expect(found).toMatchObject({ early: "adapter", damaged: "adapter", wrong: "config", labels: ["music", "weather"], closed: "cancelled" });
  expect(found.events).toBeGreaterThan(1);
  expect(found.zip).toBeGreaterThan(1000);
});

test("what npm would publish is the program, its types and the README", () => {
  const [packed] = JSON.parse(
    execFileSync("npm", ["pack", "--dry-run", "--json"], { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }),
  ) as [{ size: number; files: { path: string }[] }];
  const names = packed.files.map(({ path }) => path);
  console.log(`npm package: ${packed.size} bytes packed, ${names.join(" ")}`);
  for (const name of ["README.md", "package.json", "dist/index.js", "dist/worker.js", "dist/softprompt_bg.wasm", "dist/package/index.d.ts"])
    expect(names).toContain(name);
  expect(names.every((name) => /^(README\.md|package\.json|dist\/.*\.(js|wasm|d\.ts))$/.test(name)), names.join(" ")).toBe(true);
  expect(packed.size).toBeLessThan(8e6);
});
