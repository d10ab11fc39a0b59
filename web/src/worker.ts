/** The dedicated worker: it owns the wasm memory, the encoder, the GPU and the run. The page talks to `api` through Comlink. */
import * as Comlink from "comlink";
import * as wasm from "../pkg/softprompt.js";
import type {
  AdapterInfo,
  CellResult,
  CompareEvent,
  Comparison,
  ComparisonPlan,
  Core,
  DeviceChoice,
  Model,
  Prediction,
  Run,
  RunConfig,
  RunEvent,
  TokenCount,
} from "./contract";
import { Classifying, type LabelledFile, type Labels } from "./lib/classifying";
import { encoderCalls, getEncoder, keepChosen } from "./lib/encoder-calls";
import type { Encoder, Progress } from "./lib/encoder-files";
import type { EncoderFolder } from "./lib/folder";
import { comparisonId, encoderId, type Compared } from "./lib/identity";
import { bytesOf, stage } from "./lib/job";
import { stayAlive } from "./lib/locks";
import { checkMemory, checkTraining, Resident, type Weights } from "./lib/memory";
import { asProblem, endsWorker, problem } from "./lib/problem";
import { Pull } from "./lib/pull";
import { resultCalls } from "./lib/result-calls";
import { answersOf, type KeptAnswers } from "./lib/store/answers";
import { Keeper, type Kept } from "./lib/store/keeper";
import { runFileCalls } from "./lib/store/portable";
import type { RunRecord } from "./lib/store/record";
import { RunStore } from "./lib/store/runs";
import { Counting } from "./lib/counting";
import { standalonePage, standaloneSize } from "./lib/standalone";
import { settingCalls, tableCalls } from "./lib/table-calls";

// The compiler checks here that the package keeps the contract.
const core: Core = wasm;

export interface EncoderInfo {
  layers: number;
  hidden: number;
  /** Whether the browser keeps the files for the next visit. */
  kept: boolean;
  /** Which it is. */
  encoder: Encoder;
  /** What the user should know about its files. */
  notes: string[];
}

let ready: Promise<unknown> | undefined;
let model: Model | undefined;
/** Which it is, and its weights in memory. */
let loaded: { encoder: Encoder; weights: Weights } | undefined;
const resident = new Resident();
/** Its small files: a page of one file has them inside. */
let modelFiles: { config: Blob; tokenizer: Blob } | undefined;
let run: Run | undefined;
let comparison: Comparison | undefined;
let pull = new Pull();
const classifying = new Classifying(core, loadedModel);
/** Keeps the run. */
let keeper: Keeper | undefined;
/** The user wants what there is. */
let ended = false;
let runs: Promise<RunStore> | undefined;
/** Held as long as this worker lives: the page sees by it that the worker is gone. */
const alive = stayAlive(self.name);
const counting = new Counting();

const api = {
  /** Resolves once the page can see by the lock whether this worker lives. */
  async alive(): Promise<void> {
    await alive;
  },

  ...settingCalls(core),
  ...tableCalls(core),
  ...runFileCalls(openRuns),

  /**
   * Counts tokens, a stretch at a time; undefined where another count, a run or `stopCounting` came before the end, or where the encoder
   * in use is not this one.
   */
  async countTokens(
    of: Encoder,
    table: Blob,
    config: RunConfig,
    onProgress: (count: TokenCount) => void,
  ): Promise<TokenCount | undefined> {
    const wanted = counting.begin();
    const bytes = await bytesOf(table);
    if (!model || !wanted() || !isLoaded(of)) return undefined;
    const encoder = model;
    return counting.run(stage("count tokens", () => core.TokenCounter.start(encoder, bytes, config)), wanted, onProgress);
  },

  async stopCounting(): Promise<void> {
    counting.stop();
  },

  /**
   * Puts another encoder in the place of the one in use, which stays where that fails.
   *
   * @param page address of the page. @param chosen the user's own files, in place of those of `encoder`. @param limit that of `checkMemory`.
   */
  async loadEncoder(
    page: string,
    encoder: Encoder,
    chosen: EncoderFolder | undefined,
    onProgress: (progress: Progress) => void,
    limit?: number,
  ): Promise<EncoderInfo> {
    // Beside the compiling of the wasm module: the two are the longest parts of the start.
    const got = await stage("get encoder", () => getEncoder(page, encoder, chosen, onProgress, async () => (await compiled(), core)));
    const [config, stored, weights, beside] = got.files as [Uint8Array, Uint8Array, Uint8Array, Uint8Array | undefined];
    const sha256 = got.encoder.files.find(({ name }) => name === "model.safetensors")?.sha256;
    await compiled();
    const description = core.Model.describe(config);
    checkMemory(description, weights.length, resident.bytes, limit);
    const made = beside && stage("read tokenizer", () => core.encoder_tokenizer("tokenizer.json", stored, beside));
    const tokenizer = made?.bytes ?? stored;
    const opened = stage("load encoder", () => core.Model.load(got.encoder.id, config, tokenizer, weights, sha256));
    model?.free();
    model = opened;
    loaded = { encoder: got.encoder, weights: { bytes: description.bytes } };
    resident.hold("model", loaded.weights);
    modelFiles = { config: new Blob([config as Uint8Array<ArrayBuffer>]), tokenizer: new Blob([tokenizer as Uint8Array<ArrayBuffer>]) };
    const kept = chosen ? await keepChosen(got, page) : got.kept;
    const notes = [...got.notes, ...(made?.notes ?? []), ...model.notes];
    return { layers: model.layers, hidden: model.hidden, kept, encoder: got.encoder, notes };
  },

  ...encoderCalls(core, compiled, resident),

  /**
   * Trains to the end, or until `cancel`; says which. A run from before is let go once the new one has started. With a record the
   * run is kept in the browser; what cannot be kept is trained all the same.
   */
  async train(
    table: Blob,
    heldOut: Blob | undefined,
    config: RunConfig,
    onEvent: (event: RunEvent) => void,
    record?: RunRecord,
    onKept?: (kept: Kept) => void,
  ): Promise<"done" | "cancelled"> {
    const { encoder, weights } = loadedFor(record?.encoderId);
    counting.stop();
    const mine = (pull = new Pull());
    checkTraining(weights, makesPartial(config), resident.bytes);
    const [rows, others] = [await bytesOf(table), heldOut && (await bytesOf(heldOut))];
    const started = await stage("start run", () => core.Run.start(encoder, rows, others, config));
    const keeping = record && onKept && (await Keeper.begin(openRuns, record, table, heldOut, onKept));
    return follow(started, weights, mine, onEvent, keeping);
  },

  /**
   * Goes on with a kept run, or begins again where there is no checkpoint: either way to the same result, if on the same device.
   * `device` is another one.
   */
  async goOn(
    id: string,
    device: DeviceChoice | undefined,
    onEvent: (event: RunEvent) => void,
    onKept: (kept: Kept) => void,
  ): Promise<"done" | "cancelled"> {
    counting.stop();
    const mine = (pull = new Pull());
    const store = await openRuns();
    const opened = await store.open(id);
    if (!opened?.table) throw problem("storage", "This run is not kept any more.", "Start a new one.");
    const { record, view, checkpoint, table, heldOut } = opened;
    const { encoder, weights } = loadedFor(record.encoderId);
    checkTraining(weights, makesPartial(record.config), resident.bytes);
    const [rows, others] = [await bytesOf(table), heldOut && (await bytesOf(heldOut))];
    const started = await stage("start run", () =>
      checkpoint && view
        ? core.Run.resume(encoder, rows, others, checkpoint, device ?? record.device)
        : core.Run.start(encoder, rows, others, device ? { ...record.config, device } : record.config),
    );
    return follow(started, weights, mine, onEvent, Keeper.goOn(store, opened, onKept));
  },

  /** Keeps the run as it is now, if it can: the page may be about to go. */
  async keepNow(): Promise<void> {
    await keepNow();
  },

  /** Compares to the end, or until `stop`, with the encoder `of`. Results of `done` are not worked out again. */
  async compare(
    of: Encoder,
    table: Blob,
    heldOut: Blob | undefined,
    config: RunConfig,
    plan: ComparisonPlan,
    done: CellResult[],
    onEvent: (event: CompareEvent) => void,
  ): Promise<void> {
    const { encoder, weights } = loadedFor(encoderId(of));
    counting.stop();
    const mine = (pull = new Pull());
    checkTraining(weights, plan.variants.some((name) => name.startsWith("progressive")), resident.bytes);
    const [rows, others] = [await bytesOf(table), heldOut && (await bytesOf(heldOut))];
    const start = async (results: CellResult[]) => core.Comparison.start(encoder, rows, others, config, plan, results);
    // What another version of the page has kept may not be readable: then it is worked out again.
    const started = await start(done).catch((thrown: unknown) => {
      if (done.length === 0) throw thrown;
      return start([]);
    });
    comparison = started;
    resident.hold("comparison", weights);
    try {
      await mine.run(() => started.next(), onEvent);
    } finally {
      comparison = undefined;
      await mine.exclusive(() => started.free());
      resident.hold("comparison", undefined);
    }
  },

  /** The key of a comparison's results. */
  async identify(compared: Compared): Promise<string | undefined> {
    return comparisonId(compared);
  },

  async pause(): Promise<void> {
    pull.pause();
    await keepNow();
  },

  async resume(): Promise<void> {
    pull.resume();
  },

  /** Ends the run with the best so far, or the comparison with the cells that are done. */
  async stop(): Promise<void> {
    ended = true;
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

  ...resultCalls(finished, (job) => pull.exclusive(job)),

  /** What an adapter's zip says about itself; no encoder is needed for that. */
  async adapterInfo(zip: Uint8Array): Promise<AdapterInfo> {
    return core.adapter_info(zip);
  },

  /** Gets an adapter's zip ready to classify, in place of the one before. */
  async loadAdapter(zip: Uint8Array, device: DeviceChoice = "auto"): Promise<AdapterInfo> {
    return pull.exclusive(async () => {
      const weights = loaded?.weights;
      const info = await classifying.load(zip, device);
      resident.hold("adapter", weights);
      return info;
    });
  },

  /** Classifies with the adapter of `loadAdapter`. */
  async classify(texts: string[]): Promise<Prediction[]> {
    return pull.exclusive(() => classifying.classify(texts));
  },

  /**
   * Classifies a file with the best of the run so far, or with the adapter of `loadAdapter`; nothing if `stopLabelling` was called.
   * @param column name or number (counted from 1) of the column with the texts, where it is not to be found by looking
   */
  async labelFile(
    file: Blob,
    name: string,
    column: string | undefined,
    by: "run" | "adapter",
    onProgress: (progress: Labels) => void,
  ): Promise<LabelledFile | undefined> {
    const zip = by === "run" ? await pull.exclusive(() => finished().adapter()) : undefined;
    const turn = <R>(job: () => R | Promise<R>) => pull.exclusive(job);
    const labelled = await classifying.label(await bytesOf(file), name, column, zip, turn, onProgress);
    return labelled && Comlink.transfer(labelled, [labelled.bytes.buffer as ArrayBuffer]);
  },

  async stopLabelling(): Promise<void> {
    classifying.stop();
  },

  /** About how many bytes `standalone` will give. */
  async standaloneSize(): Promise<number> {
    return standaloneSize(loadedModel());
  },

  /** A page of one file that classifies with the best so far, or with the adapter `zip`. */
  async standalone(zip: Uint8Array | undefined, onProgress: (done: number, of: number) => void): Promise<Blob> {
    const adapter = zip ?? (await pull.exclusive(() => finished().adapter()));
    const encoder = loadedModel();
    const { name, sha256 } = core.adapter_info(adapter).encoder;
    // The result may be of an encoder that was in use before this one.
    if (sha256 && sha256 !== encoder.sha256)
      throw problem("model", `This adapter was made with the encoder ${name}.`, "Choose that encoder, then try again.");
    return standalonePage(encoder, modelFiles!, adapter, onProgress);
  },
};

export type Api = typeof api;

function loadedModel(): Model {
  if (model) return model;
  throw problem("model", "The encoder is not loaded.", "Load it first.");
}

function isLoaded(encoder: Encoder): boolean {
  return loaded !== undefined && encoderId(loaded.encoder) === encoderId(encoder);
}

/** @param id of the encoder that is meant: another one may have been loaded since; none where it is not known */
function loadedFor(id: string | undefined): { encoder: Model; weights: Weights } {
  const encoder = loadedModel();
  if (!loaded || (id !== undefined && encoderId(loaded.encoder) !== id))
    throw problem("model", "Another encoder has been loaded meanwhile.", "Choose the encoder again, then start again.");
  return { encoder, weights: loaded.weights };
}

/** Whether a run may lay partial encoders beside the whole one. */
function makesPartial({ prompt }: RunConfig): boolean {
  return prompt.method === "progressive" || prompt.method === "auto";
}

/** Pulls a run that has started to its end, and keeps it on the way. */
async function follow(
  started: Run,
  weights: Weights,
  mine: Pull,
  onEvent: (event: RunEvent) => void,
  keeping: Keeper | undefined,
): Promise<"done" | "cancelled"> {
  run?.free();
  run = started;
  resident.hold("run", weights);
  keeper = keeping;
  ended = false;
  const next = async () => {
    const event = await started.next();
    if (event) await keeping?.after(event, started);
    return event;
  };
  try {
    await mine.run(next, onEvent);
  } catch (thrown) {
    const found = asProblem(thrown);
    // With another worker it may go on; everything else would come again.
    if (!endsWorker(found)) await keeping?.finish(false, bestOf(started), found);
    throw found;
  } finally {
    keeper = undefined;
    if (keeping) noteCost(keeping);
  }
  if (!mine.cancelled) {
    if (keeping?.view.done) {
      const [adapter, answers] = await mine.exclusive(() => [started.adapter(), known(started, keeping)] as const);
      await keeping.finish(ended, adapter, undefined, answers);
    }
    return "done";
  }
  await mine.exclusive(() => started.free());
  run = undefined;
  resident.hold("run", undefined);
  return "cancelled";
}

/** What is known of the result; without it the run is kept all the same. */
function known(run: Run, { view, file }: Keeper): KeptAnswers | undefined {
  try {
    return stage("answers", () => answersOf(run, view.done?.per_class.map(({ label }) => label) ?? [], file));
  } catch (thrown) {
    console.warn("what is known of the result is not kept", thrown);
    return undefined;
  }
}

function bestOf(run: Run): Uint8Array | undefined {
  try {
    return run.adapter();
  } catch {
    return undefined;
  }
}

async function keepNow(): Promise<void> {
  const [keeping, trained] = [keeper, run];
  if (keeping && trained) await pull.exclusive(() => (keeper === keeping ? keeping.now(trained) : undefined));
}

function openRuns(): Promise<RunStore> {
  return (runs ??= RunStore.open().catch((thrown: unknown) => {
    runs = undefined;
    throw thrown;
  }));
}

/** What keeping took from training, for `performance.getEntriesByName("checkpoints")`. */
function noteCost({ spent }: Keeper): void {
  const end = performance.now();
  performance.measure("checkpoints", { start: end - spent.milliseconds, end, detail: spent.checkpoints });
}

function finished(): Run {
  if (run) return run;
  throw problem("internal", "There is no trained prompt.", "Train one first.");
}

/** The wasm module, fetched and compiled once. */
function compiled(): Promise<unknown> {
  return (ready ??= stage("compile wasm", () => core.default()));
}

/** What begins before the wasm module is there. */
const early = new Set(["alive", "loadEncoder", "lookUpEncoder", "cancelEncoder", "keptEncoders", "removeEncoder"]);

/** The same function, but it waits for wasm (unless it does so itself), and what it throws is a problem. */
function guarded<A extends unknown[], R>(name: string, call: (...args: A) => Promise<R>): (...args: A) => Promise<R> {
  return async (...args) => {
    try {
      if (!early.has(name)) await compiled();
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
