import base from "../../playwright.config.ts";
import { defineConfig } from "@playwright/test";

const { projects: _, ...shared } = base;

/** `cargo xtask bench page`: the tests' own scenarios on the built page, measured one after the other. Nothing is asserted of a time. */
export default defineConfig({
  ...shared,
  testDir: ".",
  testMatch: "*.bench.ts",
  outputDir: "../../test-results/bench",
  workers: 1,
  timeout: 2_400_000,
  reporter: "./table.ts",
});
