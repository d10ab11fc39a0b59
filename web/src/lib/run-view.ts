/** The view of a run, built from its events. Plain data: shown by the components, tested without them. */
import type {
  ChosenEvent,
  DoneEvent,
  EvalEvent,
  MeasuringEvent,
  Method,
  PreparingEvent,
  ProbeEvent,
  PrunedEvent,
  RunEvent,
  StageEvent,
  StartedEvent,
  StepEvent,
  TrialEvent,
  TryingEvent,
} from "../contract";
import { count, counted, points } from "./format";

export interface RunView {
  /** Method of the config; if that is a choice, the chosen one is in `chosen`. */
  method: Method;
  trials: TrialEvent[];
  /** Progress of the trials. */
  trying?: TryingEvent;
  chosen?: ChosenEvent;
  /** Stages so far, and the steps that were done when each began. */
  stages: (StageEvent & { after: number })[];
  pruned?: PrunedEvent & { after: number };
  started?: StartedEvent;
  /** Progress of the linear probe. */
  preparing?: PreparingEvent;
  probe?: ProbeEvent;
  /** The latest optimizer step. */
  step?: StepEvent;
  /** Training loss of step i + 1. */
  losses: number[];
  evals: EvalEvent[];
  best?: EvalEvent;
  warnings: string[];
  /** Progress of an evaluation of many held-out rows. */
  measuring?: MeasuringEvent;
  done?: DoneEvent;
  /** The user has stopped it, as the page knows it: saved runs of earlier versions do not say so themselves. */
  stoppedByUser?: boolean;
}

export function emptyRun(method: Method = "prompt"): RunView {
  return { method, trials: [], stages: [], losses: [], evals: [], warnings: [] };
}

/** Takes one event in. The lists grow in place: a long run has many steps. */
export function take(view: RunView, event: RunEvent): void {
  switch (event.event) {
    case "started":
      view.started = event;
      break;
    case "preparing":
      view.preparing = event;
      break;
    case "probe":
      view.probe = event;
      break;
    case "step":
      view.step = event;
      view.measuring = undefined;
      view.losses[event.step - 1] = event.loss;
      break;
    case "eval":
      view.evals.push(event);
      view.measuring = undefined;
      if (event.best) view.best = event;
      break;
    case "trying":
      view.trying = event;
      break;
    case "trial":
      view.trials.push(event);
      break;
    case "chosen":
      view.chosen = event;
      view.trying = undefined;
      break;
    case "stage":
      // A resumed run repeats its stage event.
      if (view.stages.at(-1)?.stage !== event.stage) view.stages.push({ ...event, after: view.losses.length });
      break;
    case "pruned":
      view.pruned = { ...event, after: view.losses.length };
      break;
    case "warning":
      if (!view.warnings.includes(event.message)) view.warnings.push(event.message);
      break;
    case "measuring":
      view.measuring = event;
      break;
    case "done":
      view.done = event;
      break;
  }
}

/** The method that is trained, by its name in the settings; `auto` while it is not chosen. */
export function trainedMethod(view: RunView): string {
  return view.chosen?.method ?? view.method;
}

/** "Stage 2 of 4: 3 layers of 768 neurons" */
export function stageText({ stage, stages, layers, neurons }: StageEvent): string {
  return `Stage ${stage} of ${stages}: ${counted(layers, "layer")} of ${counted(neurons, "neuron")}`;
}

/** "Pruned: 8 prompt rows left, with 102 of 160 pieces" */
export function prunedText({ rows, pieces, of }: PrunedEvent): string {
  return `Pruned: ${counted(rows, "prompt row")} left, with ${count(pieces)} of ${counted(of, "piece")}`;
}

/** Why a run ended before its last step, if it did. */
export function earlyEnd({ done, stoppedByUser = false }: RunView): string | undefined {
  if (!done?.stopped_early) return undefined;
  const byUser = stoppedByUser || ("stopped_by_user" in done && done.stopped_by_user === true);
  return byUser ? "stopped by you" : "ended by early stopping";
}

/** Where the curves are marked, in steps: the beginnings of later stages, and pruning. */
export function marksOf(view: RunView): { at: number; label: string }[] {
  const stages = view.stages.filter(({ after }) => after > 0).map(({ after, stage }) => ({ at: after, label: `Stage ${stage}` }));
  return view.pruned ? [...stages, { at: view.pruned.after, label: "Pruned" }] : stages;
}

/** Share of the steps that are done, 0 to 1. */
export function progressOf(view: RunView): number {
  if (view.done) return 1;
  return view.step && view.step.steps > 0 ? Math.min(1, view.step.step / view.step.steps) : 0;
}

/** Exponential moving average, corrected for its start; what is not a number stays out of it. `weight` is that of the past. */
export function smooth(values: number[], weight = 0.9): number[] {
  let sum = 0;
  let norm = 0;
  return values.map((value) => {
    if (Number.isFinite(value)) {
      sum = weight * sum + (1 - weight) * value;
      norm = weight * norm + (1 - weight);
    }
    return norm > 0 ? sum / norm : Number.NaN;
  });
}

/** Indices of at most `most` of `length` values, evenly spaced and with the last: what is drawn of a long run. */
export function spaced(length: number, most: number): number[] {
  const stride = Math.max(1, Math.ceil(length / most));
  return Array.from({ length: Math.ceil(length / stride) }, (_, index) => length - 1 - index * stride).reverse();
}

/** A verdict on the held-out rows, in one sentence. */
export type Verdict = { tone: "good" | "even" | "poor"; text: string };

/**
 * Compares the prompt with the linear probe. The difference counts only beyond one standard error of an accuracy on that many
 * rows: less could be chance. `method` is the one that was trained: the probe is not compared with itself. A result that is no
 * better than the majority-class baseline is reported as that first.
 */
export function verdict(done: DoneEvent, heldOutRows: number, method = "prompt"): Verdict {
  if (done.accuracy <= done.majority_accuracy)
    return { tone: "poor", text: "No better than always predicting the most frequent class (the majority class)." };
  if (method === "probe") return { tone: "even", text: "This is the linear probe itself: no prompt was trained." };
  const difference = done.accuracy - done.probe_accuracy;
  const pooled = (done.accuracy + done.probe_accuracy) / 2;
  const error = Math.sqrt(Math.max(pooled * (1 - pooled), 0) / Math.max(heldOutRows, 1));
  if (!(Math.abs(difference) > error))
    return {
      tone: "even",
      text:
        difference === 0
          ? "As accurate as the linear probe, which has no prompt: on these rows, the frozen encoder alone is enough."
          : `${points(difference)} ${difference > 0 ? "above" : "below"} the linear probe, which has no prompt: within one standard error for this many rows.`,
    };
  return difference > 0
    ? { tone: "good", text: `${points(difference)} above the linear probe, which has no prompt.` }
    : {
        tone: "poor",
        text: `${points(difference)} below the linear probe, which has no prompt. Use the linear probe here, or try more epochs, another learning rate or more rows.`,
      };
}
