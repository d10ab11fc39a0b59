/**
 * Results of cells that a lost page does not lose: those of the latest comparison, under the key that `comparisonId` makes. Figures
 * only, no text of the user's.
 */
import type { CellResult } from "../contract";

/** The browser's storage, as much of it as is used. */
export type Shelf = Pick<Storage, "getItem" | "setItem" | "removeItem">;

const KEY = "softprompt-comparison";

/** Results under this name; none if there are others, or if what is there cannot be read. */
export function keptCells(shelf: Shelf | undefined, id: string): CellResult[] {
  try {
    const kept: unknown = JSON.parse(shelf?.getItem(KEY) ?? "null");
    const { id: theirs, cells } = (kept ?? {}) as { id?: unknown; cells?: unknown };
    return theirs === id && Array.isArray(cells) ? (cells as CellResult[]) : [];
  } catch {
    return [];
  }
}

/** Keeps a further result; results under another name make room. A full or forbidden storage keeps nothing, which costs time only. */
export function keepCell(shelf: Shelf | undefined, id: string, result: CellResult): void {
  const others = keptCells(shelf, id).filter(({ name, seed }) => name !== result.name || seed !== result.seed);
  try {
    shelf?.setItem(KEY, JSON.stringify({ id, cells: [...others, result] }));
  } catch {
    // Nothing to do.
  }
}

export function forgetCells(shelf: Shelf | undefined): void {
  try {
    shelf?.removeItem(KEY);
  } catch {
    // Nothing to do.
  }
}
