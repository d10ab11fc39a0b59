import { describe, expect, it } from "vitest";
import type { AnsweredRow, Edit, Understanding as Summary } from "../../src/contract";
import type { Client } from "../../src/lib/client";
import { problem } from "../../src/lib/problem";
import type { Session } from "../../src/lib/session.svelte";
import { Understanding } from "../../src/lib/understanding.svelte";

const row = (number: number): AnsweredRow => ({
  row: number,
  text: `text ${number}`,
  truth: "a",
  predicted: "b",
  probability: 0.9,
  truth_probability: 0.1,
});

/** A session and a worker that answer at once; what was changed and trained is noted. */
function place(heldOut?: string) {
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
    understand: () => Promise.resolve({ rows: 9, mistakes: 7 } as Summary),
    mistakes: (from: number, most: number) => Promise.resolve({ total: 7, rows: rows.slice(from, from + most) }),
    cell: (_truth: number, _said: number, from: number, most: number) =>
      Promise.resolve({ total: 7, rows: rows.slice(from, from + most) }),
    editTable: async (table: Blob, config: typeof session.config, edits: Edit[]) => {
      seen.columns.push(config.data.label_column);
      if (seen.fails) throw problem("data", "no", "");
      seen.edits.push({ table: await table.text(), edits });
      return new Blob([`changed ${seen.edits.length}`]);
    },
  };
  const client = { call: (job: (worker: typeof api) => unknown) => Promise.resolve(job(api)) };
  return { session, seen, understanding: new Understanding(session as unknown as Session, client as unknown as Client) };
}

describe("labels that are put right", () => {
  it("go into the column that the result is from, whichever was chosen since", async () => {
    const { session, seen, understanding } = place();
    await understanding.load();
    understanding.setLabel(row(12), "b");
    session.config = { data: { label_column: "language", header_row: 0, sheet: "June" } };
    await understanding.changed();
    expect(seen.columns).toEqual(["topic"]);
  });

  it("are collected, taken back, and trained on", async () => {
    const { session, seen, understanding } = place();
    await understanding.load();
    expect(understanding.mistakes.map((one) => one.row)).toEqual([12, 7, 30, 4, 5]);
    await understanding.moreMistakes();
    expect(understanding.mistakes).toHaveLength(7);
    await understanding.retrain();
    expect(seen.trained, "nothing to train on yet").toBe(0);
    understanding.setLabel(row(12), "b");
    understanding.setLabel(row(7), null);
    understanding.setLabel(row(30), "c");
    understanding.setLabel(row(30), "a");
    expect(session.announcement).toBe("Row 30 stays as it is. 2 changes.");
    await understanding.retrain();
    expect(seen.edits).toEqual([{ table: "rows.csv", edits: [{ row: 12, label: "b" }, { row: 7, label: null }] }]);
    expect(await session.source.bytes.text()).toBe("changed 1");
    expect(seen.trained).toBe(1);
  });

  it("belong to the table that the result is from, until there is another result", async () => {
    const { seen, understanding } = place();
    await understanding.load();
    understanding.setLabel(row(12), null);
    await understanding.retrain();
    // The training was cancelled: row numbers are still those of the table before.
    expect(understanding.fixes.size).toBe(1);
    understanding.setLabel(row(7), null);
    await understanding.retrain();
    expect(seen.edits[1]).toEqual({ table: "rows.csv", edits: [{ row: 12, label: null }, { row: 7, label: null }] });
    await understanding.load();
    expect(understanding.fixes.size).toBe(0);
    understanding.setLabel(row(4), "b");
    await understanding.retrain();
    expect(seen.edits[2]).toEqual({ table: "changed 2", edits: [{ row: 4, label: "b" }] });
  });

  it("are trained on in a table that is read as it was for the result", async () => {
    const { session, seen, understanding } = place();
    await understanding.load();
    understanding.setLabel(row(12), "b");
    session.config = { data: { label_column: "language", header_row: 0, sheet: "June" } };
    await understanding.retrain();
    // The page has written the table: it has no sheet, and its header is the first row.
    expect(seen.readings[0]).toMatchObject({ label_column: "topic", header_row: null, sheet: null });
    const other = place("held.csv");
    await other.understanding.load();
    other.understanding.setLabel(row(12), "b");
    other.session.config = session.config;
    await other.understanding.retrain();
    expect(other.seen.readings[0], "the file of the training set").toMatchObject({ label_column: "topic", header_row: 3, sheet: "May" });
  });

  it("go into the held-out file where there is one", async () => {
    const { session, seen, understanding } = place("held.csv");
    await understanding.load();
    understanding.setLabel(row(12), "b");
    await understanding.retrain();
    expect(seen.edits[0]?.table).toBe("held.csv");
    expect(await session.heldOut?.bytes.text()).toBe("changed 1");
    expect(await session.source.bytes.text()).toBe("rows.csv");
  });

  it("that cannot be made are told and kept", async () => {
    const { seen, understanding } = place();
    await understanding.load();
    understanding.setLabel(row(12), "b");
    seen.fails = true;
    await understanding.retrain();
    expect(seen).toMatchObject({ trained: 0, problems: ["fixes"] });
    expect([understanding.fixes.size, understanding.fixing]).toEqual([1, false]);
  });
});

describe("a cell", () => {
  it("shows some rows and then more; another result closes it", async () => {
    const { understanding } = place();
    await understanding.load();
    await understanding.openCell(0, 1);
    expect(understanding.cell).toMatchObject({ truth: 0, predicted: 1, total: 7 });
    expect(understanding.cell?.rows).toHaveLength(5);
    await understanding.moreOfCell();
    expect(understanding.cell?.rows.map((one) => one.row)).toEqual([12, 7, 30, 4, 5, 6, 8]);
    await understanding.load();
    expect(understanding.cell).toBeUndefined();
  });
});
