/**
 * The crate's JavaScript interface as the page uses it. Field names are the crate's own (serde, snake_case); defaults and
 * limits are not repeated here, the page asks for them.
 */

export type PromptInit = "random" | "vocabulary" | "labels" | { text: string };
export type HeadKind = "mean" | "cls" | "peft";
export type DeviceChoice = "auto" | "gpu" | "cpu";

/** Everything a run depends on, besides the data, the encoder and the device. An absent optional is null or undefined. */
export interface RunConfig {
  data: { text_column?: string | null; label_column?: string | null; held_out_fraction: number; max_tokens: number };
  prompt: { method: "probe" | "prompt"; length: number; init: PromptInit };
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
  | WarningEvent
  | MeasuringEvent
  | DoneEvent;

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
  free(): void;
}

/** The wasm package. What it throws is a `Problem` (see lib/problem.ts). */
export interface Core {
  default(): Promise<unknown>;
  default_config(): RunConfig;
  validate_config(config: RunConfig): void;
  detect_device(): Promise<DeviceReport>;
  open_table(bytes: Uint8Array, config: RunConfig): TableView;
  /** `name` is the encoder's on the model hub; it goes into the adapter. `sha256` is that of the weights, if they were checked. */
  Model: { load(name: string, config: Uint8Array, tokenizer: Uint8Array, weights: Uint8Array, sha256?: string): Model };
  Run: { start(model: Model, table: Uint8Array, heldOut: Uint8Array | undefined, config: RunConfig): Promise<Run> };
}
