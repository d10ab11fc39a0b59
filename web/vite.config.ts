import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";
import { standalone } from "./standalone.ts";
import { offline } from "./vite-offline.ts";

/**
 * What the page may load and talk to. Scripts, styles and workers come from its own origin; the only other hosts are those
 * of the model hub, for the encoder. `wasm-unsafe-eval` lets WebAssembly be compiled, and nothing else be evaluated.
 */
const policy = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self' https://huggingface.co https://*.huggingface.co https://*.hf.co",
  "worker-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

/** Writes the policy into the built page, so that it holds on any static server. */
function contentSecurityPolicy(): Plugin {
  return {
    name: "content-security-policy",
    apply: "build",
    transformIndexHtml: () => [
      { tag: "meta", attrs: { "http-equiv": "Content-Security-Policy", content: policy }, injectTo: "head-prepend" },
    ],
  };
}

const { version } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8")) as { version: string };

/** Checksum of the wasm. Results that the page remembers are those of a program. */
function program(): string {
  const wasm = new URL("pkg/softprompt_bg.wasm", import.meta.url);
  return existsSync(wasm) ? createHash("sha256").update(readFileSync(wasm)).digest("hex").slice(0, 16) : "not built";
}

export default defineConfig({
  define: { VERSION: JSON.stringify(version), PROGRAM: JSON.stringify(program()) },
  // Relative addresses: the built page works in any folder of any static server.
  base: "./",
  // No fallback to index.html: a missing file is a 404, not a page.
  appType: "mpa",
  plugins: [svelte(), standalone(version), contentSecurityPolicy(), offline(policy)],
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: { index: "index.html", sw: "src/service-worker.ts" },
      // A service worker keeps its name, and lies where what it serves lies.
      output: { entryFileNames: ({ name }) => (name === "sw" ? "sw.js" : "assets/[name]-[hash].js") },
    },
  },
  worker: { format: "es", plugins: () => [standalone(version)] },
  // A worker has the policy of its own response, not the page's: the server says it too.
  preview: {
    headers: { "Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer" },
  },
  test: { include: ["tests/unit/**/*.test.ts"], environment: "node", testTimeout: 30_000 },
});
