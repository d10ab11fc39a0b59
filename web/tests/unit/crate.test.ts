/** The page against the crate itself. */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import type { RunConfig } from "../../src/contract";
import { choicesOf, settings } from "../../src/lib/described.svelte";
import { methods, pageDefaults, withMethod } from "../../src/lib/methods";
import { at, isNumber, optionsFor, textOf, wantedWords, withText } from "../../src/lib/options";
import { readSettings, settingsText } from "../../src/lib/settings-file";
import { variants, withVariant } from "../../src/lib/variants";
import { config } from "./config";
import { core } from "./core";

let defaults: RunConfig;
let pruned: RunConfig;

beforeAll(() => {
  defaults = core.default_config();
  pruned = core.complete_config({ prompt: { prune: {} } });
});

const paths = (value: unknown, above = ""): string[] =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.entries(value).flatMap(([key, inner]) => [`${above}${key}`, ...paths(inner, `${above}${key}.`)])
    : [];

describe("the crate", () => {
  it("describes what its config has, and the settings of these tests are a whole config", () => {
    const existing = paths(pruned);
    for (const { path } of settings()) expect(existing).toContain(path);
    expect(paths(config).sort()).toEqual(paths(defaults).sort());
  });

  it("accepts its defaults with every method and every variant", () => {
    const pruning = pruned.prompt.prune ?? undefined;
    expect(pruning?.pieces).toBeGreaterThan(0);
    expect(methods()).toHaveLength(8);
    for (const { value } of methods()) core.validate_config(withMethod(pageDefaults(defaults), value as RunConfig["prompt"]["method"]));
    for (const { name } of variants()) core.validate_config(withVariant(defaults, name, pruning));
  }, 60_000);

  it("accepts every choice and switch that the page offers", () => {
    for (const { value: method } of methods()) {
      const base = withMethod(defaults, method as RunConfig["prompt"]["method"]);
      for (const setting of optionsFor(base).flatMap((group) => group.options)) {
        const onOff = setting.kind.type === "switch" || setting.kind.type === "part";
        const texts = onOff ? ["on", "off"] : choicesOf(setting).map(({ value }) => value);
        if (setting.kind.type === "list") texts.splice(0, Infinity, JSON.stringify(texts));
        for (const text of texts) {
          const changed = withText(base, setting, text, pruned.prompt.prune ?? undefined);
          if ("wrong" in changed) throw new Error(`${setting.path}: ${changed.wrong}`);
          // An empty text to start from, and fusion without the change it is about, are told to the user.
          if (setting.path === "prompt.init" && text === "text") continue;
          if (setting.path === "prompt.efficient.update" && text === "off") continue;
          expect(() => core.validate_config(changed.config), `${method}: ${setting.path}=${text}`).not.toThrow();
          expect(at(changed.config, setting.path), setting.path).toBeDefined();
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
    expect(view.report.advice[0]).toMatch(/2 classes in 4 rows/);
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
      message: expect.stringMatching(/^b\.csv has different columns than a\.csv/),
    });
    expect(thrown(() => core.edit_table(joined.csv, defaults, [{ row: 99, label: "x" }]))).toMatchObject({ code: "data", row: 99 });
  });

  it("refuses what the page refuses, at the same limits", () => {
    let looked = 0;
    for (const setting of settings()) {
      if (!isNumber(setting.kind)) continue;
      const { minimum, above, maximum, below } = setting.kind.limits;
      const step = setting.kind.type === "integer" ? 1 : 1e-6;
      const scale = setting.kind.type === "percent" ? 100 : 1;
      const wrong = [minimum != null ? minimum - step : above, maximum != null ? maximum + step : below];
      for (const value of wrong.filter((value) => value != null)) {
        looked++;
        const result = withText(pruned, setting, String(value * scale));
        expect(result, `${setting.path}: ${value}`).toHaveProperty("wrong");
        expect((result as { wrong: string }).wrong).toContain(wantedWords(setting.kind));
      }
      const fine = [minimum ?? (above as number) + step, maximum].filter((value) => value != null);
      for (const value of fine) {
        const result = withText(pruned, setting, String(value * scale));
        if ("wrong" in result) throw new Error(`${setting.path}: ${result.wrong}`);
        expect(() => core.validate_config(result.config), `${setting.path}: ${value}`).not.toThrow();
      }
    }
    expect(looked).toBeGreaterThan(25);
  });
});

describe("settings as a file", () => {
  const file = (text: string) => Object.assign(new Blob([text]), { name: "mine.json" });

  it("come back as they were", async () => {
    const all = { ...pruned, seed: 7 };
    expect(core.complete_config(await readSettings(file(settingsText(all))))).toEqual(all);
    expect(textOf(all, settings().find(({ path }) => path === "seed")!)).toBe("7");
  });

  it("are taken from the record of an adapter, too, and what is left out is filled in", async () => {
    const record = JSON.stringify({ labels: ["a"], config: { optim: { steps: 12 } } });
    expect(core.complete_config(await readSettings(file(record)))).toEqual({ ...defaults, optim: { ...defaults.optim, steps: 12 } });
  });

  it("are refused with what to do about it", async () => {
    for (const [text, said] of [
      ["{", /mine\.json is not JSON/],
      ["[1]", /has no settings/],
      ["null", /has no settings/],
      [" ".repeat(2e6), /too large/],
    ] as const)
      await expect(readSettings(file(text))).rejects.toMatchObject({ code: "io", message: said });
    expect(() => core.complete_config({ optim: { stepps: 3 } })).toThrow();
  });
});

describe("the contract", () => {
  it("says nothing by hand that is generated", () => {
    const names = (path: string) =>
      [...readFileSync(new URL(path, import.meta.url), "utf8").matchAll(/^export (?:type|interface) (\w+)/gm)].map(([, name]) => name);
    const generated = names("../../src/contract.generated.ts");
    expect(generated).toContain("RunConfig");
    expect(names("../../src/contract.ts").filter((name) => generated.includes(name))).toEqual([]);
  });
});
