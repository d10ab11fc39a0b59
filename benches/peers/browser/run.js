/**
 * Runs the contenders in one page of a headless Chromium, in turn, and writes a table and JSON.
 *
 * `cargo xtask bench browser` builds what is needed and calls this; `--help` lists the options.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { summary, table } from "./report.js";
import { serve } from "./server.js";

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = resolve(HERE, "../../..");
/** Steps whose losses are compared; they warm up, too. */
const CHECKED = 3;
const TOLERANCE = 1e-3;
const SYSTEM_CHROMIUM = "/usr/bin/chromium";

const HELP = `cargo xtask bench browser [options]

  --sets a,b         sets of benches/batches.json (default: snips)
  --contenders a,b   of ours-webgpu, tfjs-webgpu, jax-webgpu, ours-cpu, jax-wasm, tfjs-wasm (default: the first four)
  --steps n          measured steps of each, after ${CHECKED} that warm up and whose losses are compared (default: 3)
  --batch n          texts a step, at most 32 (default: 16)
  --full             7 steps: the WebGPU contenders and ours-cpu on snips and sms_spam, the CPU contenders on equal;
                     takes an hour or two on SwiftShader
  --no-isolation     without SharedArrayBuffer: the peers' wasm backends on one thread, as ours
  --adapter name     swiftshader, or default for what the browser takes by itself (default: swiftshader)
  --model folder     with config.json, tokenizer.json, model.safetensors (default: web/public/models/all-MiniLM-L6-v2)
  --out file         for JSON, rewritten after every step (default: benches/peers/browser/out/result.json)`;

const { values: given } = parseArgs({
  options: {
    sets: { type: "string" },
    contenders: { type: "string" },
    steps: { type: "string" },
    batch: { type: "string", default: "16" },
    full: { type: "boolean", default: false },
    "no-isolation": { type: "boolean", default: false },
    adapter: { type: "string", default: "swiftshader" },
    model: { type: "string", default: join(ROOT, "web/public/models/all-MiniLM-L6-v2") },
    out: { type: "string", default: join(HERE, "out/result.json") },
    help: { type: "boolean", default: false },
  },
});
if (given.help) {
  console.log(HELP);
  process.exit();
}
const ON_GPU = ["ours-webgpu", "tfjs-webgpu", "jax-webgpu", "ours-cpu"];
const ON_CPU = ["ours-cpu", "jax-wasm", "tfjs-wasm"];
const options = {
  /** Contenders of each set. */
  plan: plan(),
  steps: whole("steps", given.steps ?? (given.full ? "7" : "3"), 1, 1000),
  batch: whole("batch", given.batch, 1, 32),
  isolated: !given["no-isolation"],
};

const problem = await main().catch((error) => String(error?.stack ?? error));
if (problem) {
  console.error(`\n${problem}`);
  process.exitCode = 1;
}

function plan() {
  const sets = given.sets?.split(",") ?? (given.full ? ["snips", "sms_spam", "equal"] : ["snips"]);
  const usual = (set) => (given.full && set === "equal" ? ON_CPU : ON_GPU);
  return sets.map((set) => ({ set, contenders: given.contenders?.split(",") ?? usual(set) }));
}

function whole(name, text, least, most) {
  const number = Number(text);
  if (!Number.isInteger(number) || number < least || number > most) {
    console.error(`--${name} ${text}: give a whole number from ${least} to ${most}`);
    process.exit(2);
  }
  return number;
}

/** @returns {Promise<string | undefined>} What is wrong with the result. */
async function main() {
  const server = await serve(
    { "": HERE, pkg: join(ROOT, "web/pkg"), model: resolve(given.model), "batches.json": join(ROOT, "benches/batches.json") },
    options.isolated,
  );
  const browser = await launch();
  try {
    const page = await browser.newPage();
    const lost = new Promise((_, reject) => page.on("crash", () => reject(new Error("the page crashed"))));
    page.on("console", (message) => message.type() === "error" && console.error(`  page: ${message.text()}`));
    page.on("pageerror", (error) => console.error(`  page: ${error.message}`));
    return await Promise.race([measure(page, browser, server.address), lost]);
  } finally {
    await browser.close();
    server.close();
  }
}

async function launch() {
  const adapter = given.adapter === "default" ? [] : [`--use-webgpu-adapter=${given.adapter}`];
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? (existsSync(SYSTEM_CHROMIUM) ? SYSTEM_CHROMIUM : undefined),
    // A step on a software adapter takes longer than the watchdog allows a GPU.
    args: [
      "--headless=new",
      "--no-sandbox",
      "--enable-unsafe-webgpu",
      "--disable-gpu-watchdog",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--disable-quic",
      ...adapter,
    ],
  });
}

async function measure(page, browser, address) {
  await page.goto(`${address}index.html`);
  await page.waitForFunction(() => globalThis.bench);
  const place = await page.evaluate(() => globalThis.bench.load());
  for (const { set, contenders } of options.plan) {
    if (!place.sets.includes(set)) return `--sets: there is no ${set}, but ${place.sets.join(", ")}`;
    const unknown = contenders.find((name) => !place.contenders.includes(name));
    if (unknown) return `--contenders: there is no ${unknown}, but ${place.contenders.join(", ")}`;
  }
  const { sets: _, contenders: __, ...where } = place;
  const result = {
    date: new Date().toISOString(),
    browser: `${browser.browserType().name()} ${browser.version()}`,
    ...where,
    packages: packages(),
    options,
    products: await products(page),
    steps: [],
    failed: [],
  };
  const adapter = Object.values(where.adapter).filter((text) => typeof text === "string" && text).join(" ");
  console.log(`${result.browser}, WebGPU: ${adapter || "no adapter"}, ${where.threads} threads`);
  for (const { set, contenders } of options.plan) await measureSet(page, set, contenders, result);
  console.log(`\n${table(result)}\nwritten to ${given.out}`);
  const wrong = lossesApart(result);
  if (wrong) return wrong;
  return result.failed.length > 0 ? `failed: ${result.failed.map((f) => `${f.contender} on ${f.set}`).join(", ")}` : undefined;
}

/** The CPU path's matrix products alone, for as many rows as a batch of either kind has. */
async function products(page) {
  const rows = await page.evaluate((n) => globalThis.bench.rows("snips", 0, n).packed, options.batch);
  const found = await page.evaluate((rows) => globalThis.bench.products(rows, 15), rows);
  const sum = (field) => found.reduce((total, product) => total + product[field], 0);
  console.log(`matrix products of the CPU path alone, ${rows} rows: ${(sum("gflop") / sum("seconds")).toFixed(1)} GFLOP/s`);
  return found;
}

async function measureSet(page, set, contenders, result) {
  console.log(`\n${set}, batches of ${options.batch}`);
  let ready = [];
  const failed = (contender, error) => {
    result.failed.push({ set, contender, error: String(error) });
    console.error(`  ${contender} FAILED: ${error}`);
    ready = ready.filter((other) => other !== contender);
  };
  for (const contender of contenders) {
    try {
      const started = await page.evaluate(([c, s, b]) => globalThis.bench.start(c, s, b), [contender, set, options.batch]);
      console.log(`  ${contender} is ready after ${started.seconds.toFixed(1)} s: ${started.device}`);
      ready.push(contender);
    } catch (error) {
      failed(contender, error);
    }
  }
  for (let i = 0; i < CHECKED + options.steps; i++) {
    const rows = await page.evaluate(([s, i, b]) => globalThis.bench.rows(s, i, b), [set, i, options.batch]);
    console.log(`  step ${i}${i < CHECKED ? " (warm-up)" : ""}, rows ${rows.packed} packed, ${rows.padded} padded`);
    for (const contender of ready) {
      try {
        if (i >= CHECKED) await page.evaluate(([c, i]) => globalThis.bench.prepare(c, i), [contender, i]);
        const { seconds, loss } = await page.evaluate(([c, i]) => globalThis.bench.step(c, i), [contender, i]);
        console.log(`    ${contender.padEnd(12)} ${seconds.toFixed(3).padStart(8)} s   loss ${loss.toFixed(6)}`);
        result.steps.push({ set, contender, step: i, warm: i >= CHECKED, ...rows, seconds, loss });
        write(result);
      } catch (error) {
        failed(contender, error);
      }
    }
  }
  for (const contender of contenders) await page.evaluate((c) => globalThis.bench.end(c), contender);
}

/** The first contender's losses are what the others' must be near. */
function lossesApart({ steps }) {
  const apart = steps.filter(({ set, step, loss }) => {
    const first = steps.find((other) => other.set === set && other.step === step);
    return step < CHECKED && !(Math.abs(loss - first.loss) <= TOLERANCE);
  });
  const named = apart.map(({ set, contender, step, loss }) => `${contender} on ${set}, step ${step}: ${loss}`);
  return apart.length > 0 ? `the contenders do not do the same work: losses differ by more than ${TOLERANCE}\n  ${named.join("\n  ")}` : undefined;
}

function packages() {
  const names = ["@jax-js/jax", "@tensorflow/tfjs", "@tensorflow/tfjs-backend-webgpu", "@tensorflow/tfjs-backend-wasm"];
  return Object.fromEntries(
    names.map((name) => [name, JSON.parse(readFileSync(join(HERE, "node_modules", name, "package.json"), "utf8")).version]),
  );
}

function write(result) {
  result.summary = summary(result);
  mkdirSync(dirname(given.out), { recursive: true });
  writeFileSync(given.out, `${JSON.stringify(result, null, 1)}\n`);
}
