/**
 * The crate's JavaScript interface as the page uses it. Its data is in `contract.generated.ts`, written from the crate's own types;
 * here is what has no type there: the classes, and what is made of the generated types.
 */
import type {
  Bin,
  CellResult,
  CompareEvent,
  DeviceChoice,
  DeviceReport,
  Edit,
  FileProgress,
  FileView,
  FolderChoice,
  HeadKind,
  Interval,
  Method,
  Part,
  Prediction,
  RunConfig,
  RunEvent,
  SettingGroup,
  TableView,
  TokenCount,
} from "./contract.generated";

export type * from "./contract.generated";

/** The event of a run with this name. */
type EventCalled<Name extends RunEvent["event"]> = Extract<RunEvent, { event: Name }>;

export type StartedEvent = EventCalled<"started">;
export type PreparingEvent = EventCalled<"preparing">;
export type ProbeEvent = EventCalled<"probe">;
export type StepEvent = EventCalled<"step">;
export type EvalEvent = EventCalled<"eval">;
export type StageEvent = EventCalled<"stage">;
export type PrunedEvent = EventCalled<"pruned">;
export type TryingEvent = EventCalled<"trying">;
export type TrialEvent = EventCalled<"trial">;
export type ChosenEvent = EventCalled<"chosen">;
export type MeasuringEvent = EventCalled<"measuring">;
export type DoneEvent = EventCalled<"done">;

export interface TokenCounter {
  /** Counts some more texts. */
  next(): TokenCount;
  free(): void;
}

/** What an adapter says about itself. */
export interface AdapterInfo {
  labels: string[];
  method: Method;
  head: HeadKind;
  prompt_length: number;
  max_tokens: number;
  text_column?: string | null;
  label_column?: string | null;
  /** The encoder that it needs. */
  encoder: { name: string; sha256?: string | null; layers?: number | null; heads?: number | null; hidden: number };
  /** On held-out rows; absent in adapters of others. */
  metrics?: {
    accuracy: number;
    macro_f1: number;
    probe_accuracy: number;
    majority_accuracy: number;
    steps: number;
  } | null;
  /** Whether Hugging Face PEFT loads it. */
  peft: boolean;
  seed: number;
  data_sha256?: string | null;
  /** Name and version of the reader. */
  read_by: string;
}

/** A loaded adapter. */
export interface Classifier {
  readonly labels: string[];
  readonly device: string;
  info(): AdapterInfo;
  classify(texts: string[]): Promise<Prediction[]>;
  free(): void;
}

/** A file that is being classified, some rows at a time. */
export interface Labelling {
  readonly extension: string;
  view(): FileView;
  /** Whether rows are left. */
  next(classifier: Classifier): Promise<boolean>;
  progress(): FileProgress;
  /** The file with two more columns. */
  bytes(): Uint8Array;
  free(): void;
}

/** Summary of a result on `rows` held-out rows. */
export interface ResultSummary {
  rows: number;
  mistakes: number;
  accuracy: Interval;
  macro_f1: Interval;
  calibration: {
    /** Expected calibration error, 0 to 1. */
    error: number;
    /** Mean confidence minus accuracy. */
    excess: number;
    bins: Bin[];
  };
}

/** A held-out row with its prediction. */
export interface PredictedRow {
  /** Its number in its file, as in every report. */
  row: number;
  text: string;
  truth: string;
  predicted: string;
  /** Of the predicted class, and of the true one. */
  probability: number;
  truth_probability: number;
}

/** Some of `total` rows. */
export interface PredictedRows {
  total: number;
  rows: PredictedRow[];
}

/** The tokens nearest to each prompt row; no rows if the prompt is not in the space of word embeddings, with the reason. */
export interface Nearest {
  rows: { member: number; row: number; tokens: { token: string; cosine: number }[] }[];
  why_not?: string | null;
}

/** The frozen encoder in the worker's memory. */
export interface Model {
  readonly name: string;
  /** Notes about its files. */
  readonly notes: string[];
  /** Of its weights. */
  readonly sha256: string;
  /** Number of its weights. */
  readonly weights: number;
  /** The weights in half precision, as the bytes of a `model.safetensors`. */
  half(): Uint8Array;
  readonly layers: number;
  readonly hidden: number;
  free(): void;
}

/** Description of an encoder, from its `config.json`. */
export interface EncoderDescription {
  layers: number;
  hidden: number;
  /** Its weights in memory. */
  bytes: number;
  /** Bytes of the largest weight that is one GPU buffer. */
  largest: number;
}

/** A training run that is pulled. While `next` is pending no other method may be called (wasm-bindgen refuses it). */
export interface Run {
  /** The next event; undefined when the run is over. */
  next(): Promise<RunEvent | undefined>;
  /** The next events end the run with the best result so far. */
  stop(): void;
  /** The best so far as a zip. */
  adapter(): Uint8Array;
  /** Class probabilities with the best so far. */
  predict(texts: string[]): Promise<Prediction[]>;
  /**
   * What `Run.resume` needs, belonging to the events so far; undefined during the trials, if the method has no prompt, after
   * the last step, and while events are pending.
   */
  checkpoint(): Promise<Uint8Array | undefined>;
  /** Its device; undefined during the trials. */
  device(): DeviceChoice | undefined;
  /** About the held-out rows that the figures are from, with the best so far. */
  understand(): ResultSummary;
  /** Mistakes, the most confident first: at most `most` after the first `from`. */
  mistakes(from: number, most: number): PredictedRows;
  /** Rows of a cell of the confusion matrix, by the indices of label and predicted class. */
  cell(truth: number, predicted: number, from: number, most: number): PredictedRows;
  nearest(): Nearest;
  /** An HTML file that stands alone; `file` is the name of the data. */
  report(file: string): string;
  free(): void;
}

/** What is compared. */
export interface ComparisonPlan {
  /** Methods with settings of their own, as the command line takes them. */
  variants: string[];
  seeds: number[];
  /** Budget of each run: `steps:500`. */
  budget?: string;
}

/** A comparison that is pulled as a run is. */
export interface Comparison {
  /** The next event; undefined when it is over. A problem in a cell ends that cell only. */
  next(): Promise<CompareEvent | undefined>;
  /** The current cell is discarded; finished ones stay. */
  stop(): void;
  free(): void;
}

/** The wasm package. What it throws is a `Problem` (see lib/problem.ts). */
export interface Core {
  default(): Promise<unknown>;
  default_config(): RunConfig;
  /** What every setting is: its name, its words, its limits. */
  describe_config(): SettingGroup[];
  validate_config(config: RunConfig): void;
  /** Fills in the defaults of missing settings. */
  complete_config(config: unknown): RunConfig;
  detect_device(): Promise<DeviceReport>;
  open_table(bytes: Uint8Array, config: RunConfig): TableView;
  open_beside(bytes: Uint8Array, config: RunConfig): TableView;
  /** The sheets of a workbook, also where the one that `open_table` takes is no table. */
  sheets_of(bytes: Uint8Array): string[];
  /** Several files with the same columns as one, as CSV. */
  join_tables(names: string[], files: Uint8Array[], config?: RunConfig): { csv: Uint8Array; rows: number; parts: Part[] };
  /** A table after changes of single rows, as CSV. A change holds for every row with the same text. */
  edit_table(bytes: Uint8Array, config: RunConfig, edits: Edit[]): Uint8Array;
  /** The texts of held-out rows of a run on these files, by their numbers; null for a number that is no row. */
  row_texts(table: Uint8Array, heldOut: Uint8Array | undefined, config: RunConfig, rows: Float64Array): (string | null)[];
  /** A table with typed rows appended, as CSV; without a table, only these rows. */
  append_rows(bytes: Uint8Array | undefined, config: RunConfig, rows: { text: string; label: string }[]): Uint8Array;
  /** Which files of a folder make an encoder, by the paths of all of them. */
  choose_encoder(paths: string[]): FolderChoice;
  /** The `tokenizer.json` of a folder, made from a `vocab.txt`, or completed with the `tokenizer_config.json` of the folder. */
  encoder_tokenizer(path: string, bytes: Uint8Array, config?: Uint8Array, added?: Uint8Array): { bytes: Uint8Array; notes: string[] };
  /** Shards of weights as one file. */
  join_shards(names: string[], shards: Uint8Array[]): Uint8Array;
  TokenCounter: { start(model: Model, table: Uint8Array, config: RunConfig): TokenCounter };
  /** `name` is the encoder's on the model hub; it goes into the adapter. `sha256` is that of the weights, if they were checked. */
  Model: {
    load(name: string, config: Uint8Array, tokenizer: Uint8Array, weights: Uint8Array, sha256?: string): Model;
    /** Judges a `config.json` before the rest is fetched. */
    describe(config: Uint8Array): EncoderDescription;
  };
  Run: {
    start(model: Model, table: Uint8Array, heldOut: Uint8Array | undefined, config: RunConfig): Promise<Run>;
    /** Resumes from a checkpoint: on the same device, bit for bit as if it had never stopped. `started` is sent again. */
    resume(
      model: Model,
      table: Uint8Array,
      heldOut: Uint8Array | undefined,
      checkpoint: Uint8Array,
      device: DeviceChoice | undefined,
    ): Promise<Run>;
  };
  /** What an adapter's zip says about itself. */
  adapter_info(zip: Uint8Array): AdapterInfo;
  Classifier: { load(model: Model, zip: Uint8Array, device: DeviceChoice): Promise<Classifier> };
  Labelling: { open(classifier: Classifier, bytes: Uint8Array, name: string, textColumn: string | undefined, headerRow?: number, sheet?: string): Labelling };
  Comparison: {
    /** `done` are results of cells that need not be run again. */
    start(
      model: Model,
      table: Uint8Array,
      heldOut: Uint8Array | undefined,
      config: RunConfig,
      plan: ComparisonPlan,
      done: CellResult[],
    ): Comparison | Promise<Comparison>;
  };
}
