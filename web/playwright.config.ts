import { existsSync } from "node:fs";
import { defineConfig } from "@playwright/test";

const PORT = Number(process.env.PORT ?? 4173);
const SYSTEM_CHROMIUM = "/usr/bin/chromium";

/** What takes longest begins first, so that both workers end together. */
const LONG = /(resume|first-user|train|export|methods)\.spec\.ts$/;

/**
 * The built page (`npm run build`, after `cargo xtask` has written the wasm package and the encoder) in a real Chromium.
 * `CHROMIUM` names another browser; SwiftShader gives it WebGPU on any machine.
 */
export default defineConfig({
  testDir: "tests/page",
  outputDir: "test-results",
  projects: [
    { name: "long", testMatch: LONG },
    { name: "short", testIgnore: LONG },
  ],
  // A training takes one core, hence two of them at once. No test needs to be alone: none times anything.
  workers: 2,
  // Of no test is it the time that matters: a machine that has other work to do must not make one fail.
  timeout: 1_800_000,
  expect: { timeout: 300_000 },
  reporter: "list",
  forbidOnly: true,
  use: {
    baseURL: `http://localhost:${PORT}/`,
    viewport: { width: 1280, height: 900 },
    acceptDownloads: true,
    // Requests that the service worker answers cannot be routed; the tests about it switch it on.
    serviceWorkers: "block",
    actionTimeout: 300_000,
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? (existsSync(SYSTEM_CHROMIUM) ? SYSTEM_CHROMIUM : undefined),
      args: [
        "--headless=new",
        "--no-sandbox",
        "--enable-unsafe-webgpu",
        "--use-webgpu-adapter=swiftshader",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-quic",
      ],
    },
  },
  webServer: {
    command: `npm run preview -- --port ${PORT} --strictPort`,
    url: `http://localhost:${PORT}/`,
    reuseExistingServer: false,
  },
});
