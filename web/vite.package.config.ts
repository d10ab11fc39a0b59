/** The npm package, in `package/dist`: the page's own worker with a door of its own, and its wasm beside it. */
import { readFileSync } from "node:fs";
import { defineConfig, type Plugin } from "vite";
import { standalone } from "./standalone.ts";

const { version } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8")) as { version: string };
const WASM = "softprompt_bg.wasm";

/**
 * Files that lie beside one another, under names that bundlers of others can follow: Vite would put the wasm into the script, and give the
 * worker a name of its own.
 */
function beside(): Plugin {
  const wasm = "new URL('softprompt_bg.wasm', import.meta.url)";
  return {
    name: "beside",
    enforce: "pre",
    transform(code, id) {
      if (id.endsWith("/pkg/softprompt.js")) return { code: code.replace(wasm, "SOFTPROMPT_WASM"), map: null };
      if (id.endsWith("/lib/standalone.ts"))
        return { code: code.replace(/new URL\("[^"]*softprompt_bg\.wasm", import\.meta\.url\)/, "SOFTPROMPT_WASM"), map: null };
      return undefined;
    },
    renderChunk: (code) =>
      code
        .replaceAll("SOFTPROMPT_WORKER", 'new URL("./worker.js", import.meta.url)')
        .replaceAll("SOFTPROMPT_WASM", `new URL("./${WASM}", import.meta.url)`),
    generateBundle() {
      const source = readFileSync(new URL(`pkg/${WASM}`, import.meta.url));
      this.emitFile({ type: "asset", fileName: WASM, source });
    },
  };
}

export default defineConfig({
  define: { VERSION: JSON.stringify(version) },
  publicDir: false,
  plugins: [beside(), standalone(version)],
  build: {
    target: "es2022",
    outDir: "package/dist",
    minify: false,
    lib: { entry: { index: "src/package/index.ts", worker: "src/worker.ts" }, formats: ["es"] },
    rollupOptions: { output: { chunkFileNames: "shared.js" } },
  },
});
