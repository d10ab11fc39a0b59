/** The record of a saved run. Plain data, validated: another version of the page may have written it, or a person. */
import type { DoneEvent, EvalEvent, RunConfig, StepEvent } from "../../contract";
import type { Problem } from "../problem";
import { emptyRun, trainedMethod, type RunView } from "../run-view";

/** Of a record; one of another format is left out. */
export const FORMAT = 1;

/** `running` in the store only means that no other state was written: its page may have been closed. */
export type RunState = "running" | "paused" | "done" | "stopped" | "failed";

const STATES: readonly string[] = ["running", "paused", "done", "stopped", "failed"] satisfies RunState[];

/** What a list of runs shows of one. */
export interface Figures {
  /** Method that was trained, by its name in the settings. */
  method: string;
  /** Steps done, of all. */
  step: number;
  steps: number;
  trainRows: number;
  heldOutRows: number;
  classes: number;
  /** On held-out rows, as shares: at the end, before that the best so far. */
  accuracy?: number;
  macroF1?: number;
  probeAccuracy?: number;
  majorityAccuracy?: number;
  /** Trainable parameters. */
  parameters: number;
  seconds: number;
  /** Its display name. */
  device: string;
}

export interface RunRecord {
  id: string;
  format: number;
  name: string;
  /** Milliseconds since 1970. */
  created: number;
  /** When the state or the checkpoint was written last. */
  changed: number;
  state: RunState;
  config: RunConfig;
  /** Name of the data file, and of the one with held-out rows. */
  file: string;
  heldOutFile?: string;
  /** SHA-256 of the two; absent if the data are not saved. */
  data?: string;
  heldOut?: string;
  /** The device that it runs on: on another one it would not resume bit for bit. */
  device?: "gpu" | "cpu";
  /** Name of the encoder on the model hub. */
  encoder: string;
  /** What tells it from others of that name; absent in runs of earlier versions. */
  encoderId?: string;
  /** Version of the page that wrote it. */
  version: string;
  figures: Figures;
  /** Why it failed. */
  problem?: Problem;
  /** Bytes of the adapter, where there is one. */
  adapterBytes?: number;
}

/** Whether the run may have a checkpoint: it is neither finished nor failed. */
export const isUnfinished = ({ state }: RunRecord): boolean => state === "running" || state === "paused";

export function figuresOf(view: RunView): Figures {
  const { started, done, step, probe } = view;
  const best: DoneEvent | EvalEvent | undefined = done ?? view.best;
  const last: DoneEvent | StepEvent | undefined = done ?? step;
  return {
    method: trainedMethod(view),
    step: done?.steps ?? step?.step ?? 0,
    steps: started?.steps ?? 0,
    trainRows: started?.train_rows ?? 0,
    heldOutRows: started?.held_out_rows ?? 0,
    classes: started?.classes.length ?? 0,
    accuracy: best?.accuracy,
    macroF1: best?.macro_f1,
    probeAccuracy: done?.probe_accuracy ?? probe?.accuracy,
    majorityAccuracy: started?.majority_accuracy,
    parameters: (started?.prompt_parameters ?? 0) + (started?.head_parameters ?? 0),
    seconds: last?.seconds ?? 0,
    device: started?.device ?? "",
  };
}

/** A new run. */
export function newRecord(
  name: string,
  config: RunConfig,
  file: string,
  heldOutFile: string | undefined,
  encoder: string,
  encoderId?: string,
): RunRecord {
  const now = Date.now();
  return {
    id: newId(),
    format: FORMAT,
    name,
    created: now,
    changed: now,
    state: "running",
    config,
    file,
    heldOutFile,
    encoder,
    encoderId,
    version: VERSION,
    figures: figuresOf(emptyRun(config.prompt.method)),
  };
}

/** Random. (`crypto.randomUUID` is there at secure addresses only.) */
export function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

type Fields = Record<string, unknown>;

const isObject = (value: unknown): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value);
const isText = (value: unknown): value is string => typeof value === "string";
const isNumber = (value: unknown): value is number => typeof value === "number";
const isAbsent = (value: unknown): value is undefined => value === undefined || value === null;

/** The record, or nothing where it is of another format or not whole. */
export function readRecord(value: unknown): RunRecord | undefined {
  if (!isObject(value) || value.format !== FORMAT) return undefined;
  const texts = ["id", "name", "file", "encoder", "version"].every((key) => isText(value[key]));
  const numbers = ["created", "changed"].every((key) => isNumber(value[key]) && Math.abs(value[key]) < 8e15);
  const maybe = ["heldOutFile", "data", "heldOut", "encoderId"].every((key) => isAbsent(value[key]) || isText(value[key]));
  const device = isAbsent(value.device) || value.device === "gpu" || value.device === "cpu";
  const state = isText(value.state) && STATES.includes(value.state);
  const { config, figures } = value;
  // The settings themselves are judged by the crate when they are used.
  const settings = isObject(config) && ["data", "prompt", "head", "optim", "eval"].every((key) => isObject(config[key]));
  const shown =
    isObject(figures) &&
    isText(figures.method) &&
    isText(figures.device) &&
    ["step", "steps", "trainRows", "heldOutRows", "classes", "parameters", "seconds"].every((key) => isNumber(figures[key])) &&
    ["accuracy", "macroF1", "probeAccuracy", "majorityAccuracy"].every((key) => isAbsent(figures[key]) || isNumber(figures[key]));
  return texts && numbers && maybe && device && state && settings && shown ? (value as unknown as RunRecord) : undefined;
}

/** The view of the run, or nothing if it is not valid. */
export function readView(value: unknown): RunView | undefined {
  if (!isObject(value) || !isText(value.method)) return undefined;
  const lists = ["trials", "stages", "evals", "losses", "warnings"].every((key) => Array.isArray(value[key]));
  if (!lists) return undefined;
  const view = value as unknown as RunView;
  const numbers = (object: unknown, ...keys: string[]) => isObject(object) && keys.every((key) => isNumber(object[key]));
  const drawn =
    view.losses.every(isNumber) &&
    view.warnings.every(isText) &&
    view.evals.every((point) => numbers(point, "step", "loss", "accuracy", "macro_f1")) &&
    view.stages.every((stage) => numbers(stage, "stage", "stages", "layers", "neurons", "after")) &&
    view.trials.every((trial) => numbers(trial, "loss", "accuracy", "seconds") && isText(trial.method));
  const { started, done, probe, step } = view;
  const facts =
    (isAbsent(started) ||
      (numbers(started, "train_rows", "held_out_rows", "steps", "majority_accuracy", "prompt_parameters", "head_parameters") &&
        Array.isArray(started.classes) &&
        started.classes.every(isText) &&
        isText(started.device) &&
        isText(started.device_reason))) &&
    (isAbsent(probe) || numbers(probe, "accuracy", "macro_f1")) &&
    (isAbsent(step) || numbers(step, "step", "steps", "loss", "seconds", "seconds_left", "tokens_per_second"));
  return drawn && facts && (isAbsent(done) || isResult(done)) ? view : undefined;
}

function isResult(done: unknown): boolean {
  if (!isObject(done) || !isText(done.device) || !Array.isArray(done.per_class) || !Array.isArray(done.confusion)) return false;
  const numbers = ["accuracy", "macro_f1", "probe_accuracy", "majority_accuracy", "steps", "seconds"];
  const classes: unknown[] = done.per_class;
  const rows: unknown[] = done.confusion;
  return (
    numbers.every((key) => isNumber(done[key])) &&
    classes.every(
      (one) => isObject(one) && isText(one.label) && ["precision", "recall", "f1", "support"].every((key) => isNumber(one[key])),
    ) &&
    rows.length === classes.length &&
    rows.every((row) => Array.isArray(row) && row.length === classes.length && row.every(isNumber))
  );
}
