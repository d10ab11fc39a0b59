/**
 * The state that the features of the page share, as plain data with a few actions. Each feature imports this and adds the narrow
 * view of other features that it needs; `Session` puts them together. No feature imports the session or another feature.
 */
import type { PruneConfig, RunConfig, TableView } from "../contract";
import type { Client } from "./client";
import type { Problem } from "./problem";
import type { RunView } from "./run-view";
import type { Source } from "./source";
import type { RunRecord } from "./store/record";

export type Stage = "start" | "ready" | "training" | "result" | "choosing" | "comparing" | "classifying" | "library";

/** Where a problem is shown: next to what caused it. */
export type ProblemLocation =
  | "page"
  | "file"
  | "heldOut"
  | "columns"
  | "options"
  | "settings"
  | "run"
  | "adapter"
  | "predict"
  | "analysis"
  | "fixes"
  | "report"
  | "comparison"
  | "open"
  | "library";

export interface PageState {
  stage: Stage;
  config: RunConfig | undefined;
  /** The defaults of pruning, used when it is switched on. */
  pruning: PruneConfig | undefined;
  source: Source | undefined;
  table: TableView | undefined;
  heldOut: Source | undefined;
  run: RunView;
  /** The saved run that is shown. */
  record: RunRecord | undefined;
  /** The run failed. */
  failed: boolean;
  /** An option holds text that is not a value. */
  readonly draftsWrong: boolean;
  problems: Partial<Record<ProblemLocation, Problem>>;
  /** For screen readers. */
  announcement: string;

  report(location: ProblemLocation, thrown: unknown): void;
  clear(...locations: ProblemLocation[]): void;
  /** A call that reports its problem. */
  control(job: Parameters<Client["call"]>[0], location?: ProblemLocation): Promise<void>;
  /** Returns to the data and the options. */
  back(): void;
  /** Goes to the option that has to be corrected first. */
  correct(): void;
}
