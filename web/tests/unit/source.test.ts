import { describe, expect, it } from "vitest";
import { chosenColumns, columnName, columnTitle, describeFile, joinedName, joinedParts, shownColumns, snapshot } from "../../src/lib/source";

describe("columns as the config names them", () => {
  it("go by their name, unless another has the same or there is none", () => {
    const table = { columns: ["id", "text", "text", "", "label"], has_header: true };
    expect(table.columns.map((_, index) => columnName(table, index))).toEqual(["id", "2", "3", "4", "label"]);
    expect(columnName({ columns: ["column 1", "column 2"], has_header: false }, 1)).toBe("2");
  });

  it("are shown by their name, or by their number where they have none", () => {
    const table = { columns: ["text", " ", "text"], has_header: true };
    expect(table.columns.map((_, index) => columnTitle(table, index))).toEqual(["text", "Column 2", "text"]);
    expect(columnTitle({ columns: ["column 1"], has_header: false }, 0)).toBe("Column 1");
  });
});

describe("a preview", () => {
  it("has the first columns and the two that matter", () => {
    const columns = ["a", "b", "c", "d", "e"];
    expect(shownColumns({ columns, text_column: 1, label_column: 4 }, 3)).toEqual([0, 1, 2, 4]);
    expect(shownColumns({ columns, text_column: 1, label_column: 0 })).toEqual([0, 1, 2, 3, 4]);
  });
});

describe("choosing a column", () => {
  it("leaves the other one, unless both would be the same", () => {
    const table = { text_column: 2, label_column: 0 };
    expect(chosenColumns(table, "text", 1)).toEqual({ text: 1, label: 0 });
    expect(chosenColumns(table, "label", 1)).toEqual({ text: 2, label: 1 });
    expect(chosenColumns(table, "text", 0)).toEqual({ text: 0, label: 2 });
    expect(chosenColumns(table, "label", 2)).toEqual({ text: 0, label: 2 });
  });
});

describe("a file in memory", () => {
  it("is what it was when it was given", async () => {
    expect(await (await snapshot(new File(["text,label\n"], "a.csv"))).text()).toBe("text,label\n");
  });

  it("is refused when it is too large or cannot be read", async () => {
    const large = new File([""], "large.csv");
    Object.defineProperty(large, "size", { value: 1e9 });
    await expect(snapshot(large)).rejects.toMatchObject({ code: "data", message: expect.stringContaining("1000 MB") });
    const folder = new File([""], "folder");
    folder.arrayBuffer = () => Promise.reject(new DOMException("gone", "NotFoundError"));
    await expect(snapshot(folder)).rejects.toMatchObject({ code: "io" });
  });
});

describe("several files", () => {
  it("have a short name", () => {
    expect(joinedName(["a.csv"])).toBe("a.csv");
    expect(joinedName(["a.csv", "b.csv", "c.csv"])).toBe("a.csv and 2 more");
  });

  it("are listed one by one, also where some were put together before", () => {
    const part = (name: string, rows: number, first_row: number) => ({ name, rows, first_row, notes: [] });
    const first = [part("a.csv", 2, 2), part("b.csv", 3, 4)];
    expect(joinedParts(undefined, first)).toEqual(first);
    const more = [part("a.csv and 1 more", 5, 2), part("c.csv", 1, 7)];
    expect(joinedParts({ parts: first }, more)).toEqual([...first, more[1]]);
  });
});

describe("what kind of file it is", () => {
  const view = { has_header: true, header_row: 3, encoding: "UTF-8", separator: "\t" };
  it("is said in words, with the row of the header", () => {
    expect(describeFile({ ...view, format: "text" })).toBe("separated by tabs, UTF-8, header in row 3");
    expect(describeFile({ ...view, format: "xlsx", has_header: false, header_row: null })).toBe("an Excel workbook, no header");
    expect(describeFile({ ...view, format: "jsonl", header_row: null })).toBe("JSON Lines");
    expect(describeFile({ ...view, format: "json", has_header: false, header_row: null })).toBe("JSON, no header");
  });
});
