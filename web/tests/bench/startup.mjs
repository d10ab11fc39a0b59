/**
 * From opening the page to the first training step, on the CPU path with the sample data: what the time goes to.
 *
 *   node tests/bench/startup.mjs [--times N] [FOLDER ...]
 *
 * FOLDER is a built page (default: dist). Several are measured in turn, A B A B, so that a busy machine disturbs all alike.
 * Cold: a fresh browser profile. Warm: the page opened again in it. Times are seconds since the page was asked for.
 */
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { chromium } from "@playwright/test";

const args = process.argv.slice(2);
const at = args.indexOf("--times");
const times = at < 0 ? 3 : Number(args.splice(at, 2)[1]);
const folders = args.length ? args : [join(import.meta.dirname, "../../dist")];
const MEDIA = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".wasm": "application/wasm", ".json": "application/json", ".svg": "image/svg+xml" };

/** Serves a built page as any static server would. */
function serve(folder) {
  const server = createServer((request, response) => {
    const path = join(folder, normalize(decodeURIComponent(new URL(request.url, "http://x").pathname)));
    const file = statSync(path, { throwIfNoEntry: false })?.isDirectory() ? join(path, "index.html") : path;
    const found = statSync(file, { throwIfNoEntry: false });
    if (!found) return response.writeHead(404).end();
    // The entity tag lets a browser keep the file, and what it compiled from it.
    const tag = `"${found.size}-${found.mtimeMs}"`;
    if (request.headers["if-none-match"] === tag) return response.writeHead(304).end();
    response.writeHead(200, { "content-type": MEDIA[extname(file)] ?? "application/octet-stream", "content-length": found.size, etag: tag, "cache-control": "no-cache" });
    createReadStream(file).pipe(response);
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

async function visit(page, address) {
  const begin = performance.now();
  const now = () => (performance.now() - begin) / 1000;
  const found = {};
  const button = (name) => page.getByRole("button", { name, exact: true });
  await page.goto(address);
  found.page = now();
  const device = page.getByText("Trains on CPU").waitFor().then(() => (found.device = now()));
  await button("Try with sample data").click();
  await page.getByRole("list", { name: "Rows per class" }).waitFor();
  found.table = now();
  const encoder = page.getByText("6 layers of width 384, frozen").waitFor({ timeout: 60_000 }).then(() => (found.encoder = now()), () => undefined);
  await encoder;
  await button("Train").click();
  found.train = now();
  // What is seen: the events arrive up to a tenth of a second earlier.
  await page.getByText(/^\d+ to learn from|rows to learn from/).waitFor({ timeout: 120_000 });
  found.started = now();
  await page.getByText(/^Step [\d,]+ of/).waitFor({ timeout: 120_000 });
  found.step = now();
  await page.getByRole("img", { name: /^Held-out accuracy \d/ }).waitFor({ timeout: 120_000 });
  found.evaluated = now();
  await Promise.race([device, Promise.resolve()]);
  const worker = page.workers()[0];
  const marks = await worker?.evaluate(() =>
    performance.getEntriesByType("measure").map(({ name, startTime, duration }) => ({ name, at: startTime / 1000, seconds: duration / 1000 })),
  );
  return { found, marks };
}

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const servers = await Promise.all(folders.map(serve));
const results = folders.map(() => ({ cold: [], warm: [] }));
for (let round = 0; round < times; round++)
  for (const [index, server] of servers.entries()) {
    const browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: ["--headless=new", "--no-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"],
    });
    const context = await browser.newContext();
    for (const kind of ["cold", "warm"]) {
      const page = await context.newPage();
      results[index][kind].push(await visit(page, `http://127.0.0.1:${server.address().port}/`));
      await page.close();
    }
    await browser.close();
  }
for (const [index, folder] of folders.entries())
  for (const kind of ["cold", "warm"]) {
    const visits = results[index][kind];
    const stages = Object.keys(visits[0].found).map((name) => `${name} ${median(visits.map(({ found }) => found[name])).toFixed(2)}`);
    console.log(`${folder} ${kind}, median of ${times}: ${stages.join("  ")}`);
    console.log(`  steps ${visits.map(({ found }) => found.step.toFixed(2)).join(" ")}`);
    for (const { name, at, seconds } of visits.at(-1).marks ?? []) console.log(`  ${name}: ${seconds.toFixed(3)} s from ${at.toFixed(3)}`);
  }
for (const server of servers) server.close();
