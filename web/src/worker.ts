/** The dedicated worker: it owns the wasm memory, the encoder, the GPU and the run. The page talks to `api` through Comlink. */
import * as Comlink from "comlink";
import * as wasm from "../pkg/softprompt.js";
import type {
  AnsweredPart,
  CellResult,
  CompareEvent,
  Comparison,
  Core,
  DeviceReport,
  Edit,
  Model,
  Nearest,
  Prediction,
  PruneConfig,
  Run,
  RunConfig,
  RunEvent,
  TableView,
  Understanding,
} from "./contract";
import { DEFAULT_ENCODER, fetchEncoder, sourcesOf, takeEncoder, type Progress, type Store } from "./lib/encoder-files";
import { asProblem, problem } from "./lib/problem";
import { Pull } from "./lib/pull";

// The compiler checks here that the package keeps the contract.
const core: Core = wasm;

export interface EncoderInfo {
  layers: number;
  hidden: number;
  /** Whether the browser keeps the files for the next visit. */
  kept: boolean;
}

let ready: Promise<unknown> | undefined;
let model: Model | undefined;
let run: Run | undefined;
let comparison: Comparison | undefined;
let pull = new Pull();

/** Milliseconds between two progress messages. */
const PROGRESS_EVERY = 100;

const api = {
  async detect(): Promise<DeviceReport> {
    return core.detect_device();
  },

  /** The crate's defaults; `pruning` is what pruning starts with, which is off in them. */
  async defaults(): Promise<{ config: RunConfig; pruning: PruneConfig }> {
    const pruned = core.complete_config({ prompt: { prune: {} } });
    return { config: core.default_config(), pruning: pruned.prompt.prune as PruneConfig };
  },

  async validate(config: RunConfig): Promise<void> {
    core.validate_config(config);
  },

  async openTable(table: Blob, config: RunConfig): Promise<TableView> {
    const bytes = await bytesOf(table);
    return stage("open table", () => core.open_table(bytes, config));
  },

  /** @param page address of the page. @param chosen the encoder's files, if the user gave them. */
  async loadEncoder(page: string, chosen: File[] | undefined, onProgress: (progress: Progress) => void): Promise<EncoderInfo> {
    const store = await openStore();
    let last = 0;
    const progress = (now: Progress) => {
      if (now.received < now.total && performance.now() - last < PROGRESS_EVERY) return;
      last = performance.now();
      onProgress(now);
    };
    // Beside the compiling of the wasm module: the two are the longest parts of the start.
    const { files, kept } = await stage("get encoder", () =>
      chosen
        ? takeEncoder(DEFAULT_ENCODER, chosen, page, store)
        : fetchEncoder(DEFAULT_ENCODER, sourcesOf(DEFAULT_ENCODER, page), page, store, progress),
    );
    const [config, tokenizer, weights] = files as [Uint8Array, Uint8Array, Uint8Array];
    const sha256 = DEFAULT_ENCODER.files.find(({ name }) => name === "model.safetensors")?.sha256;
    await compiled();
    const loaded = stage("load encoder", () => core.Model.load(DEFAULT_ENCODER.id, config, tokenizer, weights, sha256));
    model?.free();
    model = loaded;
    return { layers: model.layers, hidden: model.hidden, kept };
  },

  /** Trains to the end, or until `cancel`; says which. A run from before is let go once the new one has started. */
  async train(
    table: Blob,
    heldOut: Blob | undefined,
    config: RunConfig,
    onEvent: (event: RunEvent) => void,
  ): Promise<"done" | "cancelled"> {
    if (!model) throw problem("model", "The encoder is not loaded.", "Load it first.");
    const mine = (pull = new Pull());
    const [rows, others] = [await bytesOf(table), heldOut && (await bytesOf(heldOut))];
    const encoder = model;
    const started = await stage("start run", () => core.Run.start(encoder, rows, others, config));
    run?.free();
    run = started;
    await mine.run(() => started.next(), onEvent);
    if (!mine.cancelled) return "done";
    await mine.exclusive(() => started.free());
    run = undefined;
    return "cancelled";
  },

  /** Compares to the end, or until `stop`. Results of `done` are not worked out again. */
  async compare(
    table: Blob,
    heldOut: Blob | undefined,
    config: RunConfig,
    variants: string[],
    seeds: number[],
    done: CellResult[],
    onEvent: (event: CompareEvent) => void,
  ): Promise<void> {
    if (!model) throw problem("model", "The encoder is not loaded.", "Load it first.");
    const mine = (pull = new Pull());
    const [rows, others] = [await bytesOf(table), heldOut && (await bytesOf(heldOut))];
    const encoder = model;
    const start = async (results: CellResult[]) => core.Comparison.start(encoder, rows, others, config, variants, seeds, results);
    // What another version of the page has kept may not be readable: then it is worked out again.
    const started = await start(done).catch((thrown: unknown) => {
      if (done.length === 0) throw thrown;
      return start([]);
    });
    comparison = started;
    try {
      await mine.run(() => started.next(), onEvent);
    } finally {
      comparison = undefined;
      await mine.exclusive(() => started.free());
    }
  },

  /** A name for data and settings: the same for the same, and no other. None where the browser cannot say (an insecure address). */
  async identify(table: Blob, heldOut: Blob | undefined, settings: string): Promise<string | undefined> {
    const digest = async (blob: Blob) => hex(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
    if (!crypto.subtle) return undefined;
    const parts = [await digest(table), heldOut ? await digest(heldOut) : "", settings];
    return digest(new Blob([parts.join("\n")]));
  },

  async pause(): Promise<void> {
    pull.pause();
  },

  async resume(): Promise<void> {
    pull.resume();
  },

  /** Ends the run with the best so far, or the comparison with the cells that are done. */
  async stop(): Promise<void> {
    const stopped = pull.exclusive(() => (comparison ?? run)?.stop());
    pull.resume();
    await stopped;
  },

  async cancel(): Promise<void> {
    pull.cancel();
  },

  /** The zip of the best so far. */
  async adapter(): Promise<Uint8Array> {
    const zip = await pull.exclusive(() => finished().adapter());
    return Comlink.transfer(zip, [zip.buffer]);
  },

  async understand(): Promise<Understanding> {
    return pull.exclusive(() => finished().understand());
  },

  async mistakes(from: number, most: number): Promise<AnsweredPart> {
    return pull.exclusive(() => finished().mistakes(from, most));
  },

  async cell(truth: number, predicted: number, from: number, most: number): Promise<AnsweredPart> {
    return pull.exclusive(() => finished().cell(truth, predicted, from, most));
  },

  async nearest(): Promise<Nearest> {
    return pull.exclusive(() => finished().nearest());
  },

  async report(file: string): Promise<string> {
    return pull.exclusive(() => finished().report(file));
  },

  /** The table with other labels, as the bytes of a CSV. */
  async editTable(table: Blob, config: RunConfig, edits: Edit[]): Promise<Blob> {
    const bytes = await bytesOf(table);
    return new Blob([core.edit_table(bytes, config, edits) as Uint8Array<ArrayBuffer>]);
  },

  async predict(texts: string[]): Promise<Prediction[]> {
    return pull.exclusive(() => finished().predict(texts));
  },
};

export type Api = typeof api;

function finished(): Run {
  if (run) return run;
  throw problem("internal", "There is no trained prompt.", "Train one first.");
}

function hex(bytes: ArrayBuffer): string {
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function bytesOf(blob: Blob): Promise<Uint8Array> {
  return new Uint8Array(await blob.arrayBuffer());
}

/** The browser's cache, where it has one (an insecure address or a private window may not). */
async function openStore(): Promise<Store | undefined> {
  try {
    return await caches.open("softprompt-encoders");
  } catch {
    return undefined;
  }
}

/** The wasm module, fetched and compiled once. */
function compiled(): Promise<unknown> {
  return (ready ??= stage("compile wasm", () => core.default()));
}

/** Does `job`, and notes how long it took: `performance.getEntriesByType("measure")` tells what the start went to. */
function stage<R>(name: string, job: () => R): R {
  const start = performance.now();
  const note = () => void performance.measure(name, { start, end: performance.now() });
  const result = job();
  if (result instanceof Promise) result.then(note, note);
  else note();
  return result;
}

/** The same function, but it waits for wasm (unless it does so itself), and what it throws is a problem. */
function guarded<A extends unknown[], R>(name: string, call: (...args: A) => Promise<R>): (...args: A) => Promise<R> {
  return async (...args) => {
    try {
      if (name !== "loadEncoder") await compiled();
      return await call(...args);
    } catch (thrown) {
      throw asProblem(thrown);
    }
  };
}

Comlink.expose(
  Object.fromEntries(
    Object.entries(api).map(([name, call]) => [name, guarded(name, call as (...args: unknown[]) => Promise<unknown>)]),
  ),
);
