/** The user's files: a copy of each in memory, and how its columns are named. */
import type { TableView } from "../contract";
import { problem } from "./problem";

/** A file as it was when it was given. */
export interface Source {
  name: string;
  bytes: Blob;
}

/** Bytes. Larger files belong on the command line: wasm has 4 GB, and the table is held as text and as tokens. */
const LARGEST_FILE = 256e6;

/**
 * A copy in memory: the file on disk may change or vanish while the page is open.
 *
 * @throws a problem (`data`, `io`)
 */
export async function snapshot(file: File): Promise<Blob> {
  if (file.size > LARGEST_FILE)
    throw problem(
      "data",
      `${file.name} has ${(file.size / 1e6).toFixed(0)} MB; the page takes up to ${LARGEST_FILE / 1e6} MB.`,
      "Use the command line for a table of this size.",
    );
  try {
    return new Blob([await file.arrayBuffer()]);
  } catch {
    throw problem("io", `${file.name} could not be read.`, "Check that it is a file (not a folder) and that it is still there.");
  }
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
