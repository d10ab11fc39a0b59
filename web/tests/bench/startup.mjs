/**
 * From opening the page to the first training step, on the CPU path with the sample data: what the time goes to.
 *
 *   node tests/bench/startup.mjs [--times N] [FOLDER ...]
 *
 * FOLDER is a built page (default: dist). Several are measured in turn, A B A B, so that a busy machine disturbs all alike.
 * Cold: a fresh browser profile. Warm: the page opened again in it. Times are seconds since the page was asked for; on Linux also,
 * for the cold visit, the processor time of the whole browser until the first step, which other programs disturb less.
 */
import { createReadStream, readdirSync, readFileSync, statSync } from "node:fs";
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

/** Seconds of processor time that a process and all its descendants have used so far. */
function cpuSeconds(pid) {
  let processes;
  try {
    processes = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    return Number.NaN;
  }
  const found = new Map();
  for (const id of processes)
    try {
      // After the program's name, which may hold anything: state, parent, ..., utime (12th), stime (13th).
      const fields = readFileSync(`/proc/${id}/stat`, "utf8").replace(/^.*\) /s, "").split(" ");
      found.set(Number(id), { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) });
    } catch {
      // It has ended.
    }
  const within = (id) => id === pid || (found.has(id) && within(found.get(id).parent));
  let ticks = 0;
  for (const [id, process] of found) if (within(id)) ticks += process.ticks;
  return ticks / 100;
}

async function visit(page, address, pid) {
  const begin = performance.now();
  const cpu = cpuSeconds(pid);
  const now = () => (performance.now() - begin) / 1000;
  const found = {};
  const button = (name) => page.getByRole("button", { name, exact: true });
  page.setDefaultTimeout(240_000);
  await page.goto(address);
  found.page = now();
  // In the page's own clock, from the beginning of the navigation.
  await page.waitForFunction(() => performance.getEntriesByName("interactive").length > 0);
  found.interactive = await page.evaluate(() => performance.getEntriesByName("interactive")[0].startTime / 1000);
  await button("Try with sample data").click();
  await page.getByRole("list", { name: "Rows per class" }).waitFor();
  found.table = now();
  await page.getByText("6 layers, hidden size 384, frozen").waitFor();
  found.encoder = now();
  // Without trials of methods before it: the first step is that of the run.
  await page.locator("details > summary").click();
  await page.getByRole("radio", { name: "Prompt tuning", exact: true }).check();
  await button("Train").click();
  await page.getByText(/training rows?, /).waitFor();
  found.started = now();
  await page.getByText(/^Step [\d,]+ of/).waitFor();
  found.step = now();
  found.cpu = cpuSeconds(pid) - cpu;
  await page.getByRole("img", { name: /^Held-out accuracy \d/ }).waitFor();
  found.evaluated = now();
  const marks = await page.workers()[0]?.evaluate(() =>
    performance
      .getEntriesByType("measure")
      .map(({ name, startTime, duration }) => ({ name, at: startTime / 1000, seconds: duration / 1000 })),
  );
  return { found, marks };
}

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const servers = await Promise.all(folders.map(serve));
const results = folders.map(() => ({ cold: [], warm: [] }));
for (let round = 0; round < times; round++)
  for (const [index, server] of servers.entries()) {
    const program = await chromium.launchServer({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: ["--headless=new", "--no-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"],
    });
    const browser = await chromium.connect(program.wsEndpoint());
    const context = await browser.newContext();
    for (const kind of ["cold", "warm"]) {
      const page = await context.newPage();
      results[index][kind].push(await visit(page, `http://127.0.0.1:${server.address().port}/`, program.process().pid));
      // The second visit comes from the service worker, as for anybody who comes back.
      await page.evaluate(() => navigator.serviceWorker?.ready.then(() => undefined));
      await page.close();
    }
    await browser.close();
    await program.close();
  }
for (const [index, folder] of folders.entries())
  for (const kind of ["cold", "warm"]) {
    const visits = results[index][kind];
    // By the second visit processes of the first have ended, and their time is gone with them.
    const names = Object.keys(visits[0].found).filter((name) => name !== "cpu" || kind === "cold");
    const stages = names.map((name) => `${name} ${median(visits.map(({ found }) => found[name])).toFixed(2)}`);
    console.log(`${folder} ${kind}, median of ${times}: ${stages.join("  ")}`);
    console.log(`  first step: ${visits.map(({ found }) => found.step.toFixed(2)).join(" ")}`);
    for (const { name, at, seconds } of visits.at(-1).marks ?? []) console.log(`  ${name}: ${seconds.toFixed(3)} s from ${at.toFixed(3)}`);
  }
for (const server of servers) server.close();
