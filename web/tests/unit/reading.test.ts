/** How a table is read, and what becomes of the user's choices when it is read in another way: against the crate itself. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { RunConfig, TableView } from "../../src/contract";
import type { Client } from "../../src/lib/client";
import type { Encoder } from "../../src/lib/encoder-files";
import { comparisonId, tokensId } from "../../src/lib/identity";
import {
  BY_LOOKING,
  carried,
  changedKeys,
  columnAt,
  isNoSplit,
  isReading,
  pageNote,
  readingOf,
  rowsAbove,
  rowsText,
  withReading,
  written,
  type Reading,
} from "../../src/lib/reading";
import { TableReading, type Page } from "../../src/lib/table-reading.svelte";
import { tableCalls } from "../../src/lib/table-calls";
import { workbook } from "../workbook";
import { config } from "./config";
import { core } from "./core";

const file = (name: string) => readFileSync(join(import.meta.dirname, "../files/reading", name));
const under = (reading: Partial<Reading>) => withReading(config, { ...BY_LOOKING, ...reading });
const open = (content: string | Uint8Array, reading: Partial<Reading> = {}) =>
  core.open_table(typeof content === "string" ? new TextEncoder().encode(content) : new Uint8Array(content), under(reading));
/** What the column of `split_column.csv` states. */
const SPLIT = { name: "split", training: 24, held_out: 12, training_values: ["train"], held_out_values: ["test"] };
const table = (rows: number, row: (index: number) => string) => Array.from({ length: rows }, (_, index) => row(index)).join("\n");

describe("the settings of the reading", () => {
  it("are those of the data that the table depends on", () => {
    const names = Object.keys(config.data).filter((key) => isReading(`data.${key}`));
    expect(names).toEqual(Object.keys(BY_LOOKING));
    expect(isReading("data.max_tokens")).toBe(false);
    expect(isReading("optim.steps")).toBe(false);
  });

  it("are absent in settings of earlier versions", () => {
    const earlier = { ...config, data: { text_column: "t", label_column: null, held_out_fraction: 0.2, max_tokens: 8 } } as RunConfig;
    expect(readingOf(earlier)).toEqual({ ...BY_LOOKING, text_column: "t" });
  });

  it("do not name a row or a sheet of a table that the page has written", () => {
    const named: Reading = { text_column: "a", label_column: "b", header_row: 4, sheet: "s", merge_labels: true, split_column: "c" };
    expect(written(named)).toEqual({ ...named, header_row: null, sheet: null });
    expect(changedKeys(named, written(named))).toEqual(["header_row", "sheet"]);
  });

  it("are part of what results and counts of tokens are remembered by", async () => {
    const changes: Partial<Reading>[] = [
      {},
      { text_column: "a" },
      { label_column: "a" },
      { header_row: 0 },
      { header_row: 3 },
      { sheet: "b" },
      { merge_labels: true },
      { split_column: "none" },
    ];
    const encoder = { id: "model", files: [{ name: "model.safetensors", size: 1, sha256: "w" }] } as Encoder;
    const compared = { program: "p", encoder, table: new Blob(["rows"]) };
    const keys = await Promise.all(changes.map((change) => comparisonId({ ...compared, config: under(change) })));
    expect(new Set(keys).size).toBe(changes.length);
    expect(new Set(changes.map((change) => tokensId(encoder, under(change)))).size).toBe(changes.length);
  });
});

describe("a column that a setting names", () => {
  it("is the one that the crate finds", () => {
    const rows = table(12, (index) => `${index},${index % 2 ? "so it goes here" : "it went there"} ${index},${index % 3 ? "x" : "y"},${index}`);
    const names = ["3", "Text", "label", "day"];
    const bytes = [names.join(","), rows].join("\n");
    for (const setting of ["3", "text", "TEXT", " label ", "4", "2"]) {
      const seen = open(bytes, { header_row: 1, text_column: setting, label_column: setting === " label " ? "Text" : "label" });
      expect(columnAt({ columns: names }, setting), setting).toBe(seen.text_column);
    }
    expect(columnAt({ columns: names }, "5")).toBeUndefined();
    expect(columnAt({ columns: names }, "0")).toBeUndefined();
    expect(columnAt({ columns: names }, null)).toBeUndefined();
  });
});

describe("chosen columns", () => {
  const before = { columns: ["id", "body", "queue", "split"], has_header: true };
  const chosen: Reading = { ...BY_LOOKING, text_column: "body", label_column: "3", split_column: "none" };

  it("are at the same place under another header", () => {
    const after = { columns: ["column 1", "column 2", "column 3", "column 4"], has_header: false };
    const { reading, lost } = carried({ ...chosen, split_column: "split" }, before, after, false);
    expect(reading).toMatchObject({ text_column: "2", label_column: "3", split_column: "4" });
    expect(lost).toEqual([]);
  });

  it("are found by their names on another sheet, and it is said where they are not", () => {
    const after = { columns: ["queue", "body"], has_header: true };
    const same = carried(chosen, before, after, true);
    expect(same).toEqual({ reading: { ...chosen, text_column: "body", label_column: "queue" }, lost: [] });
    const other = carried(chosen, before, { columns: ["body", "team"], has_header: true }, true);
    expect(other.reading).toEqual({ ...chosen, text_column: "body", label_column: null });
    expect(other.lost).toEqual(["The chosen label column “queue” no longer exists; it is detected again."]);
  });
});

describe("rows above the header", () => {
  it("are those of the file, without blank ones", () => {
    const seen = open(file("lines_above.csv"));
    expect(seen.header_row).toBe(5);
    expect(rowsAbove(seen)).toEqual([1, 2, 3]);
    expect(rowsAbove({ ...seen, header_row: null })).toEqual([]);
  });

  it("are said in words", () => {
    expect(rowsText([3])).toBe("row 3");
    expect(rowsText([1, 2])).toBe("rows 1 and 2");
    expect(rowsText([1, 2, 3])).toBe("rows 1 to 3");
    expect(rowsText([1, 3, 4, 5, 9])).toBe("rows 1, 3 to 5 and 9");
  });
});

describe("the split", () => {
  it("is the one that the crate takes from a column", () => {
    expect(open(file("split_column.csv")).split).toMatchObject(SPLIT);
    expect(open(file("split_column.csv"), { split_column: "none" }).split).toBeNull();
    expect(open(file("two_texts.tsv")).split).toBeNull();
  });

  it("is random where the setting says so, unless a column is called that", () => {
    expect(isNoSplit("none", { columns: ["text"] })).toBe(true);
    expect(isNoSplit(" None ", { columns: ["text"] })).toBe(true);
    expect(isNoSplit("none", { columns: ["none"] })).toBe(false);
    expect(isNoSplit("split", { columns: ["split"] })).toBe(false);
    expect(isNoSplit(null, { columns: [] })).toBe(false);
  });
});

describe("notes of the crate", () => {
  it("name no flag of the command line", () => {
    const files = ["lines_above.csv", "split_column.csv", "two_texts.tsv", "similar_labels.csv"].map((name) => open(file(name)));
    const about = open(["fold,note,is_urgent,language", table(30, (index) => `${index % 5},the parcel number ${index} is late,${index % 2},${index % 3 ? "en" : "de"}`)].join("\n"), { label_column: "language" });
    const twice = open(["text,label,label", table(30, (index) => `the parcel number ${index} is late,${index % 2 ? "a" : "b"},${index % 3 ? "c" : "d"}`)].join("\n"));
    const notes = [...files, about, twice].flatMap(({ report, merge_note }) => report.notes.filter((note) => note !== merge_note));
    expect(notes.filter((note) => note.includes("--")).length, notes.join("\n")).toBeGreaterThan(2);
    for (const note of notes) {
      expect(pageNote(note)).not.toMatch(/--|\($/);
      expect(pageNote(note).length, note).toBeGreaterThan(20);
    }
    expect(pageNote("the split is taken from column `a`: 24 training rows, 12 held-out rows; --split-column none draws a random split instead")).toBe(
      "the split is taken from column `a`: 24 training rows, 12 held-out rows",
    );
    expect(pageNote("rows 1, 2 have fewer cells; the missing ones are empty")).toBe("rows 1, 2 have fewer cells; the missing ones are empty");
  });

  it("with a control of their own are known", () => {
    for (const merge_labels of [false, true]) {
      const { merge_note, report } = open(file("similar_labels.csv"), { merge_labels });
      expect(report.notes.filter((note) => note === merge_note), report.notes.join("\n")).toHaveLength(1);
      expect(merge_note).toMatch(merge_labels ? /which are merged/ : /--merge-labels/);
    }
  });
});

/** A session without anything around it, and the worker's own calls. */
async function place(content: Uint8Array | string, reading: Partial<Reading> = {}) {
  const api = tableCalls(core);
  const client = { call: (job: (worker: typeof api) => unknown) => Promise.resolve(job(api)) } as unknown as Pick<Client, "call">;
  const bytes = new Blob([content as BlobPart]);
  const problems: Record<string, string> = {};
  const codes: Page["problems"] = {};
  const seen = { forgotten: 0 };
  const page: Page = {
    config: under(reading),
    source: { name: "rows", bytes },
    table: undefined,
    heldOut: undefined,
    announcement: "",
    problems: codes,
    comparison: { forget: () => void seen.forgotten++ },
    clear: (where) => void (delete problems[where], delete codes[where]),
    report: (where, thrown) => {
      const { code, message } = thrown as { code: string; message: string };
      problems[where] = message;
      codes[where] = { code };
    },
  };
  const tables = new TableReading(page, client);
  page.table = await tables.read(bytes, page.config as RunConfig, false);
  const view = () => page.table as TableView;
  const chosen = () => readingOf(page.config as RunConfig);
  return { page, tables, problems, seen, view, chosen };
}

describe("a table that is read again", () => {
  const sheets = workbook([
    { name: "May", rows: [["body", "queue"], ...Array.from({ length: 12 }, (_, i) => [`the parcel of May ${i} is late`, i % 2 ? "a" : "b"])] },
    { name: "June", rows: [["queue", "id", "body"], ...Array.from({ length: 9 }, (_, i) => [i % 2 ? "a" : "b", `${i}`, `it came in June ${i} too late`])] },
    { name: "Empty", rows: [] },
  ]);

  it("has the header that was chosen; columns keep their places, and their names are those of that row", async () => {
    const { tables, view, chosen, seen } = await place(file("lines_above.csv"), { text_column: "Text", label_column: "Queue" });
    await tables.setHeader(0);
    expect(view()).toMatchObject({ header_row: null, has_header: false, rows: 40, text_column: 1, label_column: 2 });
    expect(chosen()).toEqual({ ...BY_LOOKING, header_row: 0, text_column: "2", label_column: "3" });
    await tables.setHeader(5);
    expect(view()).toMatchObject({ header_row: 5, rows: 36 });
    expect(chosen()).toMatchObject({ header_row: 5, text_column: "Text", label_column: "Queue" });
    await tables.setHeader(null);
    expect(chosen()).toMatchObject({ header_row: null, text_column: "Text" });
    expect(seen.forgotten).toBe(3);
    expect(tables.lost).toEqual([]);
  });

  it("says what is wrong with a header, and stays as it was", async () => {
    const { tables, view, chosen, problems } = await place(file("lines_above.csv"));
    const before = view();
    await tables.setHeader(400);
    expect(problems.columns).toMatch(/row 400 cannot be the header/);
    expect(view()).toBe(before);
    expect(chosen()).toEqual(BY_LOOKING);
    await tables.setHeader(1);
    expect(problems).toEqual({});
    expect(chosen().header_row).toBe(1);
  });

  it("is another sheet with the columns of the same names", async () => {
    const { tables, view, chosen, problems } = await place(sheets, { text_column: "body", label_column: "queue" });
    expect(view()).toMatchObject({ sheet: "May", sheets: ["May", "June", "Empty"], rows: 12 });
    await tables.setSheet("June");
    expect(view()).toMatchObject({ sheet: "June", rows: 9, text_column: 2, label_column: 0 });
    expect(chosen()).toMatchObject({ sheet: "June", text_column: "body", label_column: "queue" });
    await tables.setHeader(0);
    expect(view().rows).toBe(10);
    await tables.setSheet("May");
    expect(view(), "a row of June says nothing about May").toMatchObject({ rows: 12, header_row: 1 });
    expect(tables.lost[0]).toBe("The header row was chosen for the other sheet; it is detected again.");
    await tables.setSheet("June");
    await tables.setSheet("Empty");
    expect(problems.columns).toMatch(/the sheet `Empty` is empty/);
    expect(view().sheet).toBe("June");
  });

  it("says which choice a sheet has no column for", async () => {
    const { tables, view, chosen, page } = await place(sheets, { sheet: "June", text_column: "id", label_column: "queue" });
    await tables.setSheet("May");
    expect(view()).toMatchObject({ sheet: "May", text_column: 0, label_column: 1 });
    expect(chosen()).toMatchObject({ text_column: null, label_column: "queue" });
    expect(tables.lost).toEqual(["The chosen text column “id” no longer exists; it is detected again."]);
    expect(page.announcement).toMatch(/^The table was read again: 12 rows\. The chosen text column/);
    await tables.setMerging(true);
    expect(tables.lost).toEqual([]);
  });

  it("keeps a guess a guess: the other question stays", async () => {
    const pairs = [
      "premise,hypothesis,team,mood",
      ...Array.from({ length: 40 }, (_, i) => `a man waters roses for ${i} minutes,he is outdoors in week ${i} of it,${["sales", "care", "parts"][i % 3]},${["angry", "calm"][i % 2]}`),
    ].join("\n");
    const { tables, view, chosen } = await place(pairs);
    expect(view().text_candidates.length).toBe(2);
    expect(view().label_candidates.length).toBe(2);
    const [first, second] = view().text_candidates as [number, number];
    const { label_column } = view();
    await tables.setColumn("text", second);
    expect(view()).toMatchObject({ text_column: second, label_column, text_candidates: [second] });
    expect(view().label_candidates.length, "still asked").toBe(2);
    expect(chosen()).toMatchObject({ text_column: view().columns[second], label_column: null });
    // The other one's column: they change places, and nothing is a guess any more.
    await tables.setColumn("label", second);
    expect(view()).toMatchObject({ text_column: label_column, label_column: second });
    expect(chosen()).toMatchObject({ text_column: view().columns[label_column], label_column: view().columns[second] });
    expect(view().text_candidates).toEqual([label_column]);
    expect(first).not.toBe(second);
  });

  it("has merged labels, and again those of the file", async () => {
    const { tables, view } = await place(file("similar_labels.csv"));
    expect(view().report.classes.map(({ count }) => count)).toEqual([12, 12, 12]);
    await tables.setMerging(true);
    expect(view().report.classes.map(({ count }) => count)).toEqual([36]);
    expect(view().report.similar_labels).toMatchObject([{ merged: true }]);
    await tables.setMerging(false);
    expect(view().report.classes).toHaveLength(3);
  });

  it("takes its split from a column, or not; one that states none is refused", async () => {
    const { tables, view, chosen, problems } = await place(file("split_column.csv"));
    await tables.setSplit("none");
    expect(view().split).toBeNull();
    await tables.setSplit("split");
    expect(view().split).toMatchObject(SPLIT);
    await tables.setColumn("label", 2);
    expect(chosen(), "a column has one role").toMatchObject({ label_column: "split", split_column: null });
    await tables.setSplit("label");
    expect(problems.heldOut).toMatch(/^Column “label” does not define the split\. .*is not train, test, dev or validation/);
    expect(chosen().split_column).toBeNull();
  });

  it("follows settings that are changed elsewhere, once they rest", async () => {
    const { page, tables, view, chosen, problems } = await place(file("lines_above.csv"));
    const rest = () => new Promise((resolve) => setTimeout(resolve, 1000));
    page.config = under({ header_row: 6 });
    tables.follow();
    page.config = under({ header_row: 5 });
    tables.follow();
    await rest();
    expect(view()).toMatchObject({ header_row: 5, rows: 36 });
    const before = view();
    page.config = { ...page.config, seed: 3 };
    tables.follow();
    await rest();
    expect(view(), "the seed does not concern it").toBe(before);
    page.config = under({ header_row: 4000 });
    tables.follow();
    await rest();
    expect(problems.options).toMatch(/row 4000 cannot be the header/);
    expect(view()).toBe(before);
    expect(chosen().header_row, "as it was typed").toBe(4000);
    await tables.setHeader(3);
    expect(problems, "another row was clicked").toEqual({});
    expect(chosen().header_row).toBe(3);
  });

  it("takes settings of a file where it can be read so", async () => {
    const { tables, page } = await place(file("lines_above.csv"), { text_column: "Text", label_column: "Queue", header_row: 5 });
    const given = (reading: Partial<Reading>) => ({ ...under(reading), seed: 77 });
    const own = readingOf(page.config as RunConfig);
    // What they leave open stays, and so do the columns.
    expect(await tables.fitted(given({ text_column: "body" }))).toEqual(given(own));
    expect(await tables.fitted(given({ merge_labels: true, header_row: 0 }))).toEqual(given({ ...own, merge_labels: true, header_row: 0 }));
    expect(tables.lost).toEqual([]);
    expect(await tables.fitted(given({ header_row: 900 }))).toEqual(given(own));
    expect(tables.lost).toEqual(["The settings name a header row, a sheet or a split column that this file does not have. The file is read as before."]);
    tables.restart();
    expect(tables.lost).toEqual([]);
  });

  it("keeps a choice whose reading is under way when another one is made", async () => {
    const { tables, view, chosen } = await place(sheets);
    await Promise.all([tables.setColumn("label", 1), tables.setSheet("June")]);
    expect(view()).toMatchObject({ sheet: "June", rows: 9, label_column: 0 });
    expect(chosen()).toMatchObject({ sheet: "June", label_column: "queue" });
    await tables.setMerging(true);
    expect(chosen(), "what is over is not wanted again").toMatchObject({ sheet: "June", label_column: "queue", merge_labels: true });
  });

  it("drops the answer of an earlier reading, and fixes both columns where a guess would jump", async () => {
    const { page, tables } = await place(file("two_texts.tsv"));
    const before = page.table as TableView;
    const asked: { reading: Reading; answer: (table: TableView) => void }[] = [];
    const api = { openTable: (_: Blob, config: RunConfig) => new Promise<TableView>((answer) => asked.push({ reading: readingOf(config), answer })) };
    const slow = new TableReading(page, { call: (job: (worker: typeof api) => unknown) => Promise.resolve(job(api)) } as unknown as Pick<Client, "call">);
    const settled = () => new Promise((resolve) => setTimeout(resolve));
    const [merged, apart] = [slow.setMerging(true), slow.setMerging(false)];
    await settled();
    asked[1]!.answer({ ...before, rows: 2 });
    await apart;
    asked[0]!.answer({ ...before, rows: 1 });
    await merged;
    expect(page.table?.rows).toBe(2);
    expect(readingOf(page.config as RunConfig).merge_labels).toBe(false);
    expect(slow.busy).toBe(false);

    // The labels were found in column 4; with the texts in column 3 they would be found in column 2.
    const chosen = slow.setColumn("text", 2);
    await settled();
    expect(asked[2]!.reading).toMatchObject({ text_column: "sentence2", label_column: null });
    asked[2]!.answer({ ...before, text_column: 2, label_column: 1 });
    await settled();
    expect(asked[3]!.reading).toMatchObject({ text_column: "sentence2", label_column: "gold_label" });
    asked[3]!.answer({ ...before, text_column: 2, label_column: 3 });
    await chosen;
    expect(page.table).toMatchObject({ text_column: 2, label_column: 3 });
    expect(readingOf(page.config as RunConfig)).toMatchObject({ text_column: "sentence2", label_column: "gold_label" });
    expect(tables.busy).toBe(false);
  });
});

describe("a held-out file", () => {
  it("is read as the table is, but for a sheet that it does not have", async () => {
    const { page, tables, problems } = await place(file("similar_labels.csv"), { sheet: "May", merge_labels: true });
    page.heldOut = { name: "held.csv", bytes: new Blob([new Uint8Array(file("similar_labels.csv"))]) };
    expect(tables.heldOut).toBeUndefined();
    await tables.lookAtHeldOut();
    expect(tables.heldOut?.report.classes.map(({ count }) => count)).toEqual([36]);
    const book = workbook([{ name: "April", rows: [["text", "label"], ["so it is here", "a"], ["so it was there", "b"]] }]);
    page.heldOut = { name: "held.xlsx", bytes: new Blob([new Uint8Array(book)]) };
    expect(tables.heldOut, "of another file").toBeUndefined();
    await tables.lookAtHeldOut();
    expect(tables.heldOut?.sheet).toBe("April");
    page.heldOut = { name: "held.csv", bytes: new Blob([""]) };
    await tables.lookAtHeldOut();
    expect(problems.heldOut).toBeDefined();
  });
});

describe("a table beside a held-out file", () => {
  it("has no split column: all its rows are trained on", async () => {
    const { page, tables, view, problems } = await place(file("split_column.csv"));
    expect(view().split).not.toBeNull();
    page.heldOut = { name: "held.csv", bytes: new Blob([new Uint8Array(file("similar_labels.csv"))]) };
    await tables.lookAtHeldOut();
    expect(view().split).toBeNull();
    expect(tables.heldOut?.rows).toBe(36);
    await tables.setSplit("split");
    expect(problems).toEqual({});
    page.heldOut = undefined;
    await tables.lookAtHeldOut();
    expect(view().split).toMatchObject(SPLIT);
  });
});

describe("files that are joined", () => {
  it("have the rows of the open table as it is read", async () => {
    const api = tableCalls(core);
    const blob = (text: string) => new Blob([text]);
    const first = blob(table(8, (index) => `the parcel ${index} is late,${index % 2 ? "a" : "b"}`));
    const second = blob(["text,label", table(5, (index) => `it came ${index} days late,${index % 2 ? "a" : "b"}`)].join("\n"));
    const book = new Blob([
      new Uint8Array(workbook([
        { name: "One", rows: [["text", "label"], ["not this sheet", "a"]] },
        { name: "Two", rows: [["Export of May"], ["text", "label"], ...Array.from({ length: 6 }, (_, i) => [`the box ${i} is open`, i % 2 ? "a" : "b"])] },
      ])),
    ]);
    const sources = [{ name: "book.xlsx", bytes: book }, { name: "second.csv", bytes: second }];
    const joined = await api.joinTables(sources, under({ sheet: "Two", header_row: 2 }));
    expect(joined.parts.map(({ name, rows, first_row }) => [name, rows, first_row])).toEqual([["book.xlsx", 6, 2], ["second.csv", 5, 8]]);
    expect(joined.parts[0]!.notes.join(" ")).toContain("the sheet `One` is not");
    const whole = await api.openTable(joined.bytes, under({}));
    expect(whole).toMatchObject({ rows: 11, columns: ["text", "label"] });
    expect(whole.preview[0]).toEqual(["the box 0 is open", "b"]);
    // Without a header, and with one that is told to be a row.
    const plain = await api.joinTables([{ name: "first.csv", bytes: first }, { name: "second.csv", bytes: second }], under({ header_row: 0 }));
    expect(plain.parts.map(({ rows }) => rows)).toEqual([8, 5]);
  });
});
