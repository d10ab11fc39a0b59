/**
 * Makes the built page one that is installed and works without a network: gives the service worker the list of files.
 *
 * A plugin of our own instead of vite-plugin-pwa with workbox: what is needed is one cache a version, which is a page of code, and
 * the policy on every cached response, which workbox does not do; workbox-build brings some 300 packages into the build.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import type { Plugin } from "vite";

const WORKER = "sw.js";

/** Files that are not kept: encoders have a cache of their own, and nobody needs a source map without a network. */
const left = (path: string) => path === WORKER || path.startsWith("models/") || path.endsWith(".map");

export function offline(policy: string): Plugin {
  let folder = "";
  return {
    name: "offline",
    apply: "build",
    configResolved(config) {
      folder = join(config.root, config.build.outDir);
    },
    // The last hook: what lies in the folder now is what will be served.
    writeBundle: {
      sequential: true,
      order: "post",
      async handler() {
        const { writeFile } = await import("node:fs/promises");
        const files: Record<string, string> = {};
        for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true }).filter((one) => one.isFile())) {
          const file = join(entry.parentPath, entry.name);
          const path = relative(folder, file).split(sep).join("/");
          if (!left(path)) files[path] = createHash("sha256").update(readFileSync(file)).digest("hex").slice(0, 16);
        }
        const sorted = Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1)));
        const version = createHash("sha256").update(JSON.stringify([policy, sorted])).digest("hex").slice(0, 16);
        const script = join(folder, WORKER);
        const list = `const VERSION_FILES = ${JSON.stringify({ policy, version, files: sorted })};\n`;
        await writeFile(script, list + readFileSync(script, "utf8"));
      },
    },
  };
}
