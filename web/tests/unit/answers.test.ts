import { describe, expect, it } from "vitest";
import type { Run } from "../../src/contract";
import { answersOf, readAnswers, SavedResult } from "../../src/lib/store/answers";
import { known } from "./known";

describe("what is known of a result", () => {
  const texts = ["i", "ii", "iii", "iv"];
  const row = (at: number) => {
    const { labels, rows, truth, predicted, probability, truthProbability } = known();
    const [actual, said] = [labels[truth[at]!]!, labels[predicted[at]!]!];
    const answer = { truth: actual, predicted: said, probability: probability[at]!, truth_probability: truthProbability[at]! };
    return { row: rows[at]!, text: texts[at]!, ...answer };
  };

  it("is asked of the run, whole", () => {
    const part = (...at: number[]) => ({ total: at.length, rows: at.map(row) });
    const run = {
      understand: () => known().summary,
      mistakes: (from: number, most: number) => ({ total: 2, rows: part(0, 1).rows.slice(from, most) }),
      cell: (truth: number, predicted: number) => (truth === predicted ? part(2 + truth) : part(truth)),
      nearest: () => known().nearest,
      report: (file: string) => `${known().report}${file === "rows.csv" ? "" : "another file"}`,
    } as unknown as Run;
    expect(answersOf(run, ["a", "b"], "rows.csv")).toEqual(known());
  });

  it("answers as the run did, and reads the texts once", async () => {
    const asked: number[][] = [];
    const result = new SavedResult(known(), async (rows) => (asked.push(rows), texts));
    expect(await result.understand()).toEqual(known().summary);
    expect(await result.mistakes(0, 1)).toEqual({ total: 2, rows: [row(0)] });
    expect(await result.mistakes(1, 20)).toEqual({ total: 2, rows: [row(1)] });
    expect(await result.cell(1, 1, 0, 5)).toEqual({ total: 1, rows: [row(3)] });
    expect(await result.cell(1, 0, 0, 5)).toEqual({ total: 1, rows: [row(1)] });
    expect(await result.nearest()).toEqual(known().nearest);
    expect(await result.report()).toContain("a text of the user");
    expect(asked).toEqual([[9, 3, 2, 5]]);
  });

  it("has no texts where the table is gone, and reads them again after a failure", async () => {
    let fails = true;
    const result = new SavedResult({ ...known(), report: undefined }, async () => {
      if (fails) throw new Error("no");
      return [null, "ii"];
    });
    await expect(result.mistakes(0, 5)).rejects.toThrow("no");
    fails = false;
    expect((await result.mistakes(0, 5)).rows.map(({ text }) => text)).toEqual(["", "ii"]);
    await expect(result.report()).rejects.toMatchObject({ code: "storage" });
  });

  it("is refused where it is something else", () => {
    const whole = known();
    const report = whole.report!;
    const bad: unknown[] = [
      undefined,
      7,
      { ...whole, summary: undefined },
      { ...whole, summary: { ...whole.summary, calibration: { error: 0, excess: 0, bins: [{}] } } },
      { ...whole, labels: ["a"] },
      { ...whole, labels: ["a", 7] },
      { ...whole, rows: [1, 2, 3] },
      { ...whole, rows: [1, 2, 3, -4] },
      { ...whole, truth: [0, 1, 0, 2] },
      { ...whole, predicted: [0, 1, 0, 0.5] },
      { ...whole, probability: [0, 1, 0, "1"] },
      { ...whole, truthProbability: [0, 1, 0, Number.NaN] },
      { ...whole, nearest: { rows: [{ member: 1, row: 1, tokens: [{ token: 7, cosine: 1 }] }] } },
      // Not what the page would write: it might do things once it is opened.
      { ...whole, report: "<script>alert(1)</script>" },
      { ...whole, report: report.replace("<p>", "<script>alert(1)</script><p>") },
      { ...whole, report: report.replace("<p>", '<META http-equiv="refresh" content="0;url=//evil.example"><p>') },
      { ...whole, report: report.replace("'none'", "*") },
    ];
    expect(readAnswers(whole, 2)).toBe(whole);
    for (const value of bad) expect(readAnswers(value, 2), JSON.stringify(value)).toBeUndefined();
    expect(readAnswers(whole, 3)).toBeUndefined();
  });
});
