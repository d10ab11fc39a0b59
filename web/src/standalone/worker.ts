/** The worker of the single-file web page: the encoder and an adapter, both read from the page itself. */
import * as Comlink from "comlink";
import * as wasm from "../../pkg/softprompt.js";
import type { AdapterInfo, Core, DeviceChoice, Prediction } from "../contract";
import { Classifying, type LabelledFile, type Labels } from "../lib/classifying";
import { asProblem, problem } from "../lib/problem";
import { unpacked, type Packed } from "./packed";

const core: Core = wasm;

/** The parts of the page, as embedded in it. `encoder` identifies the encoder of the weights. */
export interface Parts {
  wasm: Packed;
  config: Packed;
  tokenizer: Packed;
  weights: Packed;
  adapter: Packed;
  encoder: Packed;
}

let ready: Classifying | undefined;

const api = {
  async open(parts: Parts, device: DeviceChoice): Promise<{ info: AdapterInfo; device: string }> {
    // The module's own type has no form for bytes that are there already.
    await (wasm.default as (input: { module_or_path: Uint8Array }) => Promise<unknown>)({
      module_or_path: await unpacked(parts.wasm),
    });
    const { name, sha256 } = JSON.parse(new TextDecoder().decode(await unpacked(parts.encoder))) as Record<string, string>;
    const [config, tokenizer, weights] = [
      await unpacked(parts.config),
      await unpacked(parts.tokenizer),
      await unpacked(parts.weights),
    ];
    const model = core.Model.load(name!, config, tokenizer, weights, sha256);
    const classifying = new Classifying(core, () => model);
    const info = await classifying.load(await unpacked(parts.adapter), device);
    ready = classifying;
    return { info, device: classifying.device };
  },

  async classify(texts: string[]): Promise<Prediction[]> {
    return opened().classify(texts);
  },

  async labelFile(file: Blob, name: string, onProgress: (labels: Labels) => void): Promise<LabelledFile | undefined> {
    const bytes = new Uint8Array(await file.arrayBuffer());
    return opened().label(bytes, name, {}, undefined, async (job) => job(), onProgress);
  },
};

export type Api = typeof api;

function opened(): Classifying {
  if (ready) return ready;
  throw problem("internal", "The classifier is not ready.", "Wait a moment.");
}

/** What a call throws crosses as a problem. */
function guarded(call: (...args: never[]) => Promise<unknown>) {
  return async (...args: never[]) => {
    try {
      return await call(...args);
    } catch (thrown) {
      throw asProblem(thrown);
    }
  };
}

Comlink.expose(Object.fromEntries(Object.entries(api).map(([name, call]) => [name, guarded(call)])));
