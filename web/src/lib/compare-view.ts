/** The view of a comparison, built from its events. Plain data: shown by the components, tested without them. */
import type { Cell, CellResult, CompareEvent, Row, RunEvent } from "../contract";
import { count, counted } from "./format";

/** An evaluation during the run: training seconds and held-out accuracy. */
export interface CurvePoint {
  seconds: number;
  accuracy: number;
}

export interface CellView extends Cell {
  state: "waiting" | "running" | "done" | "failed";
  /** Why it failed. */
  error?: string;
  points: CurvePoint[];
  result?: CellResult;
}

export interface CompareView {
  /** In the order in which they run. */
  cells: CellView[];
  /** The table so far. */
  rows: Row[];
  /** Progress of the current cell: 0 to 1, in words, and its seconds so far. */
  current?: { cell: number; share: number; doing: string; seconds: number };
  device?: string;
  over: boolean;
}

export function emptyComparison(): CompareView {
  return { cells: [], rows: [], over: false };
}

export function take(view: CompareView, event: CompareEvent): void {
  switch (event.event) {
    case "planned":
      view.cells = event.cells.map(({ name, seed }) => ({ name, seed, state: "waiting", points: [] }));
      break;
    case "cell_started":
      change(view, event.cell, { state: "running" });
      view.current = { cell: event.cell, share: 0, doing: "preparing", seconds: 0 };
      break;
    case "run":
      takeRun(view, event.cell, event.run);
      break;
    case "cell_done":
      change(view, event.cell, { state: "done", result: event.result, points: event.result.curve });
      view.rows = event.rows;
      if (view.current?.cell === event.cell) view.current = undefined;
      break;
    case "cell_failed":
      change(view, event.cell, { state: "failed", error: event.error });
      if (view.current?.cell === event.cell) view.current = undefined;
      break;
    case "done":
      view.rows = event.rows;
      end(view);
      break;
  }
}

/** The comparison is over: the current cell is discarded. */
export function end(view: CompareView): void {
  view.current = undefined;
  view.over = true;
  view.cells = view.cells.map((cell) => (cell.state === "running" ? { ...cell, state: "waiting" } : cell));
}

/** Cells are replaced, not changed: what is shown compares them by identity. */
function change(view: CompareView, index: number, what: Partial<CellView>): void {
  view.cells = view.cells.map((cell, i) => (i === index ? { ...cell, ...what } : cell));
}

function takeRun(view: CompareView, index: number, run: RunEvent): void {
  const cell = view.cells[index];
  const current = view.current;
  if (!cell || !current) return;
  const at = (share: number, doing: string, seconds = current.seconds) => (view.current = { cell: index, share, doing, seconds });
  switch (run.event) {
    case "started":
      view.device = run.device;
      break;
    case "trying":
      // Trials are a part of the run that is not in its steps.
      at(0, `trials, step ${run.done} of ${run.total}`);
      break;
    case "preparing":
      at(0, `encoding, text ${run.done} of ${run.total}`);
      break;
    case "measuring":
      at(current.share, "evaluating on held-out rows");
      break;
    case "step":
      at(run.steps > 0 ? run.step / run.steps : 0, `step ${run.step} of ${run.steps}`, run.seconds);
      break;
    case "eval":
      // The time of the whole run stands in for its training time, which is known once the cell is done.
      change(view, index, { points: [...cell.points, { seconds: current.seconds, accuracy: run.accuracy }] });
      break;
  }
}

/** The majority-class baseline. It needs no run, and is not counted. */
export const MAJORITY = "majority";

/** What a number of runs is made of: `4 methods × 3 seeds`. */
export function productText(methods: number, seeds: number): string {
  return `${counted(methods, "method")} × ${counted(seeds, "seed")}`;
}

/** `3 of 12 runs done (4 methods × 3 seeds)`: every method has every seed. */
export function doneText(view: CompareView): string {
  const runs = runsOf(view);
  const [methods, seeds] = [new Set(runs.map(({ name }) => name)).size, new Set(runs.map(({ seed }) => seed)).size];
  return `${count(doneRuns(view))} of ${counted(runs.length, "run")} done${runs.length ? ` (${productText(methods, seeds)})` : ""}`;
}

/** The cells that are runs. */
export const runsOf = (view: CompareView): CellView[] => view.cells.filter(({ name }) => name !== MAJORITY);

/** Runs that are over, failed ones included. */
export const doneRuns = (view: CompareView): number =>
  runsOf(view).filter(({ state }) => state === "done" || state === "failed").length;

/** Runs were discarded, or never started. */
export const isMissing = (view: CompareView): boolean => runsOf(view).some(({ state }) => state === "waiting");

export const resultsOf = (view: CompareView): CellResult[] => view.cells.flatMap(({ result }) => (result ? [result] : []));

/** Progress of the comparison, 0 to 1: each run counts the same. */
export function progressOf(view: CompareView): number {
  if (view.over) return 1;
  const runs = runsOf(view).length;
  return runs ? Math.min(1, (doneRuns(view) + (view.current?.share ?? 0)) / runs) : 0;
}

/** The best variant: the highest mean accuracy, the first of equals; none while no trained variant has a result. */
export function bestOf(rows: Row[]): Row | undefined {
  const trained = rows.filter(({ name }) => name !== MAJORITY);
  return trained.reduce<Row | undefined>(
    (best, row) => (best && best.accuracy.mean >= row.accuracy.mean ? best : row),
    undefined,
  );
}

/** Curves over one axis: the sorted places of all of them, then each curve's values there, null where it has none. */
export function aligned(curves: CurvePoint[][]): [number[], ...(number | null)[][]] {
  const places = [...new Set(curves.flatMap((curve) => curve.map(({ seconds }) => seconds)))].sort((a, b) => a - b);
  const values = curves.map((curve) => {
    const at = new Map(curve.map(({ seconds, accuracy }) => [seconds, accuracy]));
    return places.map((place) => at.get(place) ?? null);
  });
  return [places, ...values];
}

/** The latest accuracy of each variant that has one, mean over its cells: the summary of the chart. */
export function latest(view: CompareView): { name: string; accuracy: number; cells: number }[] {
  const names = [...new Set(view.cells.map(({ name }) => name))];
  return names.flatMap((name) => {
    const last = view.cells.filter((cell) => cell.name === name).flatMap(({ points }) => points.at(-1)?.accuracy ?? []);
    return last.length ? [{ name, accuracy: last.reduce((a, b) => a + b) / last.length, cells: last.length }] : [];
  });
}
