/**
 * The page of one file, as the worker puts it together: `virtual:standalone` is its text, with the program in it and a place for each
 * part. It is built by the same Vite, as classic scripts: a page that is opened from the disk has no modules.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { build, type Plugin } from "vite";

const NAME = "virtual:standalone";
const folder = new URL("src/standalone/", import.meta.url);

/** The wasm is a part of the page: nothing is to be fetched from an address. */
export function withoutWasmAddress(): Plugin {
  return {
    name: "without-wasm-address",
    transform(code, id) {
      if (!id.endsWith("/pkg/softprompt.js")) return undefined;
      const changed = code.replace("new URL('softprompt_bg.wasm', import.meta.url)", "undefined");
      if (changed === code) throw new Error("pkg/softprompt.js does not load its wasm as it did");
      return { code: changed, map: null };
    },
  };
}

async function script(entry: string): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: "warn",
    publicDir: false,
    plugins: [withoutWasmAddress()],
    build: {
      write: false,
      target: "es2022",
      lib: { entry: new URL(entry, folder).pathname, formats: ["iife"], name: "softprompt" },
    },
  });
  const [result] = Array.isArray(built) ? built : [built];
  const chunk = result && "output" in result ? result.output.find((part) => part.type === "chunk") : undefined;
  if (chunk?.type !== "chunk") throw new Error(`${entry} was not built`);
  return chunk.code;
}

/** In the page's text nothing may look like the end of a script. */
function inline(code: string): string {
  return code.replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
}

function hash(text: string): string {
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
}

/** The page with `@PARTS@` in it, and the worker's script, which is one of the parts. */
export async function standalonePage(version: string): Promise<{ page: string; worker: string }> {
  const [main, worker] = [inline(await script("main.ts")), await script("worker.ts")];
  const style = readFileSync(new URL("style.css", folder), "utf8");
  const policy = [
    "default-src 'none'",
    `script-src ${hash(main)} 'wasm-unsafe-eval'`,
    `style-src ${hash(style)}`,
    "worker-src blob:",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  const words: [string, string][] = [
    ["@POLICY@", policy],
    ["@VERSION@", version],
    ["@STYLE@", style],
    ["@SCRIPT@", main],
  ];
  const text = readFileSync(new URL("page.html", folder), "utf8");
  return { page: words.reduce((page, [word, value]) => page.replace(word, () => value), text), worker };
}

export function standalone(version: string): Plugin {
  return {
    name: "standalone",
    resolveId: (id) => (id === NAME ? `\0${NAME}` : undefined),
    async load(id) {
      if (id !== `\0${NAME}`) return undefined;
      const wasm = gzipSync(readFileSync(new URL("pkg/softprompt_bg.wasm", import.meta.url))).length;
      const { page, worker } = await standalonePage(version);
      return `export const page = ${JSON.stringify(page)};\nexport const worker = ${JSON.stringify(worker)};\nexport const wasmSize = ${wasm};\n`;
    },
  };
}
