import { describe, expect, it } from "vitest";
import { asProblem, comesAgain, endsWorker, settingOf } from "../../src/lib/problem";

describe("problems", () => {
  it("keeps what the crate says, with row and column", () => {
    const thrown = {
      code: "data",
      message: "a cell is not closed (row 7, column text)",
      hint: "close the quote",
      row: 7,
      column: "text",
    };
    expect(asProblem(thrown)).toEqual(thrown);
    expect(asProblem(structuredClone(thrown))).toEqual(thrown);
    expect(asProblem({ code: "data", message: "m", hint: "h", row: undefined, column: null })).toEqual({
      code: "data",
      message: "m",
      hint: "h",
    });
  });

  it("knows a panic of the crate, after which the worker is of no use", () => {
    const panic = asProblem(new WebAssembly.RuntimeError("unreachable"));
    expect(panic.code).toBe("panic");
    expect(endsWorker(panic)).toBe(true);
    expect(endsWorker(asProblem({ code: "device", message: "lost", hint: "" }))).toBe(true);
    expect(endsWorker(asProblem({ code: "data", message: "empty", hint: "" }))).toBe(false);
  });

  it("knows what another worker does not help with, though this one is of no use", () => {
    const full = asProblem({ code: "device_memory", message: "no room", hint: "use the CPU" });
    expect([endsWorker(full), comesAgain(full)]).toEqual([true, true]);
    expect(comesAgain(asProblem({ code: "device", message: "lost", hint: "" }))).toBe(false);
  });

  it("says that a browser without SIMD is too old", () => {
    expect(asProblem(new WebAssembly.CompileError("bad")).code).toBe("browser");
  });

  it("has something to say about anything", () => {
    expect(asProblem(new TypeError("x is not a function"))).toMatchObject({ code: "internal", message: "x is not a function" });
    expect(asProblem("text").message).toBe("text");
    expect(asProblem(undefined).message).toBe("undefined");
    expect(asProblem(null).message).toBe("null");
  });

  it("finds the setting that a config problem is about", () => {
    expect(settingOf({ code: "config", message: "optim.batch_size: 0 texts a step", hint: "" })).toBe("optim.batch_size");
    expect(settingOf({ code: "config", message: "seed: 1 is above 2^53 - 1", hint: "" })).toBe("seed");
    expect(settingOf({ code: "config", message: "prompt.late.layer: 7 layers", hint: "" })).toBe("prompt.late.layer");
    expect(settingOf({ code: "data", message: "optim.batch_size: no", hint: "" })).toBeUndefined();
  });
});
