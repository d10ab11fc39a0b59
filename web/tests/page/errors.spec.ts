import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "@playwright/test";
import { button, drag, drop, expect, expectAccessible, expectAccessibleInDark, heading, screenshot, setOptions, smallSample, test, labelColumn, textColumn } from "./session";

// The start of a real PNG.
const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);
const alert = (page: Page) => page.getByRole("alert");
const kept = (page: Page) =>
  page.evaluate(async () =>
    (await (await caches.open("softprompt-encoders")).keys()).map(({ url }) => url.slice(url.lastIndexOf("/") + 1)),
  );

test("a file that is no table is refused in place, and costs nothing", async ({ page }) => {
  await page.goto("");
  await drop(page, "holiday.png", "image/png", PNG);
  await expect(alert(page)).toBeVisible();
  // What is wrong, and what to do.
  await expect(alert(page).locator("p")).toHaveCount(2);
  await expectAccessible(page, "error");
  await screenshot(page, "error");
  await drop(page, "empty.csv", "text/csv", "");
  await expect(alert(page)).toBeVisible();

  await button(page, "Try with sample data").click();
  await expect(page.getByText("700 rows, separated by commas")).toBeVisible();
  await expect(alert(page)).toHaveCount(0);
  // Now there is something to lose.
  await drop(page, "holiday.png", "image/png", PNG);
  await expect(alert(page)).toBeVisible();
  await expect(page.getByText("700 rows, separated by commas")).toBeVisible();
  await expect(page.getByRole("list", { name: "Rows per class" }).getByRole("listitem")).toHaveCount(7);
});

test("a file that is dragged over the page is seen, and let go of where it may be", async ({ page }) => {
  await page.goto("");
  await expect(button(page, "Try with sample data")).toBeVisible();
  const open = await drag(page, "requests.csv", "text/csv", smallSample(8));
  await expect(page.getByText("Drop to open")).toBeVisible();
  await expectAccessible(page, "a file over the start");
  await expectAccessibleInDark(page, "a file over the start");
  await open();
  await expect(page.getByText("56 rows, separated by commas")).toBeVisible();
  await expect(page.getByText("6 layers, hidden size 384, frozen")).toBeVisible();
  // Over a table, too: it would take its place.
  const replace = await drag(page, "fewer.csv", "text/csv", smallSample(4));
  await expect(page.locator(".columns.dragging")).toBeVisible();
  await expectAccessible(page, "a file over the data");
  await replace();
  await expect(page.getByText("28 rows, separated by commas")).toBeVisible();
  await expect(page.locator(".dragging")).toHaveCount(0);
});

test("columns can be changed, and text is never taken for markup", async ({ page }) => {
  await page.goto("");
  const rows = Array.from({ length: 60 }, (_, row) => {
    const label = row % 2 ? "<b>up</b>" : "<img src=x onerror=alert(1)>";
    return `${label};${["left", "right", "middle"][row % 3]};it goes <i>${row % 2 ? "up" : "down"}</i> ${row}`;
  });
  await drop(page, "markup.csv", "text/csv", ["class;side;text", ...rows].join("\n"));
  await expect(page.getByText("60 rows, separated by semicolons")).toBeVisible();
  await expect(textColumn(page)).toHaveValue("2");
  await expect(labelColumn(page)).toHaveValue("0");
  await expect(page.getByRole("cell", { name: "it goes <i>down</i> 0", exact: true })).toBeVisible();
  expect(await page.locator("main b, main i, main img").count()).toBe(0);

  const classes = page.getByRole("list", { name: "Rows per class" }).getByRole("listitem");
  await expect(classes).toHaveCount(2);
  await labelColumn(page).selectOption("1");
  await expect(classes).toHaveCount(3);
  await expect(classes.first()).toContainText("left");
  await expect(labelColumn(page)).toHaveValue("1");
  await expect(textColumn(page)).toHaveValue("2");
});

test("an option that cannot work is marked, and the training waits", async ({ page }) => {
  await page.goto("");
  await button(page, "Try with sample data").click();
  await setOptions(page, { "Batch size": "0" });
  const field = page.getByLabel("Batch size", { exact: true });
  await expect(field).toHaveAttribute("aria-invalid", "true");
  await expect(field).toHaveAccessibleDescription("0 is too small: enter a whole number, 1 to 65536.");
  await expectAccessible(page, "wrong option");
  await button(page, "Train").click();
  await expect(heading(page, "Check your data, then train")).toBeVisible();
  await setOptions(page, { "Batch size": "many" });
  await expect(field).toHaveAccessibleDescription("“many” is not a number: enter a whole number, 1 to 65536.");
  await button(page, "Reset to defaults").click();
  await expect(field).not.toHaveAttribute("aria-invalid");
  await expect(page.locator("#options").getByText("default values")).toBeVisible();
});

test.describe("without an encoder", () => {
  // Only here the page asks the hub, because its own server fails.
  test.use({ expectedErrors: [/Failed to load resource|huggingface\.co/], otherOrigins: [/^https:\/\/huggingface\.co\//] });

  test("a broken download is never kept, and the user's own files do", async ({ page, context, watch }) => {
    const folder = join(import.meta.dirname, "../../public/models/all-MiniLM-L6-v2");
    const broken = readFileSync(join(folder, "tokenizer.json"));
    broken[broken.length >> 1]! ^= 1;
    await context.route("**/tokenizer.json", (route) => route.fulfill({ body: broken }));
    await context.route("https://huggingface.co/**", (route) => route.abort());
    await page.goto("");
    await drop(page, "requests.csv", "text/csv", smallSample(8));
    await expect(alert(page)).toContainText("could not be loaded");
    await expect(alert(page)).toContainText("SHA-256");
    await expect(alert(page)).toContainText("huggingface.co");
    expect(await kept(page)).toEqual(["config.json"]);
    await expectAccessible(page, "no encoder");
    // The table is still there, and stays when the training is asked for: that asks for the encoder again.
    await Promise.all([page.waitForRequest("**/tokenizer.json"), button(page, "Train").click()]);
    await expect(heading(page, "Check your data, then train")).toBeVisible();
    await expect(alert(page)).toContainText("could not be loaded");
    await expect(page.getByText("56 rows, separated by commas")).toBeVisible();
    expect(watch.requests.some((address) => address.startsWith("https://huggingface.co/"))).toBe(true);

    const chooser = page.waitForEvent("filechooser");
    await page.getByText("Choose its files").click();
    await (await chooser).setFiles(["config.json", "tokenizer.json", "model.safetensors"].map((name) => join(folder, name)));
    await expect(page.getByText("6 layers, hidden size 384, frozen")).toBeVisible();
    expect((await kept(page)).sort()).toEqual(["config.json", "model.safetensors", "tokenizer.json"]);
  });
});
