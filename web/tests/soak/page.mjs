/**
 * Trainings in the built page whose browser is killed with SIGKILL at random moments, started again on the same profile, and resumed by the
 * page. The adapter must be byte for byte that of an unbroken run. `cargo xtask soak --page` runs it.
 *
 *   node tests/soak/page.mjs [--kills N] [--seed S] [--folder DIST]
 */
import { createReadStream, existsSync, mkdtempSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { chromium } from "@playwright/test";

const option = (name, other) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? other : process.argv[at + 1];
};
const kills = Number(option("kills", "20"));
const seed = Number(option("seed", "1"));
const dist = option("folder", join(import.meta.dirname, "../../dist"));
const TINY = join(import.meta.dirname, "../../../tests/golden/tiny");
const MEDIA = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".wasm": "application/wasm", ".json": "application/json", ".svg": "image/svg+xml", ".webmanifest": "application/manifest+json" };
/** In turn. Long enough that checkpoints, which take a fiftieth of the time at most, are written on the way. */
const TRAININGS = [
  { Method: "Prompt tuning", Steps: "2400", Evaluations: "12", "Batch size": "8", "Prompt length (virtual tokens)": "4", "Early stopping patience": "" },
  { Method: "Late prompt tuning (LPT)", Steps: "2400", Evaluations: "12", "Batch size": "8", "Prompt length (virtual tokens)": "4", "Early stopping patience": "" },
];
/** A training is killed at most so often, and then comes to its end. */
const MOST = 6;
const PATIENCE = 240_000;

/** Draws of the seed. (Mulberry32.) */
let state = seed;
function share() {
  state = (state + 0x6d2b79f5) | 0;
  let z = Math.imul(state ^ (state >>> 15), 1 | state);
  z = (z + Math.imul(z ^ (z >>> 7), 61 | z)) ^ z;
  return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
}

function serve() {
  const server = createServer((request, response) => {
    const path = join(dist, normalize(decodeURIComponent(new URL(request.url, "http://x").pathname)));
    const file = statSync(path, { throwIfNoEntry: false })?.isDirectory() ? join(path, "index.html") : path;
    const found = statSync(file, { throwIfNoEntry: false });
    if (!found) return void response.writeHead(404).end();
    response.writeHead(200, { "content-type": MEDIA[extname(file)] ?? "application/octet-stream", "content-length": found.size, "cache-control": "no-cache" });
    createReadStream(file).pipe(response);
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

const words = [["card", "lost", "bank"], ["play", "song", "happy"], ["rain", "cold", "weather"]];
const table = ["text,label", ...Array.from({ length: 60 }, (_, i) => {
  const word = (k) => words[i % 3][(Math.floor(i / 3) + k) % 3];
  return `the ${word(0)} ${word((i % 2) + 1)} number ${i},${["bank", "music", "weather"][i % 3]}`;
})].join("\n");

const server = await serve();
const address = `http://127.0.0.1:${server.address().port}/`;
const button = (page, name) => page.getByRole("button", { name, exact: true });
const heading = (page, name) => page.getByRole("heading", { name, exact: true });

async function browserOn(profile) {
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? (existsSync("/usr/bin/chromium") ? "/usr/bin/chromium" : undefined),
    args: ["--headless=new", "--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"],
    acceptDownloads: true,
    viewport: { width: 1280, height: 900 },
  });
  const page = context.pages()[0] ?? (await context.newPage());
  page.setDefaultTimeout(PATIENCE);
  await page.goto(address);
  return { context, page };
}

/** SIGKILL to the browser's own process: no handler, no last word. */
async function kill(profile, context) {
  const pid = Number(/-(\d+)$/.exec(readlinkSync(join(profile, "SingletonLock")))[1]);
  const gone = new Promise((resolve) => context.once("close", resolve));
  process.kill(pid, "SIGKILL");
  await gone;
}

/** From the empty page to the button, which is pressed. */
async function begin(page, options) {
  await heading(page, "Train a text classifier on your own examples").waitFor();
  const transfer = await page.evaluateHandle((text) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([text], "rows.csv", { type: "text/csv" }));
    return transfer;
  }, table);
  for (const event of ["dragover", "drop"]) await page.locator("body").dispatchEvent(event, { dataTransfer: transfer });
  await heading(page, "Check your data, then train").waitFor();
  const ready = page.getByText("2 layers, hidden size 32, frozen");
  if (!(await ready.isVisible())) {
    await button(page, "Change").click();
    await page.locator("input[webkitdirectory]").setInputFiles(TINY);
    await ready.waitFor();
  }
  const settings = page.locator("#options");
  if (!(await settings.evaluate((details) => details.open))) await settings.locator("summary").click();
  for (const [label, value] of Object.entries(options)) {
    if (label === "Method") await settings.getByRole("radio", { name: value, exact: true }).check();
    else await settings.getByLabel(label, { exact: true }).fill(value);
  }
  await button(page, "Train").click();
}

const done = (page) => heading(page, "Your classifier is ready").waitFor();

async function adapterOf(page) {
  const [download] = await Promise.all([page.waitForEvent("download"), button(page, "Download adapter").click()]);
  return readFileSync(await download.path());
}

/** An unbroken run: its adapter, and milliseconds from the button to the result. */
async function whole(options) {
  const profile = mkdtempSync(join(tmpdir(), "softprompt-soak-"));
  const { context, page } = await browserOn(profile);
  await begin(page, options);
  const start = performance.now();
  await done(page);
  const took = performance.now() - start;
  const adapter = await adapterOf(page);
  await context.close();
  rmSync(profile, { recursive: true, force: true });
  return { adapter, took };
}

const counts = { kills: 0, trainings: 0, resumed: 0, again: 0, anew: 0, differences: 0 };
const known = [];
while (counts.kills < kills) {
  const which = counts.trainings % TRAININGS.length;
  const reference = (known[which] ??= await whole(TRAININGS[which]));
  const profile = mkdtempSync(join(tmpdir(), "softprompt-soak-"));
  for (let time = 0; ; time++) {
    const { context, page } = await browserOn(profile);
    const offer = heading(page, "A run was interrupted");
    if (time === 0) await begin(page, TRAININGS[which]);
    else {
      await offer.or(heading(page, "Train a text classifier on your own examples")).first().waitFor();
      if (await offer.isVisible()) {
        const text = await page.getByRole("region", { name: "A run was interrupted" }).textContent();
        counts[/step [\d,]+ of/.test(text) ? "resumed" : "again"]++;
        await button(page, "Resume").click();
      } else {
        // Killed before the page had the run in its storage.
        counts.anew++;
        await begin(page, TRAININGS[which]);
      }
    }
    if (time < MOST && counts.kills < kills) {
      const over = done(page).then(() => true, () => false);
      const late = new Promise((resolve) => setTimeout(resolve, reference.took * share(), false));
      if (!(await Promise.race([over, late]))) {
        await kill(profile, context);
        counts.kills++;
        continue;
      }
    }
    await done(page);
    const adapter = await adapterOf(page);
    await context.close();
    counts.trainings++;
    if (adapter.equals(reference.adapter)) rmSync(profile, { recursive: true, force: true });
    else {
      counts.differences++;
      writeFileSync(join(profile, "adapter.zip"), adapter);
      writeFileSync(join(profile, "expected.zip"), reference.adapter);
      console.error(`another adapter: ${profile} has both`);
    }
    break;
  }
}
server.close();
server.closeAllConnections();
console.log(
  `soak in the page: ${counts.kills} kills in ${counts.trainings} trainings, seed ${seed}: ${counts.resumed} resumed from a checkpoint, ` +
    `${counts.again} begun again by the page, ${counts.anew} killed before the run was stored, ${counts.differences} differences`,
);
process.exit(counts.differences ? 1 : 0);
