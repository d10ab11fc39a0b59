/**
 * The crate's JavaScript interface as the page uses it. Its data is in `contract.generated.ts`, written from the crate's own types;
 * here is what has no type there: the classes, and what is made of the generated types.
 */
import type {
  CellResult,
  CompareEvent,
  DeviceReport,
  Prediction,
  RunConfig,
  RunEvent,
  SettingGroup,
  TableView,
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
  /** What every setting is: its name, its words, its limits. */
  describe_config(): SettingGroup[];
  validate_config(config: RunConfig): void;
  /** With what is left out filled in. */
  complete_config(config: unknown): RunConfig;
  detect_device(): Promise<DeviceReport>;
  open_table(bytes: Uint8Array, config: RunConfig): TableView;
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
