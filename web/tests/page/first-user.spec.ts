/** A new user trains on the sample without changing a setting. How long it takes is what `cargo xtask bench page` measures. */
import { readFileSync } from "node:fs";
import { seeLongTasks, watched } from "./long-tasks";
import { firstUser, firstVisit } from "./scenarios";
import { expect, share, test, unzip } from "./session";

/** From opening the page to the adapter on the disk. */
const CLICKS = 3;

test.use({ serviceWorkers: "allow" });

test("from opening the page to a trained adapter, with nothing set", async ({ page, context }) => {
  test.setTimeout(2_400_000);
  await firstVisit(page);
  const visit = await context.newPage();
  await seeLongTasks(visit);
  // What a hand does, and no script: every pointer that goes down and every key, wherever it is.
  await visit.addInitScript(() => {
    const done: string[] = [];
    Object.assign(window, { done });
    for (const type of ["pointerdown", "keydown"])
      window.addEventListener(type, (event) => event.isTrusted && done.push(type), { capture: true });
  });
  await visit.goto("");
  const files = unzip(readFileSync(await firstUser(visit, await watched(visit))));
  const done = await visit.evaluate(() => (window as unknown as { done: string[] }).done);
  expect(done.filter((type) => type === "keydown")).toEqual([]);
  expect(done.length, "clicks").toBe(CLICKS);

  // Better than the line of the probe, or the page says that it is not.
  const scores = visit.getByRole("list", { name: "Accuracy and baselines" }).getByRole("listitem");
  const [prompt, probe, majority] = await Promise.all(
    [0, 1, 2].map(async (row) => share(await scores.nth(row).locator(".value").textContent())),
  );
  expect(majority!).toBeCloseTo(1 / 7, 1);
  // The default encoder knows these requests well: four of five are right, whichever method was chosen.
  expect(probe!).toBeGreaterThan(0.8);
  expect(prompt!).toBeGreaterThan(0.8);
  const verdict = prompt! > probe! ? / above the linear probe/ : / below the linear probe|^As accurate as the linear probe/;
  await expect(visit.locator(".verdict")).toHaveText(verdict);
  console.log(`FIRST USER ${prompt} against ${probe} of the probe: ${await visit.locator(".verdict").textContent()}`);

  // All of it is there, and says what it was trained with: the page's own defaults, the method found by trying.
  expect([...files.keys()].sort()).toEqual([
    "README.md",
    "adapter_config.json",
    "adapter_model.safetensors",
    "classify.py",
    "softprompt.json",
  ]);
  for (const [name, content] of files) expect(content.length, name).toBeGreaterThan(0);
  const manifest = JSON.parse(files.get("softprompt.json")!.toString()) as { labels: string[]; metrics: { accuracy: number } };
  expect(manifest.labels).toHaveLength(7);
  await expect(visit.getByRole("table", { name: "Trials: short runs on a part of the rows" }).getByText("chosen")).toHaveCount(1);
});
