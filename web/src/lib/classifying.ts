/** The worker's side of an imported adapter: classifies texts and whole files. */
import type { AdapterInfo, Classifier, Core, DeviceChoice, FileProgress, FileView, Model, Prediction } from "../contract";
import { problem } from "./problem";

/** Progress of a file. */
export interface Labels {
  view: FileView;
  progress: FileProgress;
}

/** How a file is read, where it is not to be found by looking. */
export interface FileReading {
  /** Name or number (counted from 1) of the column with the texts. */
  column?: string;
  /** Row with the names of the columns; 0: no row has them. */
  headerRow?: number;
  sheet?: string;
}

/** A file with its two additional columns. */
export interface LabelledFile extends Labels {
  bytes: Uint8Array;
  extension: string;
}

/** Milliseconds between two messages. */
const PROGRESS_EVERY = 150;

export class Classifying {
  #classifier: Classifier | undefined;
  /** Counts the files: an earlier one is cancelled. */
  #files = 0;

  /** @param model the encoder, or it throws a problem. */
  constructor(
    private readonly core: Pick<Core, "Classifier" | "Labelling">,
    private readonly model: () => Model,
  ) {}

  /** The device of the loaded adapter. */
  get device(): string {
    return this.#opened().device;
  }

  async load(zip: Uint8Array, device: DeviceChoice): Promise<AdapterInfo> {
    const loaded = await this.core.Classifier.load(this.model(), zip, device);
    this.#classifier?.free();
    this.#classifier = loaded;
    return loaded.info();
  }

  async classify(texts: string[]): Promise<Prediction[]> {
    return this.#opened().classify(texts);
  }

  /**
   * @param zip an adapter for this file alone; without it, the loaded one is used
   * @param turn does a job when nothing else runs on the device; other messages are handled between two of them
   */
  async label(
    bytes: Uint8Array,
    name: string,
    { column, headerRow, sheet }: FileReading,
    zip: Uint8Array | undefined,
    turn: <R>(job: () => R | Promise<R>) => Promise<R>,
    onProgress: (labels: Labels) => unknown,
  ): Promise<LabelledFile | undefined> {
    const mine = ++this.#files;
    const classifier = await turn(() => (zip ? this.core.Classifier.load(this.model(), zip, "auto") : this.#opened()));
    const file = this.core.Labelling.open(classifier, bytes, name, column, headerRow, sheet);
    try {
      const view = file.view();
      let arrived: unknown = onProgress({ view, progress: file.progress() });
      let last = performance.now();
      for (let more = true; more;) {
        // A message of the page (to stop, for instance) comes in between.
        await new Promise((resolve) => setTimeout(resolve));
        if (mine !== this.#files) return undefined;
        more = await turn(() => file.next(classifier));
        if (performance.now() - last < PROGRESS_EVERY) continue;
        last = performance.now();
        arrived = onProgress({ view, progress: file.progress() });
      }
      await arrived;
      return { bytes: file.bytes(), extension: file.extension, view, progress: file.progress() };
    } finally {
      file.free();
      if (zip) classifier.free();
    }
  }

  stop(): void {
    this.#files++;
  }

  #opened(): Classifier {
    if (this.#classifier) return this.#classifier;
    throw problem("adapter", "No adapter is open.", "Open one first.");
  }
}
