/** The analysis of a result: mistakes, confusion matrix, calibration, nearest tokens, report; and the labels that the user corrects. */
import { SvelteMap } from "svelte/reactivity";
import type { PredictedRows, PredictedRow, Edit, Nearest, RunConfig, ResultSummary } from "../contract";
import type { Client } from "./client";
import { counted } from "./format";
import { asProblem, endsWorker, problem } from "./problem";
import type { PageState, ProblemLocation } from "./page-state";
import { readingOf, written, type Reading } from "./reading";
import type { Source } from "./source";
import { SavedResult, type ResultSource } from "./store/answers";
import type { Opened } from "./store/runs";

/** Rows that are shown at first, and with each "show more". */
const FIRST = 5;
const MORE = 20;

/** Held-out rows of a cell of the confusion matrix. */
export interface OpenCell extends PredictedRows {
  truth: number;
  predicted: number;
}

/** What the analysis uses of the page. */
interface Host extends PageState {
  readonly result: { readonly inWorker: boolean };
  readonly library: { answers(id: string | undefined): Promise<Opened | undefined> };
  readonly training: { train(): Promise<void> };
  replaceTable(bytes: Blob, reading: Reading): Promise<void>;
}

export class Analysis {
  summary = $state.raw<ResultSummary>();
  mistakes = $state.raw<PredictedRow[]>([]);
  cell = $state.raw<OpenCell>();
  nearest = $state.raw<Nearest>();
  /** New labels by row; null removes a row. */
  readonly fixes = new SvelteMap<number, string | null>();
  /** Whether there is a report: it is saved together with the rows. */
  canReport = $state(true);
  /** The table is being changed. */
  fixing = $state(false);

  /** The files that the result is from: row numbers are theirs, also where a later training on changed ones was cancelled. */
  #source: Source | undefined;
  #heldOut: Source | undefined;
  /** The settings that it was trained with: the columns are theirs, even if others were chosen since. */
  #config: RunConfig | undefined;
  /** The saved result, if the worker does not hold it, or no longer does. */
  #saved: ResultSource | undefined;
  /** Counts the results: answers about an earlier one are ignored. */
  #results = 0;

  constructor(
    private readonly session: Host,
    private readonly client: Client,
  ) {}

  /** Loads what is shown at once of a new result. `saved` is one that was opened from the list. */
  async load(saved?: Opened): Promise<void> {
    this.forget();
    this.canReport = true;
    if (saved) this.#openSaved(saved);
    this.#source = this.session.source;
    this.#heldOut = this.session.heldOut;
    this.#config = this.session.record?.config ?? this.session.config;
    await this.#ask(
      (result) => result.understand(),
      (summary) => (this.summary = summary),
    );
    await this.#ask(
      (result) => result.mistakes(0, FIRST),
      ({ rows }) => (this.mistakes = rows),
    );
  }

  /** Clears the analysis of the previous result. */
  forget(): void {
    this.#results++;
    this.#saved = undefined;
    this.summary = this.cell = this.nearest = undefined;
    this.mistakes = [];
    this.fixes.clear();
    this.session.clear("analysis", "fixes", "report");
  }

  async moreMistakes(): Promise<void> {
    const shown = this.mistakes.length;
    await this.#ask(
      (result) => result.mistakes(shown, MORE),
      ({ rows }) => (this.mistakes = [...this.mistakes.slice(0, shown), ...rows]),
    );
  }

  async openCell(truth: number, predicted: number): Promise<void> {
    await this.#ask(
      (result) => result.cell(truth, predicted, 0, FIRST),
      (part) => (this.cell = { truth, predicted, ...part }),
    );
  }

  async moreOfCell(): Promise<void> {
    const { cell } = this;
    if (!cell) return;
    await this.#ask(
      (result) => result.cell(cell.truth, cell.predicted, cell.rows.length, MORE),
      ({ rows }) => {
        if (this.cell === cell) this.cell = { ...cell, rows: [...cell.rows, ...rows] };
      },
    );
  }

  closeCell(): void {
    this.cell = undefined;
  }

  /** Computed once, when it is first looked at. */
  async loadNearest(): Promise<void> {
    if (this.nearest) return;
    await this.#ask(
      (result) => result.nearest(),
      (nearest) => (this.nearest = nearest),
    );
  }

  /** The report as HTML, or nothing with the problem reported. */
  async report(): Promise<string | undefined> {
    const file = this.#source?.name ?? "";
    let html: string | undefined;
    await this.#ask(
      (result) => result.report(file),
      (made) => (html = made),
      "report",
    );
    return html;
  }

  /** Relabels a row; its own label undoes the change. */
  setLabel({ row, truth }: PredictedRow, label: string | null): void {
    if (label === truth) this.fixes.delete(row);
    else this.fixes.set(row, label);
    const what = label === truth ? "is unchanged" : label === null ? "will be removed" : `will be labelled ${label}`;
    this.session.announcement = `Row ${row} ${what}. ${counted(this.fixes.size, "change")}.`;
  }

  dropFixes(): void {
    this.fixes.clear();
    this.session.announcement = "All changes were discarded.";
  }

  /** The changed table as a CSV, or nothing with the problem reported. */
  async changed(): Promise<Blob | undefined> {
    const config = this.#config;
    const source = this.#heldOut ?? this.#source;
    if (!source || !config) return undefined;
    const edits: Edit[] = Array.from(this.fixes, ([row, label]) => ({ row, label }));
    this.session.clear("fixes");
    try {
      return await this.client.call((api) => api.editTable(source.bytes, config, edits));
    } catch (thrown) {
      this.session.report("fixes", thrown);
      return undefined;
    }
  }

  /** Trains again on the changed table. The changes stay until there is another result: after a cancel nothing is lost. */
  async retrain(): Promise<void> {
    if (this.fixing || this.fixes.size === 0) return;
    this.fixing = true;
    const bytes = await this.changed();
    try {
      if (!bytes) return;
      // The table is read as it was for the result, also where it has been read in another way since.
      const [heldOut, source, reading] = [this.#heldOut, this.#source as Source, readingOf(this.#config as RunConfig)];
      if (heldOut) this.session.heldOut = { ...heldOut, bytes };
      await (heldOut ? this.session.replaceTable(source.bytes, reading) : this.session.replaceTable(bytes, written(reading)));
    } catch (thrown) {
      return this.session.report("fixes", thrown);
    } finally {
      this.fixing = false;
    }
    await this.session.training.train();
  }

  /** Asks the saved result if the worker ends at that moment. */
  async #withResult<R>(job: (result: ResultSource) => Promise<R>): Promise<R> {
    const held = this.session.result.inWorker;
    try {
      return await job(await this.#resultSource());
    } catch (thrown) {
      if (!held || this.session.result.inWorker || !endsWorker(asProblem(thrown))) throw thrown;
      return job(await this.#resultSource());
    }
  }

  /** The worker that holds the result, or else the saved result. */
  async #resultSource(): Promise<ResultSource> {
    if (this.session.result.inWorker) {
      const { client } = this;
      return {
        understand: () => client.call((api) => api.understand()),
        mistakes: (from, most) => client.call((api) => api.mistakes(from, most)),
        cell: (truth, predicted, from, most) => client.call((api) => api.cell(truth, predicted, from, most)),
        nearest: () => client.call((api) => api.nearest()),
        report: (file) => client.call((api) => api.report(file)),
      };
    }
    if (this.#saved) return this.#saved;
    const mine = this.#results;
    const opened = await this.session.library.answers(this.session.record?.id);
    if (mine !== this.#results) throw problem("cancelled", "Cancelled.", "");
    if (!opened) throw problem("storage", "The worker that held this result has stopped, and the result was not saved.", "Train again.");
    return this.#openSaved(opened);
  }

  #openSaved({ record, answers, table, heldOut }: Opened): ResultSource {
    const { client } = this;
    if (!answers) throw problem("storage", "The predictions of this result were not saved.", "Train it again.");
    this.canReport = answers.report !== undefined;
    return (this.#saved = new SavedResult(answers, async (rows) =>
      table ? client.call((api) => api.rowTexts(table, heldOut, record.config, rows)) : [],
    ));
  }

  async #ask<R>(job: (result: ResultSource) => Promise<R>, take: (answer: R) => void, location: ProblemLocation = "analysis"): Promise<void> {
    const mine = this.#results;
    this.session.clear(location);
    try {
      const answer = await this.#withResult(job);
      if (mine === this.#results) take(answer);
    } catch (thrown) {
      if (mine === this.#results) this.session.report(location, thrown);
    }
  }
}
