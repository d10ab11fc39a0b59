import { describe, expect, it } from "vitest";
import { SPENDS, spendText, wordOf } from "../../src/lib/spend";

describe("what a run may take", () => {
  it("is a word of the crate", () => {
    expect(wordOf({ kind: "options", text: "whatever" })).toEqual({});
    expect(wordOf({ kind: "steps", text: " 100 " })).toEqual({ word: "steps:100" });
    expect(wordOf({ kind: "seconds", text: "0.5" })).toEqual({ word: "seconds:0.5" });
    expect(wordOf({ kind: "flops", text: "2.5" })).toEqual({ word: "flops:2500000000000" });
  });

  it("is refused where it is no number above 0", () => {
    for (const text of ["", " ", "0", "-1", "many", "1e999", "NaN"])
      for (const { kind } of SPENDS.slice(1)) expect(wordOf({ kind, text }), `${kind} ${text}`).toHaveProperty("wrong");
    expect(wordOf({ kind: "steps", text: "1.5" })).toEqual({ wrong: "Give a whole number above 0." });
  });

  it("starts with a number that can be used", () => {
    for (const { kind, start } of SPENDS) expect(wordOf({ kind, text: start })).not.toHaveProperty("wrong");
  });

  it("is told in words", () => {
    expect(SPENDS.map(({ kind }) => spendText({ kind, text: "1" }))).toEqual([undefined, "1 step", "1 second", "1 TFLOP"]);
    expect(spendText({ kind: "steps", text: "1200" })).toBe("1,200 steps");
    expect(spendText({ kind: "seconds", text: "x" })).toBeUndefined();
  });
});
