/**
 * The saved predictions of a result: everything about the held-out rows except their texts, which are in the saved table. Plain
 * data, validated like a record.
 */
import type { PredictedRows, PredictedRow, Nearest, Run, ResultSummary } from "../../contract";
import { problem } from "../problem";

export interface SavedAnswers {
  summary: ResultSummary;
  /** Class names. */
  labels: string[];
  /** Row numbers: the mistakes first, the most confident at the top, then the correct predictions class by class. */
  rows: number[];
  /** Indices of classes. */
  truth: number[];
  predicted: number[];
  probability: number[];
  truthProbability: number[];
  nearest: Nearest;
  /** The HTML file. It contains texts of the data: an exported run has it only if it has the rows. */
  report?: string;
}

/** A result that can be queried: in the worker that trained it, or saved. */
export interface ResultSource {
  understand(): Promise<ResultSummary>;
  mistakes(from: number, most: number): Promise<PredictedRows>;
  cell(truth: number, predicted: number, from: number, most: number): Promise<PredictedRows>;
  nearest(): Promise<Nearest>;
  report(file: string): Promise<string>;
}

/**
 * Everything to save of a finished run.
 *
 * @param file the name of the data, for the report
 * @throws what the run throws
 */
export function answersOf(run: Run, labels: string[], file: string): SavedAnswers {
  const summary = run.understand();
  const right = labels.flatMap((_, index) => run.cell(index, index, 0, summary.rows).rows);
  const answered = [...run.mistakes(0, summary.mistakes).rows, ...right];
  const index = new Map(labels.map((label, at) => [label, at]));
  const classOf = (label: string) => index.get(label) ?? 0;
  return {
    summary,
    labels,
    rows: answered.map(({ row }) => row),
    truth: answered.map(({ truth }) => classOf(truth)),
    predicted: answered.map(({ predicted }) => classOf(predicted)),
    probability: answered.map(({ probability }) => probability),
    truthProbability: answered.map(({ truth_probability }) => truth_probability),
    nearest: run.nearest(),
    report: run.report(file),
  };
}

/** Texts of held-out rows, in the order of their numbers; none for a row whose text was not saved. */
export type TextsOf = (rows: number[]) => Promise<(string | null)[]>;

/** Answers like the worker that trained the run. */
export class SavedResult implements ResultSource {
  /** Read when a text is first asked for. */
  #texts: Promise<Map<number, string>> | undefined;

  constructor(
    private readonly saved: SavedAnswers,
    private readonly textsOf: TextsOf,
  ) {}

  async understand(): Promise<ResultSummary> {
    return this.saved.summary;
  }

  async mistakes(from: number, most: number): Promise<PredictedRows> {
    return this.#part((truth, predicted) => truth !== predicted, from, most);
  }

  async cell(truth: number, predicted: number, from: number, most: number): Promise<PredictedRows> {
    return this.#part((actual, found) => actual === truth && found === predicted, from, most);
  }

  async nearest(): Promise<Nearest> {
    return this.saved.nearest;
  }

  async report(): Promise<string> {
    if (this.saved.report !== undefined) return this.saved.report;
    throw problem("storage", "The report was not saved with this run.", "Export the run with its rows to include the report.");
  }

  async #part(fits: (truth: number, predicted: number) => boolean, from: number, most: number): Promise<PredictedRows> {
    const { saved } = this;
    const found = saved.rows.flatMap((_, at) => (fits(saved.truth[at]!, saved.predicted[at]!) ? [at] : []));
    const texts = await (this.#texts ??= this.#read());
    const answered = (at: number): PredictedRow => ({
      row: saved.rows[at]!,
      text: texts.get(saved.rows[at]!) ?? "",
      truth: saved.labels[saved.truth[at]!]!,
      predicted: saved.labels[saved.predicted[at]!]!,
      probability: saved.probability[at]!,
      truth_probability: saved.truthProbability[at]!,
    });
    return { total: found.length, rows: found.slice(from, from + most).map(answered) };
  }

  async #read(): Promise<Map<number, string>> {
    const { rows } = this.saved;
    const texts = await this.textsOf(rows).catch((thrown: unknown) => {
      this.#texts = undefined;
      throw thrown;
    });
    return new Map(rows.flatMap((row, at) => (texts[at] ? [[row, texts[at]] as const] : [])));
  }
}

type Fields = Record<string, unknown>;

const isObject = (value: unknown): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value);
const isNumber = (value: unknown): value is number => typeof value === "number";
const isText = (value: unknown): value is string => typeof value === "string";
const isList = (value: unknown, fits: (one: unknown) => boolean): value is unknown[] => Array.isArray(value) && value.every(fits);
const isShare = (value: unknown) => isNumber(value) && value >= 0 && value <= 1;

/** What `answersOf` made, or nothing if it is invalid or does not fit `classes` classes. */
export function readAnswers(value: unknown, classes: number): SavedAnswers | undefined {
  if (!isObject(value) || !isSummary(value.summary) || !isNearest(value.nearest)) return undefined;
  const { labels, rows, truth, predicted, probability, truthProbability, report } = value;
  const isClass = (one: unknown) => isNumber(one) && Number.isInteger(one) && one >= 0 && one < classes;
  const isRow = (one: unknown) => isNumber(one) && Number.isSafeInteger(one) && one > 0;
  const whole =
    isList(labels, isText) &&
    labels.length === classes &&
    isList(rows, isRow) &&
    isList(truth, isClass) &&
    isList(predicted, isClass) &&
    isList(probability, isShare) &&
    isList(truthProbability, isShare) &&
    [truth, predicted, probability, truthProbability].every(({ length }) => length === rows.length);
  if (!whole || !(report === undefined || report === null || isReport(report))) return undefined;
  return value as unknown as SavedAnswers;
}

/** The report's beginning, as the crate writes it. */
const HEAD = '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n';
const POLICY = `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">\n`;

/**
 * Whether it is a report: an imported file must not become an active page once it is opened. Its policy forbids scripts and
 * requests; elements that the policy does not cover are refused.
 */
function isReport(value: unknown): boolean {
  return (
    isText(value) &&
    value.startsWith(HEAD + POLICY) &&
    !/<(script|iframe|object|embed|form|base|link|a\s|img|meta\s+http-equiv)/i.test(value.slice(HEAD.length + POLICY.length))
  );
}

function isSummary(value: unknown): boolean {
  const isInterval = (one: unknown) => isObject(one) && ["low", "high"].every((key) => isNumber(one[key]));
  const isBin = (one: unknown) =>
    isObject(one) && ["low", "high", "count", "confidence", "accuracy"].every((key) => isNumber(one[key]));
  return (
    isObject(value) &&
    isNumber(value.rows) &&
    isNumber(value.mistakes) &&
    isInterval(value.accuracy) &&
    isInterval(value.macro_f1) &&
    isObject(value.calibration) &&
    isNumber(value.calibration.error) &&
    isNumber(value.calibration.excess) &&
    isList(value.calibration.bins, isBin)
  );
}

function isNearest(value: unknown): boolean {
  const isToken = (one: unknown) => isObject(one) && isText(one.token) && isNumber(one.cosine);
  const isRow = (one: unknown) => isObject(one) && isNumber(one.member) && isNumber(one.row) && isList(one.tokens, isToken);
  return (
    isObject(value) &&
    isList(value.rows, isRow) &&
    (value.why_not === undefined || value.why_not === null || isText(value.why_not))
  );
}
