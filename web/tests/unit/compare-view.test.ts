import { describe, expect, it } from "vitest";
import type { CellResult, CompareEvent, EvalEvent, Row, StepEvent } from "../../src/contract";
import {
  aligned,
  bestOf,
  doneRuns,
  doneText,
  emptyComparison,
  isMissing,
  latest,
  productText,
  progressOf,
  resultsOf,
  take,
} from "../../src/lib/compare-view";
import { forgetCells, saveCell, savedCells, type CellStorage } from "../../src/lib/saved-cells";
import { lookOf, variantName, variants, withVariant } from "../../src/lib/variants";
import "./core";
import { config, pruning } from "./config";

const result = (name: string, seed: number, accuracy: number): CellResult => ({
  name,
  seed,
  accuracy,
  macro_f1: accuracy,
  loss: 1 - accuracy,
  tests: [],
  curve: [{ seconds: 1.5, step: 4, accuracy, loss: 1 - accuracy }],
  prompt_parameters: 30,
  head_parameters: 8,
  training_seconds: 1.5,
  seconds: 2,
  flops: 1e9,
  evaluation_flops: 1e8,
  peak_bytes: 1000,
  adapter_bytes: 200,
  steps: 4,
  planned_steps: 4,
  best_step: 4,
  chosen: null,
  device: "CPU",
});
const row = (name: string, mean: number): Row => ({
  name,
  seeds: 1,
  accuracy: { mean, deviation: 0 },
  macro_f1: { mean, deviation: 0 },
  loss: null,
  tests: [],
  difference: null,
  prompt_parameters: 30,
  head_parameters: 8,
  training_seconds: { mean: 1.5, deviation: 0 },
  seconds: { mean: 2, deviation: 0 },
  flops: 1e9,
  peak_bytes: 1000,
  adapter_bytes: 200,
  steps: 4,
});
const step = (n: number): StepEvent => ({
  event: "step",
  step: n,
  steps: 4,
  loss: 1,
  learning_rate: 0.01,
  tokens_per_second: 10,
  seconds: n / 2,
  seconds_left: 1,
  memory_bytes: 5e7,
});
const evaluation = (n: number, accuracy: number): EvalEvent => ({
  event: "eval",
  step: n,
  loss: 1,
  accuracy,
  macro_f1: accuracy,
  best: true,
});
describe("the number of runs", () => {
  it("is told with what it is made of", () => {
    expect(productText(4, 3)).toBe("4 methods × 3 seeds");
    expect(productText(2, 1)).toBe("2 methods × 1 seed");
    const view = emptyComparison();
    expect(doneText(view)).toBe("0 of 0 runs done");
    const cells = [5, 6, 7].flatMap((seed) => ["prompt", "late", "probe", "majority"].map((name) => ({ name, seed })));
    take(view, { event: "planned", cells });
    take(view, { event: "cell_done", cell: 0, result: result("prompt", 5, 0.8), rows: [] });
    expect(doneText(view)).toBe("1 of 9 runs done (3 methods × 3 seeds)");
  });
});

const planned: CompareEvent = {
  event: "planned",
  cells: ["prompt", "late", "majority"].map((name) => ({ name, seed: 5 })),
};

describe("what is known of a comparison", () => {
  it("is built up from its events", () => {
    const view = emptyComparison();
    expect(progressOf(view)).toBe(0);
    const events: CompareEvent[] = [
      planned,
      { event: "cell_started", cell: 0, name: "prompt", seed: 5 },
      { event: "run", cell: 0, run: step(2) },
      { event: "run", cell: 0, run: evaluation(2, 0.6) },
    ];
    for (const event of events) take(view, event);
    expect(view.cells.map(({ state }) => state)).toEqual(["running", "waiting", "waiting"]);
    expect(view.cells[0]!.points, "a live point at the time so far").toEqual([{ seconds: 1, accuracy: 0.6 }]);
    expect(view.current).toMatchObject({ cell: 0, share: 0.5, doing: "step 2 of 4" });
    expect(progressOf(view)).toBeCloseTo(1 / 4, 12);

    take(view, { event: "cell_done", cell: 0, result: result("prompt", 5, 0.7), rows: [row("prompt", 0.7)] });
    expect(view.cells[0]!.points, "the measured curve instead of the live one").toEqual(result("prompt", 5, 0.7).curve);
    expect(view.current).toBeUndefined();
    take(view, { event: "cell_started", cell: 1, name: "late", seed: 5 });
    take(view, { event: "cell_failed", cell: 1, error: "no such layer" });
    expect(view.cells[1]).toMatchObject({ state: "failed", error: "no such layer" });
    expect(doneRuns(view)).toBe(2);
    take(view, { event: "cell_started", cell: 2, name: "majority", seed: 5 });
    take(view, { event: "done", rows: [row("prompt", 0.7)] });
    expect(view.over).toBe(true);
    expect(progressOf(view)).toBe(1);
    expect(view.cells[2]!.state, "given up, not done").toBe("waiting");
    expect(isMissing(view)).toBe(false);
    expect(resultsOf(view).map(({ name }) => name)).toEqual(["prompt"]);
  });

  it("counts cells that were done before", () => {
    const view = emptyComparison();
    take(view, planned);
    take(view, { event: "cell_done", cell: 1, result: result("late", 5, 0.8), rows: [row("late", 0.8)] });
    expect(progressOf(view), "the largest class is no run").toBeCloseTo(1 / 2, 12);
    expect(latest(view)).toEqual([{ name: "late", accuracy: 0.8, cells: 1 }]);
    expect(isMissing(view)).toBe(true);
  });

  it("takes the best that can be trained", () => {
    expect(bestOf([row("prompt", 0.7), row("late", 0.8), row("probe", 0.8), row("majority", 0.9)])?.name).toBe("late");
    expect(bestOf([row("majority", 0.9)])).toBeUndefined();
    expect(bestOf([])).toBeUndefined();
  });

  it("draws curves of different times over one axis", () => {
    const curve = (...points: [number, number][]) => points.map(([seconds, accuracy]) => ({ seconds, accuracy }));
    expect(aligned([curve([1, 0.1], [3, 0.3]), curve([2, 0.2], [3, 0.4])])).toEqual([
      [1, 2, 3],
      [0.1, null, 0.3],
      [null, 0.2, 0.4],
    ]);
    expect(aligned([])).toEqual([[]]);
  });
});

describe("cells that are kept", () => {
  const shelf = (): CellStorage => {
    const map = new Map<string, string>();
    return {
      getItem: (key) => map.get(key) ?? null,
      setItem: (key, value) => void map.set(key, value),
      removeItem: (key) => void map.delete(key),
    };
  };

  it("come back for the same data and settings only", () => {
    const store = shelf();
    saveCell(store, "a", result("prompt", 5, 0.7));
    saveCell(store, "a", result("late", 5, 0.8));
    saveCell(store, "a", result("late", 5, 0.9));
    expect(savedCells(store, "a").map(({ name, accuracy }) => [name, accuracy])).toEqual([
      ["prompt", 0.7],
      ["late", 0.9],
    ]);
    expect(savedCells(store, "b")).toEqual([]);
    saveCell(store, "b", result("prompt", 5, 0.1));
    expect(savedCells(store, "a"), "the latest comparison only").toEqual([]);
    forgetCells(store);
    expect(savedCells(store, "b")).toEqual([]);
  });

  it("cost nothing but time where nothing can be kept", () => {
    const full: CellStorage = {
      getItem: () => "{not json",
      setItem: () => {
        throw new DOMException("full", "QuotaExceededError");
      },
      removeItem: () => undefined,
    };
    saveCell(full, "a", result("prompt", 5, 0.7));
    expect(savedCells(full, "a")).toEqual([]);
    expect(savedCells(undefined, "a")).toEqual([]);
  });
});

describe("variants", () => {
  it("look different, by more than their colours", () => {
    const looks = [...variants().map(({ name }) => name), "probe", "majority"].map(lookOf);
    expect(new Set(looks.map(({ dash }) => JSON.stringify(dash))).size).toBe(looks.length);
    expect(lookOf("late+prompt.late.layer=2").color).toBeTruthy();
  });

  it("have names for people", () => {
    for (const { name, label } of variants()) expect(variantName(name)).toBe(label);
    expect(variantName("probe")).toBe("Linear probe");
    expect(variantName("majority")).toBe("Majority class");
    expect(variantName("late+prompt.late.layer=2")).toBe("late+prompt.late.layer=2");
  });

  it("become the settings of a run", () => {
    const pruned = { ...config, prompt: { ...config.prompt, prune: pruning } };
    expect(withVariant(pruned, "late", pruning)).toEqual({
      ...config,
      prompt: { ...config.prompt, method: "late", prune: null },
    });
    expect(withVariant(config, "xprompt", pruning).prompt).toMatchObject({ method: "prompt", prune: pruning });
    expect(withVariant(config, "dept", pruning).prompt).toMatchObject({
      method: "efficient",
      efficient: { fusion: false, spaces: 0 },
    });
  });
});
