/** A file that is classified, and how it is read: the sheet, the header row and the text column can be chosen. */
import { describe, expect, it } from "vitest";
import type { FileProgress, FileView } from "../../src/contract";
import { Classify } from "../../src/lib/classify.svelte";
import type { FileReading, LabelledFile, Labels } from "../../src/lib/classifying";
import { Classifying } from "../../src/lib/classifying";
import type { Client } from "../../src/lib/client";
import { problem } from "../../src/lib/problem";
import type { Session } from "../../src/lib/session.svelte";

const view: FileView = {
  columns: ["id", "text", "kind"],
  has_header: true,
  header_row: 1,
  head: [
    { row: 1, cells: ["id", "text", "kind"] },
    { row: 2, cells: ["1", "so it is", "a"] },
  ],
  sheets: ["May", "June", "Empty"],
  sheet: "May",
  rows: 1,
  text_column: 1,
  label_column: null,
  preview: [],
  notes: [],
};
const progress: FileProgress = { done: 1, rows: 1, empty: 0, judged: 0, right: 0, unknown: 0, counts: [] };

/** A worker that reads a file as it is asked to, and refuses the sheet `Empty`. */
function setUp() {
  const asked: FileReading[] = [];
  const api = {
    labelFile: async (_bytes: Blob, _name: string, reading: FileReading, _by: string, onProgress: (labels: Labels) => void) => {
      asked.push(reading);
      const { headerRow, sheet = "May" } = reading;
      if (sheet === "Empty") throw problem("data", "the sheet `Empty` is empty", "");
      const read: FileView = { ...view, sheet, header_row: headerRow === undefined ? 1 : headerRow || null };
      onProgress({ view: read, progress });
      return { view: read, progress, bytes: new Uint8Array(), extension: "csv" } satisfies LabelledFile;
    },
    stopLabelling: () => Promise.resolve(),
  };
  const client = { call: (job: (worker: typeof api) => unknown) => Promise.resolve(job(api)) } as unknown as Client;
  const session = { announcement: "", result: { classifiesBy: () => Promise.resolve("run") } } as unknown as Session;
  return { asked, classify: new Classify(session, client) };
}

const file = (name: string) => new File(["id,text,kind\n1,so it is,a\n"], name);

describe("a file that is classified", () => {
  it("is read again with another header row, column or sheet", async () => {
    const { asked, classify } = setUp();
    await classify.label(file("a.xlsx"));
    expect(classify.file).toMatchObject({ state: "done", view: { header_row: 1, sheet: "May" } });
    await classify.readAgain({ headerRow: 0 });
    expect(classify.file).toMatchObject({ state: "done", view: { header_row: null } });
    await classify.readAgain({ column: 2 });
    expect(asked.at(-1)).toEqual({ headerRow: 0, column: "3" });
    await classify.readAgain({ headerRow: null });
    expect(asked.at(-1), "found by looking again").toEqual({ column: "3" });
    await classify.readSheet("June");
    expect(asked.at(-1), "nothing of one sheet holds for another").toEqual({ sheet: "June" });
    expect(classify.file).toMatchObject({ state: "done", view: { sheet: "June" } });
    await classify.readAgain({ headerRow: 2 });
    expect(asked.at(-1)).toEqual({ sheet: "June", headerRow: 2 });
    expect(classify.reading.headerRow).toBe(2);
  });

  it("that cannot be read so still offers another choice, and says which one failed", async () => {
    const { classify } = setUp();
    await classify.label(file("a.xlsx"));
    await classify.readSheet("Empty");
    expect(classify.file).toMatchObject({ state: "failed", view: { sheet: "Empty", sheets: view.sheets } });
    await classify.readSheet("May");
    expect(classify.file).toMatchObject({ state: "done", view: { sheet: "May" } });
  });

  it("forgets what was chosen for the one before", async () => {
    const { asked, classify } = setUp();
    await classify.label(file("a.xlsx"));
    await classify.readAgain({ headerRow: 2 });
    const next = classify.label(file("b.xlsx"));
    expect(classify.file, "nothing is known of it yet").toMatchObject({ state: "running", view: undefined });
    await next;
    expect(asked.at(-1)).toEqual({});
    await classify.readAgain({ headerRow: 2 });
    classify.forgetFile();
    expect(classify.file).toEqual({ state: "none" });
    expect(classify.reading).toEqual({});
  });
});

describe("the worker", () => {
  it("gives the crate what was chosen", async () => {
    const opened: unknown[][] = [];
    const labelling = {
      view: () => view,
      progress: () => progress,
      next: () => Promise.resolve(false),
      bytes: () => new Uint8Array(),
      extension: "csv",
      free: () => undefined,
    };
    const core = {
      Classifier: { load: () => Promise.resolve({ info: () => ({}), free: () => undefined }) },
      Labelling: { open: (_classifier: unknown, _bytes: unknown, ...rest: unknown[]) => (opened.push(rest), labelling) },
    };
    const classifying = new Classifying(core as never, () => ({}) as never);
    await classifying.load(new Uint8Array(), "auto");
    const turn = <R>(job: () => R | Promise<R>) => Promise.resolve(job());
    const label = (reading: FileReading) => classifying.label(new Uint8Array(), "a.xlsx", reading, undefined, turn, () => undefined);
    expect(await label({ column: "3", headerRow: 0, sheet: "June" })).toMatchObject({ view, extension: "csv" });
    await label({});
    expect(opened).toEqual([
      ["a.xlsx", "3", 0, "June"],
      ["a.xlsx", undefined, undefined, undefined],
    ]);
  });
});
