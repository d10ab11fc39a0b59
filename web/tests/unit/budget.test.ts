import { describe, expect, it } from "vitest";
import { BUDGETS, budgetText, budgetArgument } from "../../src/lib/budget";

describe("the budget of a run", () => {
  it("is an argument of the crate", () => {
    expect(budgetArgument({ kind: "options", text: "whatever" })).toEqual({});
    expect(budgetArgument({ kind: "steps", text: " 100 " })).toEqual({ text: "steps:100" });
    expect(budgetArgument({ kind: "seconds", text: "0.5" })).toEqual({ text: "seconds:0.5" });
    expect(budgetArgument({ kind: "flops", text: "2.5" })).toEqual({ text: "flops:2500000000000" });
  });

  it("is refused where it is no number above 0", () => {
    for (const text of ["", " ", "0", "-1", "many", "1e999", "NaN"])
      for (const { kind } of BUDGETS.slice(1)) expect(budgetArgument({ kind, text }), `${kind} ${text}`).toHaveProperty("wrong");
    expect(budgetArgument({ kind: "steps", text: "1.5" })).toEqual({ wrong: "Enter a whole number above 0." });
  });

  it("starts with a number that can be used", () => {
    for (const { kind, start } of BUDGETS) expect(budgetArgument({ kind, text: start })).not.toHaveProperty("wrong");
  });

  it("has a label", () => {
    expect(BUDGETS.map(({ kind }) => budgetText({ kind, text: "1" }))).toEqual([undefined, "1 step", "1 second", "1 TFLOP"]);
    expect(budgetText({ kind: "steps", text: "1200" })).toBe("1,200 steps");
    expect(budgetText({ kind: "seconds", text: "x" })).toBeUndefined();
  });
});
