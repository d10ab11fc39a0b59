import { describe, expect, it } from "vitest";
import { nextCell, topConfusions } from "../../src/lib/confusion";

const counts = [
  [5, 0, 0, 1],
  [0, 0, 0, 0],
  [2, 0, 7, 0],
  [0, 9, 0, 3],
];

describe("ways through a confusion table", () => {
  it("goes from cell to cell with rows in it", () => {
    expect(nextCell(counts, [0, -1], "ArrowRight")).toEqual([0, 0]);
    expect(nextCell(counts, [0, 0], "ArrowRight")).toEqual([0, 3]);
    expect(nextCell(counts, [0, 3], "ArrowRight")).toEqual([2, 0]);
    expect(nextCell(counts, [2, 0], "ArrowLeft")).toEqual([0, 3]);
    expect(nextCell(counts, [0, 3], "ArrowDown")).toEqual([2, 2]);
    expect(nextCell(counts, [3, 1], "ArrowUp")).toEqual([2, 0]);
  });

  it("stays at the ends and leaves other keys alone", () => {
    expect(nextCell(counts, [0, 0], "ArrowLeft")).toBeUndefined();
    expect(nextCell(counts, [0, 0], "ArrowUp")).toBeUndefined();
    expect(nextCell(counts, [3, 3], "ArrowRight")).toBeUndefined();
    expect(nextCell(counts, [3, 3], "ArrowDown")).toBeUndefined();
    expect(nextCell(counts, [0, 0], "Enter")).toBeUndefined();
  });

  it("lists what is confused most", () => {
    expect(topConfusions(counts, 2)).toEqual([
      { actual: 3, predicted: 1, rows: 9 },
      { actual: 2, predicted: 0, rows: 2 },
    ]);
  });
});
