/** Much at once: the page stays alive, and does it. How long it takes is what `cargo xtask bench page` measures. */
import { openWatched } from "./long-tasks";
import { cancelLarge, joinLarge, moveLargeRun, readLarge, trainWhole } from "./scenarios";
import { test } from "./session";

test("100,000 rows are read, tokenised and trained on, and the training is cancelled", async ({ page }, info) => {
  const part = await openWatched(page);
  await readLarge(page, info.outputPath(), part);
  await cancelLarge(page, part);
});

test("several large files are put together", async ({ page }, info) => {
  await joinLarge(page, info.outputPath(), await openWatched(page));
});

test("a whole training, with its evaluations and checkpoints, leaves the page free", async ({ page }) => {
  await trainWhole(page, await openWatched(page));
});

test("a run with 60 MB of rows goes into the list and out of it", async ({ page }, info) => {
  await moveLargeRun(page, info.outputPath(), await openWatched(page));
});
