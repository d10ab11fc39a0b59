/** Builds the single-file web page, in the worker. */
import * as built from "virtual:standalone";
import type { Model } from "../contract";
import { packed } from "../standalone/packed";
import { problem } from "./problem";

/** Share of their bytes that compression leaves of weights in half precision. Measured. */
const LEFT = 0.92;

/** Approximate size of the web page, in bytes. */
export function standaloneSize(model: Model): number {
  return Math.round(((2 * model.weights * LEFT + built.wasmSize) * 4) / 3);
}

/**
 * The bytes of the program. It is this page's own file: if the page is cached for offline use it is read from there, and no
 * request is made.
 */
async function ownWasm(): Promise<Blob> {
  const address = new URL("../../pkg/softprompt_bg.wasm", import.meta.url);
  try {
    const cached = await globalThis.caches?.match(address).catch(() => undefined);
    const response = cached ?? (await fetch(address, { cache: "force-cache" }));
    if (!response.ok) throw new Error(`status ${response.status}`);
    return await response.blob();
  } catch (error) {
    throw problem(
      "io",
      `The WebAssembly file could not be loaded again (${(error as Error).message}).`,
      "Reload the page while you are online, or download the adapter instead.",
    );
  }
}

/** @param files the encoder's `config.json` and `tokenizer.json` */
export async function standalonePage(
  model: Model,
  files: { config: Blob; tokenizer: Blob },
  adapter: Uint8Array,
  onProgress: (done: number, of: number) => unknown,
): Promise<Blob> {
  const encoder = JSON.stringify({ name: model.name, sha256: model.sha256 });
  const parts: [string, () => Blob | Promise<Blob>][] = [
    ["worker", () => new Blob([built.worker])],
    ["wasm", ownWasm],
    ["config", () => files.config],
    ["tokenizer", () => files.tokenizer],
    ["encoder", () => new Blob([encoder])],
    ["adapter", () => new Blob([adapter as Uint8Array<ArrayBuffer>])],
    ["weights", () => new Blob([model.half() as Uint8Array<ArrayBuffer>])],
  ];
  const [before, after] = built.page.split("@PARTS@") as [string, string];
  const pieces: (Blob | string)[] = [before];
  for (const [at, [name, content]] of parts.entries()) {
    onProgress(at, parts.length);
    pieces.push(`<script type="application/octet-stream" id="part-${name}">`, await packed(await content()), "</script>\n");
  }
  onProgress(parts.length, parts.length);
  return new Blob([...pieces, after], { type: "text/html" });
}
