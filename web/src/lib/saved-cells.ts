/**
 * Saved cells of the latest comparison, under the key from `comparisonId`, so that they survive a reload. Metrics only, no text
 * of the user's.
 */
import type { CellResult } from "../contract";

/** The browser's storage, as much of it as is used. */
export type CellStorage = Pick<Storage, "getItem" | "setItem" | "removeItem">;

const KEY = "softprompt-comparison";

/** Cells under this key; none if the storage holds another key or cannot be read. */
export function savedCells(storage: CellStorage | undefined, id: string): CellResult[] {
  try {
    const saved: unknown = JSON.parse(storage?.getItem(KEY) ?? "null");
    const { id: theirs, cells } = (saved ?? {}) as { id?: unknown; cells?: unknown };
    return theirs === id && Array.isArray(cells) ? (cells as CellResult[]) : [];
  } catch {
    return [];
  }
}

/** Saves a cell; cells under another key are deleted. If the storage is full or forbidden nothing is saved, which costs time only. */
export function saveCell(storage: CellStorage | undefined, id: string, result: CellResult): void {
  const others = savedCells(storage, id).filter(({ name, seed }) => name !== result.name || seed !== result.seed);
  try {
    storage?.setItem(KEY, JSON.stringify({ id, cells: [...others, result] }));
  } catch {
    // Nothing to do.
  }
}

export function forgetCells(storage: CellStorage | undefined): void {
  try {
    storage?.removeItem(KEY);
  } catch {
    // Nothing to do.
  }
}
