import { readFileSync } from "node:fs";
import {
  button,
  drop,
  expect,
  expectAccessible,
  expectAccessibleInDark,
  heading,
  openWithTiny,
  SAMPLE,
  screenshot,
  setOptions,
  share,
  smallSample,
  test,
  unzip,
  labelColumn,
  textColumn,
} from "./session";

test("the sample becomes an adapter on the CPU path", async ({ page, watch }) => {
  await page.goto("");
  await expect(heading(page, "Train a text classifier on your own examples")).toBeVisible();
  // The only GPU here computes on the CPU: the page says so, and does not use it.
  await expect(page.getByText("Trains on CPU")).toBeVisible();
  await expectAccessible(page, "start");
  await screenshot(page, "start");

  // By keyboard, as anybody may.
  await button(page, "Try with sample data").focus();
  await page.keyboard.press("Enter");
  await expect(heading(page, "Check your data, then train")).toBeFocused();
  await expect(page.getByText("700 rows, separated by commas")).toBeVisible();
  await expect(textColumn(page)).toHaveValue("0");
  await expect(labelColumn(page)).toHaveValue("1");
  await expect(page.getByRole("list", { name: "Rows per class" }).getByRole("listitem")).toHaveCount(7);
  await expect(page.getByText("6 layers, hidden size 384, frozen")).toBeVisible();
  expect(watch.requests.filter((address) => address.endsWith("model.safetensors"))).toHaveLength(1);
  const requestsBefore = watch.requests.length;
  await screenshot(page, "data");

  await setOptions(page, {
    Method: "Prompt tuning",
    Steps: process.env.SCREENSHOTS ? "150" : "24",
    Evaluations: process.env.SCREENSHOTS ? "8" : "3",
    "Early stopping patience": "",
  });
  await expectAccessible(page, "data and options");
  await button(page, "Train").click();
  await expect(heading(page, "Training your classifier")).toBeFocused();
  await expectAccessible(page, "preparing");
  if (process.env.SCREENSHOTS) {
    await expect(page.getByText(/^Step 1[12]\d of/)).toBeVisible({ timeout: 400_000 });
    await screenshot(page, "training");
  }

  await expect(heading(page, "Your classifier is ready")).toBeFocused({ timeout: 400_000 });
  const scores = page.getByRole("list", { name: "Accuracy and baselines" }).getByRole("listitem");
  const [prompt, probe, majority] = await Promise.all(
    [0, 1, 2].map(async (row) => share(await scores.nth(row).locator(".value").textContent())),
  );
  expect(prompt!).toBeGreaterThan(majority!);
  expect(probe!).toBeGreaterThan(majority!);
  expect(majority!).toBeCloseTo(1 / 7, 1);
  // Every held-out row is in the confusion table once.
  await expect(page.getByText("accuracy on 140 held-out rows")).toBeVisible();
  const cells = await page.getByRole("region", { name: "Counts by label and predicted class" }).getByRole("cell").allTextContents();
  expect(cells).toHaveLength(49);
  expect(cells.reduce((sum, cell) => sum + Number(cell), 0)).toBe(140);
  await expect(page.getByRole("region", { name: "Precision, recall and F1" }).getByRole("row")).toHaveCount(8);

  await page.getByLabel("Text to classify").fill("will it rain in paris tomorrow");
  await page.keyboard.press("Enter");
  const probabilities = page.getByRole("list", { name: "Probabilities" });
  await expect(probabilities).toBeVisible();
  await expect(page.locator(".prediction")).toContainText("Prediction: GetWeather");
  await button(page, "Show all 7").click();
  const shares = (await probabilities.locator(".value").allTextContents()).map(share);
  expect(shares).toHaveLength(7);
  expect(shares).toEqual([...shares].sort((a, b) => b - a));
  expect(Math.abs(shares.reduce((a, b) => a + b) - 1)).toBeLessThan(0.005);
  await expectAccessible(page, "result");
  await button(page, "Show fewer").click();
  await screenshot(page, "result");
  await screenshot(page, "result-whole", true);
  await page.emulateMedia({ colorScheme: "dark" });
  await screenshot(page, "result-dark");
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 390, height: 844 });
  await screenshot(page, "result-phone");
  await page.setViewportSize({ width: 1280, height: 900 });

  const [download] = await Promise.all([page.waitForEvent("download"), button(page, "Download adapter").click()]);
  expect(download.suggestedFilename()).toBe("softprompt-adapter.zip");
  const files = unzip(readFileSync(await download.path()));
  expect([...files.keys()].sort()).toEqual([
    "README.md",
    "adapter_config.json",
    "adapter_model.safetensors",
    "classify.py",
    "softprompt.json",
  ]);
  JSON.parse(files.get("adapter_config.json")!.toString());
  expect(files.get("softprompt.json")!.toString()).toContain("BookRestaurant");
  const [firstText] = SAMPLE.split("\n")[1]!.split(",");
  for (const [name, content] of files) expect(content.includes(firstText!), `a text of the user's in ${name}`).toBe(false);

  // From the moment the encoder is there, nothing is asked of anybody.
  expect(watch.requests.slice(requestsBefore).filter((address) => !address.startsWith("blob:"))).toEqual([]);

  await button(page, "Start over").click();
  await expect(heading(page, "Train a text classifier on your own examples")).toBeFocused();
});

test("a dropped table trains with WebGPU and the real encoder", async ({ page }) => {
  await page.goto("");
  await drop(page, "requests.csv", "text/csv", smallSample(3));
  await expect(page.getByText("21 rows, separated by commas")).toBeVisible();
  await page.getByLabel("Device", { exact: true }).selectOption("gpu");
  await expect(page.getByText("You chose the GPU, but it is a software GPU")).toBeVisible();
  const steps = process.env.SCREENSHOTS ? "10" : "4";
  await setOptions(page, { Method: "Prompt tuning", Steps: steps, "Batch size": "2", Evaluations: "1", "Held-out share": "34" });
  await button(page, "Train").click();
  await expect(heading(page, "Your classifier is ready")).toBeVisible({ timeout: 840_000 });
  const fact = (name: string) =>
    page
      .locator("dl > div")
      .filter({ has: page.getByText(name, { exact: true }) })
      .locator("dd");
  await expect(fact("Steps")).toHaveText(steps);
  await expect(fact("Device")).toHaveText(/gpu|swiftshader/i);
  await expect(page.getByRole("img", { name: new RegExp(`^Training loss \\d.* after ${steps} steps`) })).toBeVisible();
  await screenshot(page, "result-webgpu");
});

test("pause holds it, stop keeps the best, cancel keeps the data", async ({ page }) => {
  await openWithTiny(page);
  await drop(page, "requests.csv", "text/csv", smallSample(12));
  await expect(heading(page, "Check your data, then train")).toBeVisible();
  // More steps than are ever taken.
  await setOptions(page, {
    Method: "Prompt tuning",
    Steps: "100000",
    Evaluations: "10000",
    "Batch size": "4",
    "Early stopping patience": "",
  });
  await button(page, "Train").click();
  const stop = button(page, "Stop and keep best");
  await expect(stop).toBeEnabled();

  // Paused, nothing moves; resumed, it goes on from there.
  const progress = page.getByText(/^Step [\d,]+ of 100,000$/);
  await expect(progress).toBeVisible();
  await expect(page.getByRole("img", { name: /^Held-out accuracy \d/ })).toBeVisible();
  await button(page, "Pause").click();
  await expect(heading(page, "Paused")).toBeVisible();
  // The step that was under way is still told.
  let paused = "";
  await expect(async () => {
    paused = (await progress.textContent())!;
    await page.waitForTimeout(1000);
    expect(await progress.textContent()).toBe(paused);
  }).toPass({ timeout: 120_000 });
  await expectAccessible(page, "training");
  await expectAccessibleInDark(page, "training");
  await expect(progress).toHaveText(paused);
  await button(page, "Resume").click();
  await expect(progress).not.toHaveText(paused);

  await button(page, "Cancel").click();
  await expect(page.getByRole("dialog", { name: "Cancel this run?" })).toBeVisible();
  await expectAccessible(page, "question before a training is cancelled");
  await button(page, "Keep training").click();
  await stop.click();
  await expect(heading(page, "Your classifier is ready")).toBeVisible();
  await expect(page.getByText(/^[\d,]+, stopped by you$/)).toBeVisible();
  // Opened from the list of runs, it says the same.
  await expect(page.getByText("Saved in this browser under “Your runs”.")).toBeVisible();
  await button(page, "Your runs").click();
  await page.getByRole("button", { name: /^Open / }).first().click();
  await expect(page.getByText(/^[\d,]+, stopped by you$/)).toBeVisible();

  await button(page, "Change options, train again").click();
  await expect(page.locator("#options").getByText("5 changed")).toBeVisible();
  await button(page, "Train").click();
  await expect(progress).toBeVisible();
  await button(page, "Cancel").click();
  await button(page, "Cancel the run").click();
  await expect(heading(page, "Check your data, then train")).toBeVisible();
  await expect(page.getByText("84 rows, separated by commas")).toBeVisible();
  await expect(page.locator("#options").getByText("5 changed")).toBeVisible();

  // The cancelled run has let go: another one starts.
  await button(page, "Train").click();
  await expect(progress).toBeVisible();
});
