/** What the page knows of a run, built up event by event. Plain data: shown by the components, tested without them. */
import type { DoneEvent, EvalEvent, MeasuringEvent, PreparingEvent, ProbeEvent, RunEvent, StartedEvent, StepEvent } from "../contract";
import { points } from "./format";

export interface RunView {
  started?: StartedEvent;
  /** How far the probe is. */
  preparing?: PreparingEvent;
  probe?: ProbeEvent;
  /** The latest optimizer step. */
  step?: StepEvent;
  /** Training loss of step i + 1. */
  losses: number[];
  evals: EvalEvent[];
  best?: EvalEvent;
  warnings: string[];
  /** How far an evaluation of many held-out rows is. */
  measuring?: MeasuringEvent;
  done?: DoneEvent;
}

export function emptyRun(): RunView {
  return { losses: [], evals: [], warnings: [] };
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
    case "warning":
      view.warnings.push(event.message);
      break;
    case "measuring":
      view.measuring = event;
      break;
    case "done":
      view.done = event;
      break;
  }
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
 * Compares the prompt with the linear probe. The difference counts only beyond one standard error of an accuracy on that
 * many rows: less could be luck.
 */
export function verdict(done: DoneEvent, heldOutRows: number): Verdict {
  const difference = done.accuracy - done.probe_accuracy;
  const pooled = (done.accuracy + done.probe_accuracy) / 2;
  const error = Math.sqrt(Math.max(pooled * (1 - pooled), 0) / Math.max(heldOutRows, 1));
  if (!(Math.abs(difference) > error))
    return {
      tone: "even",
      text:
        difference === 0
          ? "As accurate as the linear probe, which learns no prompt: on these rows the encoder knew enough already."
          : `${points(difference)} ${difference > 0 ? "above" : "below"} the linear probe, which learns no prompt: too close to call on this many rows.`,
    };
  return difference > 0
    ? { tone: "good", text: `${points(difference)} above the linear probe, which learns no prompt.` }
    : {
        tone: "poor",
        text: `${points(difference)} below the linear probe, which learns no prompt. More steps or a smaller learning rate may help.`,
      };
}
