/**
 * The crate's JavaScript interface as the page uses it. Field names are the crate's own (serde, snake_case); defaults and
 * limits are not repeated here, the page asks for them.
 */

export type PromptInit = "random" | "vocabulary" | "labels" | { text: string };
export type HeadKind = "mean" | "text" | "cls" | "peft";
export type Method = "probe" | "prompt" | "late" | "progressive" | "efficient" | "deep" | "ensemble" | "auto";

/** A stage on a part of the encoder: its share of the steps, and the share of the encoder that is kept. */
export interface StageConfig {
  share: number;
  size: number;
}

export interface PruneConfig {
  tokens: number;
  pieces: number;
  piece_share: number;
}

export interface PromptConfig {
  method: Method;
  length: number;
  init: PromptInit;
  late: {
    layer?: number | null;
    generator: "none" | "naive" | "average" | "max";
    bottleneck: number;
    generator_lr: number;
    cache_mb: number;
  };
  progressive: {
    base: Method;
    shrink: "depth" | "width" | "compound";
    stages: StageConfig[];
    head: "carry" | "refit" | "reset";
    refit_steps: number;
    score_texts: number;
  };
  efficient: {
    rank: number;
    scale: number;
    low_rank_lr: number;
    update: boolean;
    fusion: boolean;
    attention: number;
    spaces: number;
    space_width: number;
    gate: boolean;
    module_lr: number;
  };
  ensemble: { members: number; vote: "mean" | "majority" };
  prune?: PruneConfig | null;
  auto: { candidates: Method[]; share: number; rows: number };
}
export type DeviceChoice = "auto" | "gpu" | "cpu";

/** Everything a run depends on, besides the data, the encoder and the device. An absent optional is null or undefined. */
export interface RunConfig {
  data: { text_column?: string | null; label_column?: string | null; held_out_fraction: number; max_tokens: number };
  prompt: PromptConfig;
  head: { kind: HeadKind; feature_scale: number };
  optim: {
    prompt_lr: number;
    head_lr: number;
    weight_decay: number;
    batch_size: number;
    steps?: number | null;
    epochs: number;
    warmup_fraction: number;
    schedule: "cosine" | "linear" | "constant";
    clip_norm: number;
  };
  eval: { evaluations: number; patience?: number | null };
  seed: number;
  device: DeviceChoice;
  recompute: "auto" | "on" | "off";
}

export interface DeviceReport {
  /** Whether WebGPU gives an adapter at all. */
  gpu: boolean;
  name: string;
  /** The adapter computes on the CPU. */
  software: boolean;
  /** What the automatic choice will do and why, in a sentence. */
  reason: string;
}

export interface DataReport {
  rows: number;
  usable: number;
  empty: number;
  unlabelled: number;
  /** Rows with more cells than columns. */
  ragged: number;
  duplicates: number;
  contradictory: number;
  /** Training rows whose text is in the held-out file too. */
  leaked: number;
  classes: { name: string; count: number }[];
  notes: string[];
}

export interface TableView {
  columns: string[];
  rows: number;
  has_header: boolean;
  encoding: string;
  separator: string;
  /** The first rows, at most 20, cell by cell. */
  preview: string[][];
  text_column: number;
  label_column: number;
  report: DataReport;
}

export interface Prediction {
  label: string;
  /** Falling. */
  probabilities: { label: string; probability: number }[];
}

export interface StartedEvent {
  event: "started";
  train_rows: number;
  held_out_rows: number;
  classes: string[];
  steps: number;
  device: string;
  device_reason: string;
  majority_accuracy: number;
  prompt_parameters: number;
  head_parameters: number;
  truncated_texts: number;
}

/** Texts are going once through the frozen encoder, for the probe; in turn with the first steps. */
export interface PreparingEvent {
  event: "preparing";
  done: number;
  total: number;
}

export interface ProbeEvent {
  event: "probe";
  accuracy: number;
  macro_f1: number;
}

export interface StepEvent {
  event: "step";
  /** Counted from 1. */
  step: number;
  steps: number;
  loss: number;
  learning_rate: number;
  tokens_per_second: number;
  seconds: number;
  seconds_left: number;
}

export interface EvalEvent {
  event: "eval";
  step: number;
  loss: number;
  accuracy: number;
  macro_f1: number;
  best: boolean;
}

/** The steps go on with another part of the encoder. */
export interface StageEvent {
  event: "stage";
  /** Counted from 1. */
  stage: number;
  stages: number;
  layers: number;
  neurons: number;
  steps: number;
}

/** The least important parts of the trained prompt were pruned; what is left is trained again from where it was. */
export interface PrunedEvent {
  event: "pruned";
  rows: number;
  pieces: number;
  of: number;
}

/** A short run that a method is chosen by is under way; the counts are over all of them. */
export interface TryingEvent {
  event: "trying";
  method: string;
  done: number;
  total: number;
}

/** A method was tried on a part of the rows, to choose one. The short run tells nothing else. */
export interface TrialEvent {
  event: "trial";
  method: string;
  loss: number;
  accuracy: number;
  seconds: number;
}

/** One is chosen, and its run on all rows follows. */
export interface ChosenEvent {
  event: "chosen";
  method: string;
  reason: string;
}

export interface WarningEvent {
  event: "warning";
  message: string;
}

/** Many held-out rows are being evaluated; at the end all of them, if they were too many for that on the way. */
export interface MeasuringEvent {
  event: "measuring";
  done: number;
  total: number;
}

export interface DoneEvent {
  event: "done";
  accuracy: number;
  macro_f1: number;
  probe_accuracy: number;
  majority_accuracy: number;
  steps: number;
  seconds: number;
  device: string;
  stopped_early: boolean;
  per_class: { label: string; precision: number; recall: number; f1: number; support: number }[];
  /** Rows: the true class; columns: the predicted one; both in the order of `per_class`. */
  confusion: number[][];
}

export type RunEvent =
  | StartedEvent
  | PreparingEvent
  | ProbeEvent
  | StepEvent
  | EvalEvent
  | StageEvent
  | PrunedEvent
  | TryingEvent
  | TrialEvent
  | ChosenEvent
  | WarningEvent
  | MeasuringEvent
  | DoneEvent;

/** A variant under a seed. */
export interface Cell {
  name: string;
  seed: number;
}

/** A held-out evaluation on the way; the time is that of the training, evaluations left out. */
export interface Point {
  seconds: number;
  step: number;
  accuracy: number;
  loss: number;
}

/** What the run of a cell came to. */
export interface CellResult {
  name: string;
  seed: number;
  accuracy: number;
  macro_f1: number;
  /** Absent where nothing was trained. */
  loss?: number | null;
  tests: { name: string; accuracy: number; macro_f1: number }[];
  curve: Point[];
  prompt_parameters: number;
  head_parameters: number;
  training_seconds: number;
  seconds: number;
  flops: number;
  evaluation_flops: number;
  peak_bytes: number;
  adapter_bytes: number;
  steps: number;
  /** Steps that it was given. */
  planned_steps: number;
  best_step: number;
  /** Method that was trained, where the variant chooses one. */
  chosen?: string | null;
  device: string;
}

/** Mean and standard deviation over seeds (0 for a single one). */
export interface Spread {
  mean: number;
  deviation: number;
}

/** Mean difference in accuracy to the first variant, over the seeds that both have. */
export interface Difference {
  mean: number;
  /** Standard error of that mean; absent for a single seed. */
  error?: number | null;
  seeds: number;
}

/** A variant over its seeds. */
export interface Row {
  name: string;
  seeds: number;
  accuracy: Spread;
  macro_f1: Spread;
  loss?: Spread | null;
  tests: { name: string; accuracy: Spread; macro_f1: Spread }[];
  /** Absent for the first variant. */
  difference?: Difference | null;
  prompt_parameters: number;
  head_parameters: number;
  training_seconds: Spread;
  seconds: Spread;
  flops: number;
  peak_bytes: number;
  adapter_bytes: number;
  steps: number;
}

/** What a comparison tells. `cell` is an index into `cells` of the first event. */
export type CompareEvent =
  | { event: "planned"; cells: Cell[] }
  | { event: "cell_started"; cell: number; name: string; seed: number }
  | { event: "run"; cell: number; run: RunEvent }
  | { event: "cell_done"; cell: number; result: CellResult; rows: Row[] }
  | { event: "cell_failed"; cell: number; error: string }
  | { event: "done"; rows: Row[] };

/** Both ends of a 95 % confidence interval. */
export interface Interval {
  low: number;
  high: number;
}

/** Answers with a confidence above `low` and up to `high`. */
export interface Bin {
  low: number;
  high: number;
  count: number;
  /** Mean; 0 for none, as the accuracy. */
  confidence: number;
  accuracy: number;
}

/** What can be said of a result beyond its figures; they are of `rows` held-out rows. */
export interface Understanding {
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

/** A held-out row with what was said of it. */
export interface AnsweredRow {
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
export interface AnsweredPart {
  total: number;
  rows: AnsweredRow[];
}

/** What the prompt rows are nearest to; no rows where they do not live among the words, with the reason. */
export interface Nearest {
  rows: { member: number; row: number; tokens: { token: string; cosine: number }[] }[];
  why_not?: string | null;
}

/** A row of a table with its new label; null takes it out. */
export interface Edit {
  row: number;
  label: string | null;
}

/** The frozen encoder in the worker's memory. */
export interface Model {
  readonly layers: number;
  readonly hidden: number;
  free(): void;
}

/** A training run that is pulled. While `next` is pending no other method may be called (wasm-bindgen refuses it). */
export interface Run {
  /** The next event; undefined when the run is over. */
  next(): Promise<RunEvent | undefined>;
  /** The next events end the run, with the best so far. */
  stop(): void;
  /** The best so far as a zip. */
  adapter(): Uint8Array;
  /** Class probabilities with the best so far. */
  predict(texts: string[]): Promise<Prediction[]>;
  /** What `Run.resume` needs; undefined while methods are tried, where the method has no prompt, and once the steps are over. */
  checkpoint(): Promise<Uint8Array | undefined>;
  /** About the held-out rows that the figures are from, with the best so far. */
  understand(): Understanding;
  /** Wrong answers, the surest first: at most `most` behind the first `from`. */
  mistakes(from: number, most: number): AnsweredPart;
  /** Rows of a class that were taken for another, by their indices. */
  cell(truth: number, predicted: number, from: number, most: number): AnsweredPart;
  nearest(): Nearest;
  /** An HTML file that stands alone; `file` is the name of the data. */
  report(file: string): string;
  free(): void;
}

/** A comparison that is pulled as a run is. */
export interface Comparison {
  /** The next event; undefined when it is over. What a cell cannot do ends that cell only. */
  next(): Promise<CompareEvent | undefined>;
  /** The cell under way is given up; those that are done stay. */
  stop(): void;
  free(): void;
}

/** The wasm package. What it throws is a `Problem` (see lib/problem.ts). */
export interface Core {
  default(): Promise<unknown>;
  default_config(): RunConfig;
  validate_config(config: RunConfig): void;
  /** With what is left out filled in. */
  complete_config(config: unknown): RunConfig;
  detect_device(): Promise<DeviceReport>;
  open_table(bytes: Uint8Array, config: RunConfig): TableView;
  /** The table after changes of its labels, as a CSV; the columns are those that `config` names. */
  edit_table(bytes: Uint8Array, config: RunConfig, edits: Edit[]): Uint8Array;
  /** `name` is the encoder's on the model hub; it goes into the adapter. `sha256` is that of the weights, if they were checked. */
  Model: { load(name: string, config: Uint8Array, tokenizer: Uint8Array, weights: Uint8Array, sha256?: string): Model };
  Run: {
    start(model: Model, table: Uint8Array, heldOut: Uint8Array | undefined, config: RunConfig): Promise<Run>;
    /** Goes on, on the same device bit for bit as if it had never stopped; `started` is told again. */
    resume(model: Model, table: Uint8Array, heldOut: Uint8Array | undefined, checkpoint: Uint8Array): Promise<Run>;
  };
  Comparison: {
    /** `variants` are names as the command line takes them, `done` are results of cells that need not be run again. */
    start(
      model: Model,
      table: Uint8Array,
      heldOut: Uint8Array | undefined,
      config: RunConfig,
      variants: string[],
      seeds: number[],
      done: CellResult[],
    ): Comparison | Promise<Comparison>;
  };
}
