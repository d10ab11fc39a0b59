/** How a table is read: the settings that decide it, and what becomes of them when the table is read in another way. Plain data. */
import type { DataConfig, RunConfig, TableView } from "../contract";
import { columnName } from "./source";

/** The settings that decide what a file's table is. They belong to the file, not to the run. */
const KEYS = ["text_column", "label_column", "header_row", "sheet", "merge_labels", "split_column"] as const;

export type Reading = Pick<DataConfig, (typeof KEYS)[number]>;

/** Nothing is named: everything is found by looking. */
export const BY_LOOKING: Reading = {
  text_column: null,
  label_column: null,
  header_row: null,
  sheet: null,
  merge_labels: false,
  split_column: null,
};

/** Whether a setting, such as `data.sheet`, decides how the table is read. */
export function isReading(path: string): boolean {
  return KEYS.some((key) => path === `data.${key}`);
}

/** Of settings from earlier versions some may be absent. */
export function readingOf({ data }: RunConfig): Reading {
  const { text_column, label_column, header_row, sheet, merge_labels, split_column } = data;
  return {
    text_column: text_column ?? null,
    label_column: label_column ?? null,
    header_row: header_row ?? null,
    sheet: sheet ?? null,
    merge_labels: merge_labels ?? false,
    split_column: split_column ?? null,
  };
}

export function withReading(config: RunConfig, reading: Partial<Reading>): RunConfig {
  return { ...config, data: { ...config.data, ...reading } };
}

/** Of a table that the page has written: its header is the first row, and it has no sheets. */
export function written(reading: Reading): Reading {
  return { ...reading, header_row: null, sheet: null };
}

export function changedKeys(before: Reading, after: Reading): (keyof Reading)[] {
  return KEYS.filter((key) => before[key] !== after[key]);
}

/** The index of a column that a setting names, found as the crate does: by its name, then without regard to case, then by its number. */
export function columnAt({ columns }: Pick<TableView, "columns">, setting: string | null): number | undefined {
  if (setting === null) return undefined;
  const folded = setting.trim().toLowerCase();
  const exact = columns.indexOf(setting);
  const loose = exact >= 0 ? exact : columns.findIndex((name) => name.trim().toLowerCase() === folded);
  if (loose >= 0) return loose;
  const number = /^\d+$/.test(folded) ? Number(folded) : 0;
  return number >= 1 && number <= columns.length ? number - 1 : undefined;
}

/** Whether the setting says that no column states the split. */
export function isNoSplit(setting: string | null, { columns }: Pick<TableView, "columns">): boolean {
  return setting !== null && ["", "none"].includes(setting.trim().toLowerCase()) && !columns.includes(setting);
}

const COLUMNS = [
  { key: "text_column", name: "text column" },
  { key: "label_column", name: "label column" },
  { key: "split_column", name: "split column" },
] as const;

/**
 * The columns that were chosen, in another reading of the file. Under another header they are at the same place; another sheet must
 * have a column of the same name. What has no place there is found by looking again, and `lost` says so.
 */
export function carried(
  chosen: Reading,
  before: Pick<TableView, "columns" | "has_header">,
  after: Pick<TableView, "columns" | "has_header">,
  otherSheet: boolean,
): { reading: Reading; lost: string[] } {
  const reading = { ...chosen };
  const lost: string[] = [];
  for (const { key, name } of COLUMNS) {
    const setting = chosen[key];
    if (setting === null || (key === "split_column" && isNoSplit(setting, before))) continue;
    const index = columnAt(before, setting);
    const title = index === undefined ? setting : (before.columns[index] ?? setting);
    const there = otherSheet ? after.columns.indexOf(title) : (index ?? -1);
    reading[key] = there >= 0 && there < after.columns.length ? columnName(after, there) : null;
    if (reading[key] === null) lost.push(`The chosen ${name} “${title}” no longer exists; it is detected again.`);
  }
  return { reading, lost };
}

/** Rows of the file above its header that hold something: they are left out. Only those among the first rows are known. */
export function rowsAbove({ head, header_row }: Pick<TableView, "head" | "header_row">): number[] {
  if (header_row === null) return [];
  return head.filter(({ row, cells }) => row < header_row && cells.some((cell) => cell.trim() !== "")).map(({ row }) => row);
}

/** [1, 2, 3, 5] -> "rows 1 to 3 and 5" */
export function rowsText(rows: number[]): string {
  const runs: [number, number][] = [];
  for (const row of rows) {
    const last = runs.at(-1);
    if (last && row === last[1] + 1) last[1] = row;
    else runs.push([row, row]);
  }
  const parts = runs.flatMap(([from, to]) => (to - from === 1 ? [`${from}`, `${to}`] : [from === to ? `${from}` : `${from} to ${to}`]));
  const list = parts.length > 1 ? `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}` : (parts[0] ?? "");
  return `${rows.length === 1 ? "row" : "rows"} ${list}`;
}

/**
 * A note of the crate as the page shows it: without the flag of the command line that would change it, because the page has a control
 * for that.
 */
export function pageNote(note: string): string {
  return note.replace(/\s*[;:,]\s*(?:set )?(?:data\.\w+ \()?--[a-z-]+[^;]*$/, "");
}
