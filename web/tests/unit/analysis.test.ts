import { describe, expect, it } from "vitest";
import type { PredictedRow, Edit, ResultSummary } from "../../src/contract";
import type { Client } from "../../src/lib/client";
import { problem } from "../../src/lib/problem";
import type { Session } from "../../src/lib/session.svelte";
import { Analysis } from "../../src/lib/analysis.svelte";

const row = (number: number): PredictedRow => ({
  row: number,
  text: `text ${number}`,
  truth: "a",
  predicted: "b",
  probability: 0.9,
  truth_probability: 0.1,
});

/** A session and a worker that answer at once; what was changed and trained is noted. */
function setUp(heldOut?: string) {
  const file = (content: string) => ({ name: content, bytes: new Blob([content]) });
  const seen = { edits: [] as { table: string; edits: Edit[] }[], columns: [] as unknown[], readings: [] as unknown[], trained: 0, problems: [] as string[], fails: false };
  const session = {
    source: file("rows.csv"),
    heldOut: heldOut === undefined ? undefined : file(heldOut),
    config: { data: { label_column: "topic", header_row: 3 as number | null, sheet: "May" as string | null } },
    result: { inWorker: true },
    announcement: "",
    clear: () => undefined,
    report: (where: string) => seen.problems.push(where),
    replaceTable: (bytes: Blob, reading: unknown) => {
      seen.readings.push(reading);
      session.source = { ...session.source, bytes };
      return Promise.resolve();
    },
    training: { train: () => Promise.resolve(void seen.trained++) },
  };
  const rows = [12, 7, 30, 4, 5, 6, 8].map(row);
  const api = {
    understand: () => Promise.resolve({ rows: 9, mistakes: 7 } as ResultSummary),
    mistakes: (from: number, most: number) => Promise.resolve({ total: 7, rows: rows.slice(from, from + most) }),
    cell: (_truth: number, _predicted: number, from: number, most: number) =>
      Promise.resolve({ total: 7, rows: rows.slice(from, from + most) }),
    editTable: async (table: Blob, config: typeof session.config, edits: Edit[]) => {
      seen.columns.push(config.data.label_column);
      if (seen.fails) throw problem("data", "no", "");
      seen.edits.push({ table: await table.text(), edits });
      return new Blob([`changed ${seen.edits.length}`]);
    },
  };
  const client = { call: (job: (worker: typeof api) => unknown) => Promise.resolve(job(api)) };
  return { session, seen, analysis: new Analysis(session as unknown as Session, client as unknown as Client) };
}

describe("labels that are put right", () => {
  it("go into the column that the result is from, whichever was chosen since", async () => {
    const { session, seen, analysis } = setUp();
    await analysis.load();
    analysis.setLabel(row(12), "b");
    session.config = { data: { label_column: "language", header_row: 0, sheet: "June" } };
    await analysis.changed();
    expect(seen.columns).toEqual(["topic"]);
  });

  it("are collected, taken back, and trained on", async () => {
    const { session, seen, analysis } = setUp();
    await analysis.load();
    expect(analysis.mistakes.map((one) => one.row)).toEqual([12, 7, 30, 4, 5]);
    await analysis.moreMistakes();
    expect(analysis.mistakes).toHaveLength(7);
    await analysis.retrain();
    expect(seen.trained, "nothing to train on yet").toBe(0);
    analysis.setLabel(row(12), "b");
    analysis.setLabel(row(7), null);
    analysis.setLabel(row(30), "c");
    analysis.setLabel(row(30), "a");
    expect(session.announcement).toBe("Row 30 is unchanged. 2 changes.");
    await analysis.retrain();
    expect(seen.edits).toEqual([{ table: "rows.csv", edits: [{ row: 12, label: "b" }, { row: 7, label: null }] }]);
    expect(await session.source.bytes.text()).toBe("changed 1");
    expect(seen.trained).toBe(1);
  });

  it("belong to the table that the result is from, until there is another result", async () => {
    const { seen, analysis } = setUp();
    await analysis.load();
    analysis.setLabel(row(12), null);
    await analysis.retrain();
    // The training was cancelled: row numbers are still those of the table before.
    expect(analysis.fixes.size).toBe(1);
    analysis.setLabel(row(7), null);
    await analysis.retrain();
    expect(seen.edits[1]).toEqual({ table: "rows.csv", edits: [{ row: 12, label: null }, { row: 7, label: null }] });
    await analysis.load();
    expect(analysis.fixes.size).toBe(0);
    analysis.setLabel(row(4), "b");
    await analysis.retrain();
    expect(seen.edits[2]).toEqual({ table: "changed 2", edits: [{ row: 4, label: "b" }] });
  });

  it("are trained on in a table that is read as it was for the result", async () => {
    const { session, seen, analysis } = setUp();
    await analysis.load();
    analysis.setLabel(row(12), "b");
    session.config = { data: { label_column: "language", header_row: 0, sheet: "June" } };
    await analysis.retrain();
    // The page has written the table: it has no sheet, and its header is the first row.
    expect(seen.readings[0]).toMatchObject({ label_column: "topic", header_row: null, sheet: null });
    const other = setUp("held.csv");
    await other.analysis.load();
    other.analysis.setLabel(row(12), "b");
    other.session.config = session.config;
    await other.analysis.retrain();
    expect(other.seen.readings[0], "the file of the training set").toMatchObject({ label_column: "topic", header_row: 3, sheet: "May" });
  });

  it("go into the held-out file where there is one", async () => {
    const { session, seen, analysis } = setUp("held.csv");
    await analysis.load();
    analysis.setLabel(row(12), "b");
    await analysis.retrain();
    expect(seen.edits[0]?.table).toBe("held.csv");
    expect(await session.heldOut?.bytes.text()).toBe("changed 1");
    expect(await session.source.bytes.text()).toBe("rows.csv");
  });

  it("that cannot be made are told and kept", async () => {
    const { seen, analysis } = setUp();
    await analysis.load();
    analysis.setLabel(row(12), "b");
    seen.fails = true;
    await analysis.retrain();
    expect(seen).toMatchObject({ trained: 0, problems: ["fixes"] });
    expect([analysis.fixes.size, analysis.fixing]).toEqual([1, false]);
  });
});

describe("a cell", () => {
  it("shows some rows and then more; another result closes it", async () => {
    const { analysis } = setUp();
    await analysis.load();
    await analysis.openCell(0, 1);
    expect(analysis.cell).toMatchObject({ truth: 0, predicted: 1, total: 7 });
    expect(analysis.cell?.rows).toHaveLength(5);
    await analysis.moreOfCell();
    expect(analysis.cell?.rows.map((one) => one.row)).toEqual([12, 7, 30, 4, 5, 6, 8]);
    await analysis.load();
    expect(analysis.cell).toBeUndefined();
  });
});
