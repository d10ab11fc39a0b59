/**
 * What a result is understood by, as it is kept: everything that is said of the held-out rows, without their texts, which are in the kept
 * table. Plain data, read with care as a record is.
 */
import type { AnsweredPart, AnsweredRow, Nearest, Run, Understanding } from "../../contract";
import { problem } from "../problem";

export interface KeptAnswers {
  summary: Understanding;
  /** Class names. */
  labels: string[];
  /** An answer in each: the wrong ones in front, the surest first, then the right ones class by class. */
  rows: number[];
  /** Indices of classes. */
  truth: number[];
  predicted: number[];
  probability: number[];
  truthProbability: number[];
  nearest: Nearest;
  /** The HTML file. It shows texts of the data: an exported run has it where it has the rows. */
  report?: string;
}

/** Who can be asked about a result: the worker that trained it, or what is kept of it. */
export interface Asked {
  understand(): Promise<Understanding>;
  mistakes(from: number, most: number): Promise<AnsweredPart>;
  cell(truth: number, predicted: number, from: number, most: number): Promise<AnsweredPart>;
  nearest(): Promise<Nearest>;
  report(file: string): Promise<string>;
}

/**
 * Everything that a run which is over can be asked.
 *
 * @param file the name of the data, for the report
 * @throws what the run throws
 */
export function answersOf(run: Run, labels: string[], file: string): KeptAnswers {
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

/** Texts of held-out rows, in the order of their numbers; none for a row whose text is not kept. */
export type TextsOf = (rows: number[]) => Promise<(string | null)[]>;

/** Answers as the worker does that trained the run. */
export class Remembered implements Asked {
  /** Read when a text is first asked for. */
  #texts: Promise<Map<number, string>> | undefined;

  constructor(
    private readonly kept: KeptAnswers,
    private readonly textsOf: TextsOf,
  ) {}

  async understand(): Promise<Understanding> {
    return this.kept.summary;
  }

  async mistakes(from: number, most: number): Promise<AnsweredPart> {
    return this.#part((truth, predicted) => truth !== predicted, from, most);
  }

  async cell(truth: number, predicted: number, from: number, most: number): Promise<AnsweredPart> {
    return this.#part((actual, said) => actual === truth && said === predicted, from, most);
  }

  async nearest(): Promise<Nearest> {
    return this.kept.nearest;
  }

  async report(): Promise<string> {
    if (this.kept.report !== undefined) return this.kept.report;
    throw problem("storage", "The report is not kept with this run.", "Export the run with its rows to take the report along.");
  }

  async #part(fits: (truth: number, predicted: number) => boolean, from: number, most: number): Promise<AnsweredPart> {
    const { kept } = this;
    const found = kept.rows.flatMap((_, at) => (fits(kept.truth[at]!, kept.predicted[at]!) ? [at] : []));
    const texts = await (this.#texts ??= this.#read());
    const answered = (at: number): AnsweredRow => ({
      row: kept.rows[at]!,
      text: texts.get(kept.rows[at]!) ?? "",
      truth: kept.labels[kept.truth[at]!]!,
      predicted: kept.labels[kept.predicted[at]!]!,
      probability: kept.probability[at]!,
      truth_probability: kept.truthProbability[at]!,
    });
    return { total: found.length, rows: found.slice(from, from + most).map(answered) };
  }

  async #read(): Promise<Map<number, string>> {
    const { rows } = this.kept;
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

/** What `answersOf` made, or nothing where it is something else, or not what `classes` classes can have. */
export function readAnswers(value: unknown, classes: number): KeptAnswers | undefined {
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
  return value as unknown as KeptAnswers;
}

/** The report's beginning, as the crate writes it. */
const HEAD = '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n';
const POLICY = `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">\n`;

/**
 * Whether it is a report: a file that someone else has written must not become a page that does things once it is opened. Its policy
 * forbids scripts and requests; what a policy does not forbid has no place in it.
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
