/**
 * Softprompt for pages of your own: trains a soft prompt for a small frozen text encoder, in the visitor's browser, and classifies with
 * it. All of it runs in one worker; what is thrown is a {@link Problem}.
 */
import * as Comlink from "comlink";
import type { AdapterInfo, Prediction, RunConfig, RunEvent } from "../contract";
import { DEFAULT_ENCODER, type Progress } from "../lib/encoder-files";
import { encoderFolder, picked } from "../lib/folder";
import { asProblem, problem, type Problem } from "../lib/problem";
import type { Api } from "../worker";

export type {
  AdapterInfo,
  DataReport,
  DeviceChoice,
  DoneEvent,
  EvalEvent,
  HeadKind,
  Method,
  Prediction,
  RunConfig,
  RunEvent,
  StartedEvent,
  StepEvent,
} from "../contract";
export type { Problem };

/** Replaced by the build: the address of the worker next to this file. */
declare const SOFTPROMPT_WORKER: URL;

/** A text and its class. */
export interface Row {
  text: string;
  label: string;
}

/** Settings that differ from the defaults, at any depth. */
export type Settings = { [K in keyof RunConfig]?: RunConfig[K] extends object ? Partial<RunConfig[K]> : RunConfig[K] };

export interface LoadOptions {
  /** Name of an encoder on the model hub, `owner/name` or `owner/name@revision`; sentence-transformers/all-MiniLM-L6-v2 if left out. */
  model?: string;
  /** The encoder's `config.json`, `tokenizer.json` and `model.safetensors`, if they are not to be downloaded. */
  files?: File[];
  /** Base address of the folder `models/all-MiniLM-L6-v2/`, which is tried before huggingface.co; the page's own address if left out. */
  base?: string | URL;
  /** Downloaded bytes, and their total. */
  onProgress?: (progress: { received: number; total: number }) => void;
}

/**
 * Starts the worker and loads the encoder (90.9 MB once, then from the browser's cache).
 * @param model the encoder's name on the model hub, or options; the default encoder if left out
 * @throws {Problem}
 */
export async function load(model: string | LoadOptions = {}): Promise<Softprompt> {
  const options = typeof model === "string" ? { model } : model;
  const worker = new Worker(SOFTPROMPT_WORKER, { type: "module", name: "softprompt" });
  const softprompt = new Softprompt(worker);
  try {
    await softprompt.start(options);
  } catch (thrown) {
    softprompt.close();
    throw thrown;
  }
  return softprompt;
}

/** An encoder in a worker, with a trained run or an imported adapter. */
export class Softprompt {
  readonly #worker: Worker;
  readonly #api: Comlink.Remote<Api>;
  readonly #ended: Promise<never>;
  #end: (why: Problem) => void = () => undefined;
  /** What classifies: the run, or the imported adapter. */
  #by: "none" | "run" | "adapter" = "none";
  #imported: Uint8Array | undefined;
  #training = false;

  /** @internal */
  constructor(worker: Worker) {
    this.#worker = worker;
    this.#api = Comlink.wrap<Api>(worker);
    this.#ended = new Promise<never>((_, reject) => (this.#end = reject));
    this.#ended.catch(() => undefined);
    worker.addEventListener("error", ({ message }) =>
      this.#end(problem("panic", `The worker stopped${message ? ` (${message})` : ": its file did not load"}.`, "Load it again.")),
    );
  }

  /** @internal */
  async start({ model, files, base, onProgress }: LoadOptions): Promise<void> {
    const page = new URL(base ?? ".", document.baseURI).href;
    const progress = Comlink.proxy(({ received, total }: Progress) => onProgress?.({ received, total }));
    const encoder = model ? (await this.#call((api) => api.lookUpEncoder(page, model))).encoder : DEFAULT_ENCODER;
    const folder = files && encoderFolder(picked(files));
    await this.#call((api) => api.loadEncoder(page, encoder, folder, progress));
  }

  /**
   * Trains on rows, or on the bytes of a table file, and yields its events; leaving the loop early stops the run. From the
   * first evaluation on, `classify` and `export` use the best result so far.
   * @throws {Problem}
   */
  async *train(rows: readonly Row[] | Blob, settings: Settings = {}): AsyncGenerator<RunEvent, void, void> {
    if (this.#training) throw problem("config", "A run is already in progress.", "Wait for it to end, or leave its loop.");
    this.#training = true;
    const events: RunEvent[] = [];
    let wake = () => undefined as void;
    let over = false;
    try {
      const named = rows instanceof Blob ? {} : { text_column: "text", label_column: "label" };
      const complete = await this.#call((api) => api.complete(settings));
      const config = { ...complete, data: { ...complete.data, ...named } };
      const table = rows instanceof Blob ? rows : csv(rows);
      const onEvent = Comlink.proxy((event: RunEvent) => {
        events.push(event);
        wake();
      });
      const run = this.#call((api) => api.train(table, undefined, config, onEvent)).finally(() => {
        over = true;
        wake();
      });
      run.catch(() => undefined);
      try {
        for (;;) {
          const event = events.shift();
          if (event) {
            if (event.event === "eval" || event.event === "done") this.#by = "run";
            yield event;
          } else if (over) break;
          else await new Promise<void>((resolve) => (wake = resolve));
        }
        await run;
      } finally {
        if (!over) {
          // The best result so far stays usable.
          await this.#call((api) => api.stop());
          await run.catch(() => undefined);
        }
      }
    } finally {
      this.#training = false;
    }
  }

  /** Stops the run after the current step, with the best result so far. */
  async stop(): Promise<void> {
    await this.#call((api) => api.stop());
  }

  /**
   * Classifies texts; probabilities in falling order.
   * @throws {Problem}
   */
  async classify(texts: readonly string[]): Promise<Prediction[]> {
    const by = this.#by;
    if (by === "none") throw problem("adapter", "There is no trained run and no imported adapter.", "Call train or import first.");
    return this.#call((api) => (by === "run" ? api.predict([...texts]) : api.classify([...texts])));
  }

  /**
   * The adapter as the bytes of a zip: a folder that the command line, `import` and its own `classify.py` read.
   * @throws {Problem}
   */
  async export(): Promise<Uint8Array> {
    if (this.#by === "adapter") return this.#imported!.slice();
    return this.#call((api) => api.adapter());
  }

  /**
   * Loads the bytes of an adapter's zip in place of the trained run.
   * @throws {Problem}
   */
  async import(zip: Uint8Array): Promise<AdapterInfo> {
    const info = await this.#call((api) => api.loadAdapter(zip));
    this.#imported = zip.slice();
    this.#by = "adapter";
    return info;
  }

  /** Terminates the worker and frees its memory; pending calls fail. */
  close(): void {
    this.#worker.terminate();
    this.#end(problem("cancelled", "Closed.", ""));
  }

  async #call<R>(job: (api: Comlink.Remote<Api>) => Promise<R>): Promise<R> {
    try {
      return await Promise.race([job(this.#api), this.#ended]);
    } catch (thrown) {
      throw asProblem(thrown);
    }
  }
}

function csv(rows: readonly Row[]): Blob {
  const cell = (text: string) => `"${text.replaceAll('"', '""')}"`;
  return new Blob(["text,label\r\n", ...rows.map(({ text, label }) => `${cell(text)},${cell(label)}\r\n`)]);
}
