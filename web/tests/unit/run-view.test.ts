import { describe, expect, it } from "vitest";
import type { DoneEvent, EvalEvent, RunEvent, StepEvent } from "../../src/contract";
import {
  earlyEnd,
  emptyRun,
  marksOf,
  progressOf,
  prunedText,
  smooth,
  spaced,
  stageText,
  take,
  trainedMethod,
  verdict,
} from "../../src/lib/run-view";

const step = (n: number, loss: number): StepEvent => ({
  event: "step",
  step: n,
  steps: 4,
  loss,
  learning_rate: 0.01,
  tokens_per_second: 1000,
  seconds: n,
  seconds_left: 4 - n,
  memory_bytes: 5e7,
});
const evaluation = (n: number, accuracy: number, best: boolean): EvalEvent => ({
  event: "eval",
  step: n,
  loss: 1 - accuracy,
  accuracy,
  macro_f1: accuracy,
  best,
});
const done = (accuracy: number, probe: number): DoneEvent => ({
  event: "done",
  accuracy,
  macro_f1: accuracy,
  probe_accuracy: probe,
  majority_accuracy: 0.2,
  steps: 4,
  seconds: 4,
  device: "CPU",
  stopped_early: false,
  stopped_by_user: false,
  per_class: [],
  confusion: [],
});

describe("what is known of a run", () => {
  it("is built up from its events", () => {
    const run = emptyRun();
    expect(progressOf(run)).toBe(0);
    const events: RunEvent[] = [
      { event: "preparing", done: 40, total: 80 },
      { event: "probe", accuracy: 0.7, macro_f1: 0.7 },
      step(1, 2),
      step(2, 1.5),
      { event: "measuring", done: 256, total: 2000 },
      evaluation(2, 0.8, true),
      { event: "warning", message: "slow" },
      step(3, 1.2),
      evaluation(3, 0.75, false),
    ];
    for (const event of events) take(run, event);
    expect(run.losses).toEqual([2, 1.5, 1.2]);
    expect(run.evals).toHaveLength(2);
    expect(run.best?.step).toBe(2);
    expect(run.preparing?.done).toBe(40);
    expect(run.probe?.accuracy).toBe(0.7);
    expect(run.warnings).toEqual(["slow"]);
    expect(run.measuring, "over with the evaluation").toBeUndefined();
    take(run, { event: "measuring", done: 32, total: 20_000 });
    expect(run.measuring?.total).toBe(20_000);
    expect(progressOf(run)).toBe(0.75);
    take(run, done(0.8, 0.7));
    expect(progressOf(run)).toBe(1);
  });
});

describe("what is known of how it came about", () => {
  it("is the trials and what was chosen", () => {
    const run = emptyRun("auto");
    expect(trainedMethod(run)).toBe("auto");
    take(run, { event: "trying", method: "late", done: 3, total: 40 });
    expect(run.trying?.done).toBe(3);
    take(run, { event: "trial", method: "prompt", loss: 0.7, accuracy: 0.8, seconds: 3 });
    take(run, { event: "trial", method: "late", loss: 0.6, accuracy: 0.82, seconds: 2 });
    take(run, { event: "chosen", method: "late", reason: "lowest loss", seconds: 4 });
    expect(run.trials.map(({ method }) => method)).toEqual(["prompt", "late"]);
    expect(run.trying, "over with the choice").toBeUndefined();
    expect(trainedMethod(run)).toBe("late");
    expect(trainedMethod(emptyRun("deep"))).toBe("deep");
  });

  it("is stages and pruning, marked where they began", () => {
    const run = emptyRun("progressive");
    const stage = (n: number, layers: number) =>
      ({ event: "stage", stage: n, stages: 2, layers, neurons: 768, steps: 2 }) as const;
    take(run, stage(1, 1));
    take(run, step(1, 2));
    take(run, step(2, 2));
    take(run, stage(2, 6));
    take(run, step(3, 1));
    take(run, { event: "pruned", rows: 8, pieces: 102, of: 160 });
    expect(stageText(run.stages[0]!)).toBe("Stage 1 of 2: 1 layer of 768 neurons");
    expect(prunedText(run.pruned!)).toBe("Pruned: 8 prompt rows left, with 102 of 160 pieces");
    expect(marksOf(run)).toEqual([
      { at: 2, label: "Stage 2" },
      { at: 3, label: "Pruned" },
    ]);
  });
});

describe("the moving average", () => {
  it("starts at the first value and follows", () => {
    expect(smooth([3])[0]).toBeCloseTo(3, 12);
    expect(smooth([1, 1, 1]).at(-1)).toBeCloseTo(1, 12);
    expect(smooth([0, 1], 0.5)[1]).toBeCloseTo(2 / 3, 12);
  });

  it("is not spoiled by what is not a number", () => {
    expect(smooth([Number.NaN, 2, Number.NaN, 2]).slice(1)).toEqual([2, 2, 2].map((value) => expect.closeTo(value, 12)));
    expect(smooth([Number.NaN])[0]).toBeNaN();
    expect(smooth([])).toEqual([]);
  });
});

describe("what is drawn of a long run", () => {
  it("is everything while that is little, then evenly less, always with the last", () => {
    expect(spaced(0, 4)).toEqual([]);
    expect(spaced(4, 4)).toEqual([0, 1, 2, 3]);
    expect(spaced(5, 4)).toEqual([0, 2, 4]);
    expect(spaced(10, 4)).toEqual([0, 3, 6, 9]);
    const many = spaced(24_999, 1000);
    expect(many.length).toBeLessThanOrEqual(1000);
    expect(many.at(-1)).toBe(24_998);
  });
});

describe("a run that ended before its last step", () => {
  it("was stopped, or ended by early stopping", () => {
    const run = emptyRun();
    expect(earlyEnd(run)).toBeUndefined();
    take(run, { ...done(0.8, 0.7), stopped_early: true });
    expect(earlyEnd(run)).toBe("ended by early stopping");
    expect(earlyEnd({ ...run, stoppedByUser: true })).toBe("stopped by you");
    take(run, done(0.8, 0.7));
    expect(earlyEnd({ ...run, stoppedByUser: true }), "all steps were done when it was stopped").toBeUndefined();
  });
});

describe("the verdict", () => {
  it("counts only a difference beyond chance", () => {
    expect(verdict(done(0.926, 0.84), 200)).toMatchObject({ tone: "good", text: expect.stringContaining("8.6 points above") });
    expect(verdict(done(0.86, 0.84), 50).tone).toBe("even");
    expect(verdict(done(0.6, 0.9), 200)).toMatchObject({ tone: "poor", text: expect.stringMatching(/^30\.0 points below the linear probe.*Use the linear probe/) });
    expect(verdict(done(0.9, 0.9), 200).tone).toBe("even");
    // The probe is not compared with itself.
    expect(verdict(done(0.9, 0.5), 200, "probe")).toMatchObject({ tone: "even", text: expect.stringContaining("itself") });
  });

  it("says where always answering one class is as good", () => {
    const even = { ...done(0.9, 0.5), majority_accuracy: 0.9 };
    expect(verdict(even, 200)).toMatchObject({ tone: "poor", text: expect.stringContaining("majority class") });
    expect(verdict(even, 200, "probe").tone).toBe("poor");
    expect(verdict({ ...even, accuracy: 0.95 }, 200).tone).toBe("good");
  });

  it("makes nothing of numbers that are none", () => {
    expect(verdict(done(Number.NaN, 0.9), 200).tone).toBe("even");
    expect(verdict(done(0.9, 0.5), 0).tone).toBe("even");
  });
});
