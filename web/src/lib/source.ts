/** The user's files: a copy of each in memory, and how its columns are named. */
import type { Part, TableView } from "../contract";
import { problem } from "./problem";

/** A file as it was when it was opened. */
export interface Source {
  name: string;
  bytes: Blob;
  /** The files that were joined, if they were. */
  parts?: Part[];
  /** Rows that were typed. */
  typed?: number;
}

/** What a table is called that did not come from a file. */
export const PASTED = "Pasted text";
export const TYPED = "Typed rows";

/** What a file dialog offers. */
export const TABLE_FILES =
  ".csv,.tsv,.tab,.txt,.jsonl,.ndjson,.json,.xlsx,text/csv,text/tab-separated-values,text/plain,application/json," +
  "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/** Bytes, as in the crate: wasm has 4 GB, and the table is held as text and as tokens. */
const LARGEST_FILE = 256e6;

/**
 * A copy in memory: the file on disk may change or vanish while the page is open.
 *
 * @throws a problem (`data`, `io`)
 */
export async function snapshot(file: File): Promise<Blob> {
  checkSize(file.name, file.size);
  try {
    return new Blob([await file.arrayBuffer()]);
  } catch {
    throw problem("io", `${file.name} could not be read.`, "Check that it is a file (not a folder) and that it is still there.");
  }
}

/** @throws a problem (`data`) for more bytes than the page takes; nothing is read for that. */
export function checkSize(name: string, size: number): void {
  if (size <= LARGEST_FILE) return;
  throw problem(
    "data",
    `${name} has ${(size / 1e6).toFixed(0)} MB; the page takes up to ${LARGEST_FILE / 1e6} MB.`,
    "Give fewer rows, or only the columns with the text and the label.",
  );
}

/** The name of joined files. */
export function joinedName(names: string[]): string {
  const [first = "", ...others] = names;
  return others.length ? `${first} and ${others.length} more` : first;
}

/** The files of a table after more were added. `joined` are those of the latest join; its first one is the table before. */
export function joinedParts(before: Pick<Source, "parts"> | undefined, joined: Part[]): Part[] {
  return before?.parts ? [...before.parts, ...joined.slice(1)] : joined;
}

const SEPARATORS: Record<string, string> = { ",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars" };

/** What kind of file it is, behind its number of rows: `separated by commas, UTF-8, header in row 3`. */
export function describeFile({
  format,
  separator,
  encoding,
  has_header,
  header_row,
}: Pick<TableView, "format" | "separator" | "encoding" | "has_header" | "header_row">): string {
  const header = header_row !== null ? [`header in row ${header_row}`] : has_header ? [] : ["no header"];
  const kind = {
    text: [`separated by ${SEPARATORS[separator] ?? separator}`, encoding],
    jsonl: ["JSON Lines"],
    json: ["JSON"],
    xlsx: ["an Excel workbook"],
  }[format];
  return [...kind, ...header].join(", ");
}

/** The columns that a preview has room for: the first ones, and the two that matter. */
export function shownColumns(
  { columns, text_column, label_column }: Pick<TableView, "columns" | "text_column" | "label_column">,
  most = 30,
): number[] {
  const all = columns.map((_, index) => index);
  return all.filter((index) => index < most || index === text_column || index === label_column);
}

/** What a column is called on the page; without a name, by its number. */
export function columnTitle(table: Pick<TableView, "columns" | "has_header">, index: number): string {
  const name = table.columns[index]?.trim();
  return table.has_header && name ? name : `Column ${index + 1}`;
}

/** A column as `RunConfig` names it: by its name if that is unique, else by its number, counted from 1. */
export function columnName(table: Pick<TableView, "columns" | "has_header">, index: number): string {
  const name = table.columns[index] ?? "";
  const unique = table.has_header && name.trim() !== "" && table.columns.indexOf(name) === table.columns.lastIndexOf(name);
  return unique ? name : String(index + 1);
}

/** The columns after one was chosen. Choosing the other one's column means to swap them. */
export function chosenColumns(
  { text_column: text, label_column: label }: Pick<TableView, "text_column" | "label_column">,
  which: "text" | "label",
  index: number,
): { text: number; label: number } {
  if (which === "text") return { text: index, label: index === label ? text : label };
  return { text: index === text ? label : text, label: index };
}
