/** What the page knows of a result beyond its figures, asked for piece by piece, and the labels that the user puts right. */
import { SvelteMap } from "svelte/reactivity";
import type { AnsweredPart, AnsweredRow, Edit, Nearest, RunConfig, Understanding as Summary } from "../contract";
import type { Client } from "./client";
import { counted } from "./format";
import { asProblem, endsWorker, problem } from "./problem";
import { readingOf, written } from "./reading";
import type { Place, Session } from "./session.svelte";
import type { Source } from "./source";
import { Remembered, type Asked } from "./store/answers";
import type { Opened } from "./store/runs";

/** Rows that are shown at first, and with each "show more". */
const FIRST = 5;
const MORE = 20;

/** Held-out rows of a class that were taken for another, or for itself. */
export interface OpenCell extends AnsweredPart {
  truth: number;
  predicted: number;
}

export class Understanding {
  summary = $state.raw<Summary>();
  mistakes = $state.raw<AnsweredRow[]>([]);
  cell = $state.raw<OpenCell>();
  nearest = $state.raw<Nearest>();
  /** New labels by row; null takes a row out. */
  readonly fixes = new SvelteMap<number, string | null>();
  /** The report can be had: it is kept where the rows are. */
  canReport = $state(true);
  /** The table is being changed. */
  fixing = $state(false);

  /** The files that the result is from: row numbers are theirs, also where a later training on changed ones was cancelled. */
  #source: Source | undefined;
  #heldOut: Source | undefined;
  /** The settings that it was trained with: the columns are theirs, also where others were chosen since. */
  #config: RunConfig | undefined;
  /** What is kept of the result, where the worker does not hold it, or not any more. */
  #kept: Asked | undefined;
  /** Counts the results: what arrives of an earlier one is dropped. */
  #results = 0;

  constructor(
    private readonly session: Session,
    private readonly client: Client,
  ) {}

  /** A result is there: forgets the one before and asks for what is shown at once. `kept` is one that was opened from the list. */
  async load(kept?: Opened): Promise<void> {
    this.forget();
    this.canReport = true;
    if (kept) this.#remember(kept);
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

  /** Another result is shown, of which nothing is known. */
  forget(): void {
    this.#results++;
    this.#kept = undefined;
    this.summary = this.cell = this.nearest = undefined;
    this.mistakes = [];
    this.fixes.clear();
    this.session.clear("understanding", "fixes", "report");
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

  /** The report as HTML, or nothing with the problem told. */
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

  /** Another label for a row; the one that it has takes the change back. */
  setLabel({ row, truth }: AnsweredRow, label: string | null): void {
    if (label === truth) this.fixes.delete(row);
    else this.fixes.set(row, label);
    const what = label === truth ? "stays as it is" : label === null ? "will be removed" : `will be labelled ${label}`;
    this.session.announcement = `Row ${row} ${what}. ${counted(this.fixes.size, "change")}.`;
  }

  dropFixes(): void {
    this.fixes.clear();
    this.session.announcement = "All changes were taken back.";
  }

  /** The changed table as a CSV, or nothing with the problem told. */
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

  /** Asked again of what is kept, where the worker ends at that moment. */
  async #answered<R>(job: (result: Asked) => Promise<R>): Promise<R> {
    const held = this.session.result.inWorker;
    try {
      return await job(await this.#asked());
    } catch (thrown) {
      if (!held || this.session.result.inWorker || !endsWorker(asProblem(thrown))) throw thrown;
      return job(await this.#asked());
    }
  }

  /** The worker that holds the result, or else what is kept of it. */
  async #asked(): Promise<Asked> {
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
    if (this.#kept) return this.#kept;
    const mine = this.#results;
    const opened = await this.session.library.answers(this.session.record?.id);
    if (mine !== this.#results) throw problem("cancelled", "Cancelled.", "");
    if (!opened) throw problem("storage", "The trainer that held this result is gone, and it is not kept.", "Train again.");
    return this.#remember(opened);
  }

  #remember({ record, answers, table, heldOut }: Opened): Asked {
    const { client } = this;
    if (!answers) throw problem("storage", "What is known of this result is not kept.", "Train it again.");
    this.canReport = answers.report !== undefined;
    return (this.#kept = new Remembered(answers, async (rows) =>
      table ? client.call((api) => api.rowTexts(table, heldOut, record.config, rows)) : [],
    ));
  }

  async #ask<R>(job: (result: Asked) => Promise<R>, take: (answer: R) => void, place: Place = "understanding"): Promise<void> {
    const mine = this.#results;
    this.session.clear(place);
    try {
      const answer = await this.#answered(job);
      if (mine === this.#results) take(answer);
    } catch (thrown) {
      if (mine === this.#results) this.session.report(place, thrown);
    }
  }
}
