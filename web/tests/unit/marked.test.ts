import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { marked } from "../../src/lib/marked";

const text = (value: string) => ({ text: value, code: false });
const code = (value: string) => ({ text: value, code: true });

describe("a message of the crate", () => {
  it("has code where backticks are", () => {
    expect(marked("only the sheet `Read me` is read")).toEqual([text("only the sheet "), code("Read me"), text(" is read")]);
    expect(marked("`a`, `b` and 7 more")).toEqual([code("a"), text(", "), code("b"), text(" and 7 more")]);
    expect(marked("no name here")).toEqual([text("no name here")]);
    expect(marked("")).toEqual([]);
  });

  it("loses no character where a backtick has no partner", () => {
    expect(marked("it`s `x`")).toEqual([text("it"), code("s "), text("x`")]);
    expect(marked("``x``")).toEqual([text("`"), code("x"), text("`")]);
    expect(marked("`")).toEqual([text("`")]);
  });

  it("is text, whatever is in it", () => {
    expect(marked("the label `<img src=x onerror=alert(1)>`")[1]).toEqual(code("<img src=x onerror=alert(1)>"));
    const folder = join(import.meta.dirname, "../../src");
    for (const file of readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".svelte")))
      expect(readFileSync(join(folder, file), "utf8"), file).not.toContain("{@html");
  });
});
