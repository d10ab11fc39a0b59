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
import { Classifying, type FileReading, type LabelledFile, type Labels } from "./lib/classifying";
import { encoderCalls, getEncoder, cacheChosen } from "./lib/encoder-calls";
import type { Encoder, Progress } from "./lib/encoder-files";
import type { EncoderFolder } from "./lib/folder";
import { comparisonId, encoderId, type ComparisonInputs } from "./lib/identity";
import { bytesOf, stage } from "./lib/job";
import { stayAlive } from "./lib/locks";
import { checkMemory, checkTraining, Resident, type Weights } from "./lib/memory";
import { asProblem, endsWorker, problem } from "./lib/problem";
import { Pull } from "./lib/pull";
import { resultCalls } from "./lib/result-calls";
import { answersOf, type SavedAnswers } from "./lib/store/answers";
import { RunSaver, type SaveState } from "./lib/store/run-saver";
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
  /** Whether the files are in the browser's cache. */
  cached: boolean;
  /** Which it is. */
  encoder: Encoder;
  /** Notes about its files. */
  notes: string[];
}

let ready: Promise<unknown> | undefined;
let model: Model | undefined;
/** Which it is, and its weights in memory. */
let loaded: { encoder: Encoder; weights: Weights } | undefined;
const resident = new Resident();
/** Its small files, which a single-file web page contains. */
let modelFiles: { config: Blob; tokenizer: Blob } | undefined;
let run: Run | undefined;
let comparison: Comparison | undefined;
let pull = new Pull();
const classifying = new Classifying(core, loadedModel);
/** Saves the run. */
let saver: RunSaver | undefined;
/** The user has stopped the run. */
let stoppedByUser = false;
let runs: Promise<RunStore> | undefined;
/** Held as long as this worker lives: its release tells the page that the worker is gone. */
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
   * Counts tokens, some texts at a time; undefined if another count, a run or `stopCounting` ended it, or if another encoder is
   * in use.
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
   * Replaces the encoder in use, which stays if that fails.
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
    const cached = chosen ? await cacheChosen(got, page) : got.cached;
    const notes = [...got.notes, ...(made?.notes ?? []), ...model.notes];
    return { layers: model.layers, hidden: model.hidden, cached, encoder: got.encoder, notes };
  },

  ...encoderCalls(core, compiled, resident),

  /**
   * Trains to the end, or until `cancel`; returns which. The previous run is freed once the new one has started. With a record
   * the run is saved in the browser; if it cannot be saved it is trained all the same.
   */
  async train(
    table: Blob,
    heldOut: Blob | undefined,
    config: RunConfig,
    onEvent: (event: RunEvent) => void,
    record?: RunRecord,
    onSaveState?: (state: SaveState) => void,
  ): Promise<"done" | "cancelled"> {
    const { encoder, weights } = loadedFor(record?.encoderId);
    counting.stop();
    const mine = (pull = new Pull());
    checkTraining(weights, makesPartial(config), resident.bytes);
    const [rows, others] = [await bytesOf(table), heldOut && (await bytesOf(heldOut))];
    const started = await stage("start run", () => core.Run.start(encoder, rows, others, config));
    const saving = record && onSaveState && (await RunSaver.begin(openRuns, record, table, heldOut, onSaveState));
    return pullToEnd(started, weights, mine, onEvent, saving);
  },

  /**
   * Resumes a saved run, or starts it again if it has no checkpoint: either way with the same result, if on the same device.
   * `device` is another one.
   */
  async resumeRun(
    id: string,
    device: DeviceChoice | undefined,
    onEvent: (event: RunEvent) => void,
    onSaveState: (state: SaveState) => void,
  ): Promise<"done" | "cancelled"> {
    counting.stop();
    const mine = (pull = new Pull());
    const store = await openRuns();
    const opened = await store.open(id);
    if (!opened?.table) throw problem("storage", "This run is no longer saved.", "Start a new one.");
    const { record, view, checkpoint, table, heldOut } = opened;
    const { encoder, weights } = loadedFor(record.encoderId);
    checkTraining(weights, makesPartial(record.config), resident.bytes);
    const [rows, others] = [await bytesOf(table), heldOut && (await bytesOf(heldOut))];
    const started = await stage("start run", () =>
      checkpoint && view
        ? core.Run.resume(encoder, rows, others, checkpoint, device ?? record.device)
        : core.Run.start(encoder, rows, others, device ? { ...record.config, device } : record.config),
    );
    return pullToEnd(started, weights, mine, onEvent, RunSaver.resume(store, opened, onSaveState));
  },

  /** Saves the run as it is now, if possible: the page may be about to close. */
  async saveNow(): Promise<void> {
    await saveNow();
  },

  /** Compares to the end, or until `stop`, with the encoder `of`. Cells in `done` are not run again. */
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
    // Cells that were saved by another version of the page may not be readable: then they are run again.
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
  async identify(compared: ComparisonInputs): Promise<string | undefined> {
    return comparisonId(compared);
  },

  async pause(): Promise<void> {
    pull.pause();
    await saveNow();
  },

  async resume(): Promise<void> {
    pull.resume();
  },

  /** Stops the run with the best result so far, or the comparison with the finished cells. */
  async stop(): Promise<void> {
    stoppedByUser = true;
    const stopped = pull.exclusive(() => (comparison ?? run)?.stop());
    pull.resume();
    await stopped;
  },

  async cancel(): Promise<void> {
    pull.cancel();
  },

  /** The zip of the best so far. */
  async adapter(): Promise<Uint8Array> {
    const zip = await pull.exclusive(() => trainedRun().adapter());
    return Comlink.transfer(zip, [zip.buffer]);
  },

  ...resultCalls(trainedRun, (job) => pull.exclusive(job)),

  /** What an adapter's zip says about itself; no encoder is needed for that. */
  async adapterInfo(zip: Uint8Array): Promise<AdapterInfo> {
    return core.adapter_info(zip);
  },

  /** Loads an adapter's zip, in place of the previous one. */
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
   */
  async labelFile(
    file: Blob,
    name: string,
    reading: FileReading,
    by: "run" | "adapter",
    onProgress: (progress: Labels) => void,
  ): Promise<LabelledFile | undefined> {
    const zip = by === "run" ? await pull.exclusive(() => trainedRun().adapter()) : undefined;
    const turn = <R>(job: () => R | Promise<R>) => pull.exclusive(job);
    const labelled = await classifying.label(await bytesOf(file), name, reading, zip, turn, onProgress);
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
    const adapter = zip ?? (await pull.exclusive(() => trainedRun().adapter()));
    const encoder = loadedModel();
    const { name, sha256 } = core.adapter_info(adapter).encoder;
    // The result may be of an encoder that was in use before this one.
    if (sha256 && sha256 !== encoder.sha256)
      throw problem("model", `This adapter was trained with the encoder ${name}.`, "Choose that encoder, then try again.");
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
    throw problem("model", "Another encoder has been loaded in the meantime.", "Choose the encoder again, then train again.");
  return { encoder, weights: loaded.weights };
}

/** Whether a run may create partial encoders beside the whole one. */
function makesPartial({ prompt }: RunConfig): boolean {
  return prompt.method === "progressive" || prompt.method === "auto";
}

/** Pulls a started run to its end, and saves it on the way. */
async function pullToEnd(
  started: Run,
  weights: Weights,
  mine: Pull,
  onEvent: (event: RunEvent) => void,
  saving: RunSaver | undefined,
): Promise<"done" | "cancelled"> {
  run?.free();
  run = started;
  resident.hold("run", weights);
  saver = saving;
  stoppedByUser = false;
  const next = async () => {
    const event = await started.next();
    if (event) await saving?.after(event, started);
    return event;
  };
  try {
    await mine.run(next, onEvent);
  } catch (thrown) {
    const found = asProblem(thrown);
    // Another worker may resume it; any other problem would happen again.
    if (!endsWorker(found)) await saving?.finish(false, bestOf(started), found);
    throw found;
  } finally {
    saver = undefined;
    if (saving) recordCost(saving);
  }
  if (!mine.cancelled) {
    if (saving?.view.done) {
      const [adapter, answers] = await mine.exclusive(() => [started.adapter(), savedAnswersOf(started, saving)] as const);
      await saving.finish(stoppedByUser, adapter, undefined, answers);
    }
    return "done";
  }
  await mine.exclusive(() => started.free());
  run = undefined;
  resident.hold("run", undefined);
  return "cancelled";
}

/** The predictions to save; without them the run is saved all the same. */
function savedAnswersOf(run: Run, { view, file }: RunSaver): SavedAnswers | undefined {
  try {
    return stage("answers", () => answersOf(run, view.done?.per_class.map(({ label }) => label) ?? [], file));
  } catch (thrown) {
    console.warn("the predictions of the result are not saved", thrown);
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

async function saveNow(): Promise<void> {
  const [saving, trained] = [saver, run];
  if (saving && trained) await pull.exclusive(() => (saver === saving ? saving.now(trained) : undefined));
}

function openRuns(): Promise<RunStore> {
  return (runs ??= RunStore.open().catch((thrown: unknown) => {
    runs = undefined;
    throw thrown;
  }));
}

/** Time that training waited for checkpoints, for `performance.getEntriesByName("checkpoints")`. */
function recordCost({ spent }: RunSaver): void {
  const end = performance.now();
  performance.measure("checkpoints", { start: end - spent.milliseconds, end, detail: spent.checkpoints });
}

function trainedRun(): Run {
  if (run) return run;
  throw problem("internal", "There is no trained prompt.", "Train one first.");
}

/** The wasm module, fetched and compiled once. */
function compiled(): Promise<unknown> {
  return (ready ??= stage("compile wasm", () => core.default()));
}

/** Calls that do not wait for the wasm module. */
const early = new Set(["alive", "loadEncoder", "lookUpEncoder", "cancelEncoder", "cachedEncoders", "removeEncoder"]);

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
