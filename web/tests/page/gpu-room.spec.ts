/** A GPU without room: said once and in place, not tried again; the CPU does it. */
import type { Page } from "@playwright/test";
import { button, drop, expect, expectAccessible, heading, inWorker, openWithTiny, setOptions, smallSample, test, TINY } from "./session";

const OPTIONS = {
  Method: "Prompt tuning",
  Steps: "40",
  "Batch size": "2",
  Evaluations: "20",
  "Held-out share": "25",
  "Early stopping patience": "",
};

/** No weight of more than a kilobyte. */
const small = () => {
  for (const limit of ["maxStorageBufferBindingSize", "maxBufferSize"])
    Object.defineProperty(GPUSupportedLimits.prototype, limit, { get: () => 1000 });
};

/** Memory that ends when `global.full` is set: as a browser says it, beside the call. How often a device was opened is counted. */
const ending = () => {
  const scope = globalThis as unknown as { full?: boolean; devices: number };
  scope.devices = 0;
  const [create, request] = [GPUDevice.prototype.createBuffer, GPUAdapter.prototype.requestDevice];
  GPUAdapter.prototype.requestDevice = function (...given) {
    scope.devices++;
    return request.apply(this, given);
  };
  GPUDevice.prototype.createBuffer = function (descriptor) {
    if (scope.full) {
      scope.full = false;
      const error = new GPUOutOfMemoryError("the buffer did not fit");
      this.dispatchEvent(new GPUUncapturedErrorEvent("uncapturederror", { error }));
    }
    return create.call(this, descriptor);
  };
};

/** With a tiny encoder, which a GPU of software takes at once. */
async function begin(page: Page) {
  await openWithTiny(page);
  await drop(page, "requests.csv", "text/csv", smallSample(8));
}

test("an encoder that does not fit is refused where it is chosen, and where it is trained with", async ({ page }) => {
  await inWorker(page, small, undefined);
  await begin(page);
  await page.getByLabel("Device", { exact: true }).selectOption("gpu");
  await setOptions(page, OPTIONS);
  await button(page, "Train").click();
  const alert = page.getByRole("alert");
  await expect(alert).toContainText(/too large for this GPU: its largest .* but the largest buffer of .* is 1000/);
  await expect(alert).toHaveCount(1);
  await expect(heading(page, "Check your data, then train")).toBeVisible();
  await expect(page.getByText("The GPU was lost.")).toHaveCount(0);
  await expect(page.getByText("56 rows, separated by commas")).toBeVisible();
  await expectAccessible(page, "an encoder that does not fit the GPU");

  // Chosen for the GPU, another one is not even taken.
  await button(page, "Change").click();
  await page.locator("input[webkitdirectory]").setInputFiles(TINY);
  await expect(page.getByRole("dialog").getByText(/does not fit your GPU: its largest weight is/)).toBeVisible();
  await page.keyboard.press("Escape");

  await button(page, "Train on the CPU instead").click();
  await expect(heading(page, "Your classifier is ready")).toBeVisible();
});

test("memory that runs out ends the run with an error, and it resumes on the CPU", async ({ page }) => {
  await inWorker(page, ending, undefined);
  await begin(page);
  await page.getByLabel("Device", { exact: true }).selectOption("gpu");
  await setOptions(page, OPTIONS);
  await button(page, "Train").click();
  await expect(page.getByText(/up to step \d+, and can be resumed/)).toBeVisible();
  const [worker] = page.workers();
  const devices = await worker!.evaluate(() => (globalThis as unknown as { devices: number }).devices);
  expect(devices).toBeGreaterThan(0);
  await worker!.evaluate(() => void ((globalThis as unknown as { full: boolean }).full = true));
  await expect(heading(page, "Training failed")).toBeVisible();
  const alert = page.getByRole("alert");
  await expect(alert).toHaveCount(1);
  await expect(alert).toContainText("does not have enough memory");
  await expect(alert).toContainText(/a smaller batch size.* or the CPU/);
  await expect(page.getByText("The GPU was lost.")).toHaveCount(0);
  await expect(page.getByText(/resumed automatically/)).toHaveCount(0);
  await expectAccessible(page, "a GPU without memory");
  await button(page, "Resume on the CPU").click();
  await expect(heading(page, "Your classifier is ready")).toBeVisible();
  await expect(page.getByText("The run was resumed on the CPU")).toBeVisible();
  await expect(page.getByRole("img", { name: /^Training loss .* after 40 steps/ })).toBeVisible();
});
