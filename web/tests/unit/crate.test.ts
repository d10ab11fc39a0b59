/** The page against the crate itself: the wasm package that `cargo xtask` has built. */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import * as wasm from "../../pkg/softprompt.js";
import type { Core, RunConfig } from "../../src/contract";
import { METHODS, pageDefaults, withMethod } from "../../src/lib/methods";
import { OPTION_GROUPS } from "../../src/lib/option-groups";
import { at, optionsFor, withText } from "../../src/lib/options";
import { VARIANTS, withVariant } from "../../src/lib/variants";
import { config } from "./config";

const core: Core = wasm;
let defaults: RunConfig;
let pruned: RunConfig;

beforeAll(() => {
  wasm.initSync({ module: readFileSync(new URL("../../pkg/softprompt_bg.wasm", import.meta.url)) });
  defaults = core.default_config();
  pruned = core.complete_config({ prompt: { prune: {} } });
});

const paths = (value: unknown, above = ""): string[] =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.entries(value).flatMap(([key, inner]) => [`${above}${key}`, ...paths(inner, `${above}${key}.`)])
    : [];

describe("the crate", () => {
  it("has every setting that the page offers, and those of the contract", () => {
    const existing = paths(pruned);
    for (const { path } of OPTION_GROUPS.flatMap((group) => group.options)) expect(existing).toContain(path);
    expect(paths(config).sort()).toEqual(paths(defaults).sort());
  });

  it("accepts its defaults with every method and every variant", () => {
    const pruning = pruned.prompt.prune ?? undefined;
    expect(pruning?.pieces).toBeGreaterThan(0);
    for (const { method } of METHODS) core.validate_config(withMethod(pageDefaults(defaults), method));
    for (const { name } of VARIANTS) core.validate_config(withVariant(defaults, name, pruning));
  }, 60_000);

  it("accepts every choice and switch that the page offers", () => {
    for (const { method } of METHODS) {
      const base = withMethod(defaults, method);
      for (const option of optionsFor(base).flatMap((group) => group.options)) {
        const texts = option.kind === "switch" ? ["on", "off"] : (option.choices ?? []).map(({ value }) => value);
        if (option.kind === "methods") texts.splice(0, Infinity, JSON.stringify(texts));
        for (const text of texts) {
          const changed = withText(base, option, text, pruned.prompt.prune ?? undefined);
          if ("wrong" in changed) throw new Error(`${option.path}: ${changed.wrong}`);
          // An empty text to start from, and fusion without the change it is about, are told to the user.
          if (option.path === "prompt.init" && text === "text") continue;
          if (option.path === "prompt.efficient.update" && text === "off") continue;
          expect(() => core.validate_config(changed.config), `${method}: ${option.path}=${text}`).not.toThrow();
          expect(at(changed.config, option.path), option.path).toBeDefined();
        }
      }
    }
  }, 60_000);

  it("puts tables together and changes their rows", () => {
    const bytes = (text: string) => new TextEncoder().encode(text);
    const files = [bytes("text,label\ngood one,x\nbad one,y\n"), bytes('{"label":"y","text":"worst one"}\n{"label":"x","text":"<b>"}')];
    const joined = core.join_tables(["a.csv", "b.jsonl"], files);
    expect(joined.csv).toBeInstanceOf(Uint8Array);
    expect(joined.parts).toEqual([
      { name: "a.csv", rows: 2, first_row: 2, notes: [] },
      { name: "b.jsonl", rows: 2, first_row: 4, notes: [] },
    ]);
    const edited = core.edit_table(joined.csv, defaults, [
      { row: 3, label: "z" },
      { row: 4, label: null },
    ]);
    const added = core.append_rows(edited, defaults, [{ text: "a, b", label: "z" }]);
    const view = core.open_table(added, defaults);
    expect(view.preview).toEqual([
      ["good one", "x"],
      ["bad one", "z"],
      ["<b>", "x"],
      ["a, b", "z"],
    ]);
    expect(view).toMatchObject({ format: "text", has_header: true, columns: ["text", "label"] });
    expect(view.report.lengths).toEqual({ shortest: 3, median: 7, longest: 8 });
    expect(view.report.advice[0]).toMatch(/2 classes for 4 rows/);
    const typed = core.append_rows(undefined, defaults, [{ text: "first", label: "x" }]);
    expect(core.open_table(typed, defaults).preview).toEqual([["first", "x"]]);
    const thrown = (job: () => unknown): unknown => {
      try {
        return job();
      } catch (error) {
        return error;
      }
    };
    const other = bytes("id,text,label\n1,so so,x\n2,no no,y\n");
    expect(thrown(() => core.join_tables(["a.csv", "b.csv"], [files[0]!, other]))).toMatchObject({
      code: "data",
      message: expect.stringMatching(/^b\.csv has other columns than a\.csv/),
    });
    expect(thrown(() => core.edit_table(joined.csv, defaults, [{ row: 99, label: "x" }]))).toMatchObject({ code: "data", row: 99 });
  });
});
