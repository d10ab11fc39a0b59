import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Method, RunConfig, Setting } from "../../src/contract";
import { settingAt, settings } from "../../src/lib/described.svelte";
import { methods, pageDefaults, withMethod } from "../../src/lib/methods";
import { alsoCalled, applies, correctFirst, matches, nextStage, optionsFor, search, textOf, toggled, unused, withText, wordsOf } from "../../src/lib/options";
import { config, pruning } from "./config";
import "./core";

const option = (path: string) => settingAt(path) as Setting;
const changed = (path: string, text: string) => {
  const result = withText(config, option(path), text, pruning);
  if ("wrong" in result) throw new Error(result.wrong);
  return result.config;
};

describe("options", () => {
  it("come back as they were typed", () => {
    for (const one of settings().filter(({ path }) => !path.startsWith("prompt.prune."))) {
      const again = changed(one.path, textOf(config, one));
      expect(textOf(again, one), one.path).toBe(textOf(config, one));
    }
  });

  it("shows a share as percent without the noise of binary fractions", () => {
    expect(textOf(config, option("data.held_out_fraction"))).toBe("7");
    expect(changed("data.held_out_fraction", "7").data.held_out_fraction).toBe(0.07);
    expect(changed("data.held_out_fraction", "12.5").data.held_out_fraction).toBe(0.125);
  });

  it("takes numbers as people write them", () => {
    expect(changed("optim.prompt_lr", "2e-2").optim.prompt_lr).toBe(0.02);
    expect(changed("optim.prompt_lr", " 0,02 ").optim.prompt_lr).toBe(0.02);
    expect(changed("optim.steps", "200").optim.steps).toBe(200);
    expect(changed("optim.steps", "").optim.steps).toBeNull();
  });

  it("refuses what is no value and what is out of its limits, and says what they are", () => {
    expect(withText(config, option("optim.batch_size"), "many")).toHaveProperty("wrong");
    expect(withText(config, option("optim.batch_size"), "")).toHaveProperty("wrong");
    expect(withText(config, option("optim.batch_size"), "1.5")).toHaveProperty("wrong");
    expect(withText(config, option("optim.batch_size"), "-1")).toHaveProperty("wrong");
    expect(withText(config, option("seed"), "9007199254740993")).toHaveProperty("wrong");
    const wrong = (path: string, text: string) => (withText(config, option(path), text) as { wrong: string }).wrong;
    expect(wrong("prompt.length", "501")).toBe("501 is too large: enter a whole number, 1 to 500.");
    expect(wrong("optim.batch_size", "0")).toBe("0 is too small: enter a whole number, 1 to 65536.");
    expect(wrong("optim.prompt_lr", "0")).toBe("0 is too small: enter a number, more than 0.");
    expect(wrong("data.held_out_fraction", "100")).toBe("100 is too large: enter a number, more than 0 and less than 100.");
    expect(wrong("data.held_out_fraction", "x")).toMatch(/^“x” is not a number: enter a number, /);
  });

  it("keeps the text that a prompt starts from", () => {
    const chosen = changed("prompt.init", "text");
    expect(chosen.prompt.init).toEqual({ text: "" });
    const filled: RunConfig = { ...chosen, prompt: { ...chosen.prompt, init: { text: "sort the requests" } } };
    expect(textOf(filled, option("prompt.init"))).toBe("text");
    expect(withText(filled, option("prompt.init"), "text")).toEqual({ config: filled });
  });

  it("are told in words", () => {
    expect(wordsOf(config, option("prompt.length"))).toBe("3 tokens");
    expect(wordsOf(config, option("data.held_out_fraction"))).toBe("7% of the rows");
    expect(wordsOf(config, option("prompt.late.layer"))).toBe("half of the layers");
    expect(wordsOf(config, option("head.kind"))).toBe("[CLS] token");
    expect(wordsOf(config, option("prompt.auto.candidates"))).toBe("Prompt tuning, Late prompt tuning (LPT)");
    expect(wordsOf(config, option("prompt.progressive.stages"))).toBe("2 stages");
  });

  it("are found by every word that is said of them", () => {
    const found = (query: string) =>
      settings()
        .filter((one) => matches(one, "", query))
        .map(({ path }) => path);
    expect(found("batch size")).toEqual(["optim.batch_size"]);
    expect(found("prompt length")).toEqual(["prompt.length"]);
    expect(found("optim.SEED")).toEqual([]);
    expect(found("seed")).toContain("seed");
    expect(found("cosine")).toEqual(["optim.schedule"]);
    // In any order, and in several sentences.
    expect(found("norm clipping")).toEqual(["optim.clip_norm"]);
    expect(found("loss unstable global")).toEqual(["optim.clip_norm"]);
  });

  it("are found by their usual names elsewhere, however those are written", () => {
    // The table that the crate's own test has.
    const names = new URL("../../../tests/files/setting-names.json", import.meta.url);
    const table = Object.entries(JSON.parse(readFileSync(names, "utf8")) as Record<string, string[]>);
    expect(table.length).toBeGreaterThanOrEqual(30);
    for (const [query, expected] of table) {
      for (const written of [query, query.toUpperCase(), query.replace(/[ _-]/g, "-"), query.replace(/[ _-]/g, "")]) {
        const found = settings().filter((one) => matches(one, "", written));
        expect(found.map(({ path }) => path), written).toEqual(expect.arrayContaining(expected));
      }
    }
    expect(settings().filter((one) => matches(one, "", "dropout"))).toEqual([]);
  });

  it("say by which other name they were found", () => {
    expect(alsoCalled(option("optim.clip_norm"), "max grad norm")).toEqual(["max_grad_norm"]);
    expect(alsoCalled(option("optim.clip_norm"), "Max_Grad")).toEqual(["max_grad_norm"]);
    expect(alsoCalled(option("optim.clip_norm"), "grad_norm")).toEqual(["max_grad_norm", "clip_grad_norm"]);
    expect(alsoCalled(option("eval.evaluations"), "best load")).toEqual(["load_best_model_at_end"]);
    // Where the label says it, there is nothing to add.
    expect(alsoCalled(option("optim.clip_norm"), "norm grad")).toEqual([]);
    expect(alsoCalled(option("optim.clip_norm"), "gradient-clipping")).toEqual([]);
    expect(alsoCalled(option("optim.clip_norm"), "")).toEqual([]);
    expect(alsoCalled(option("optim.clip_norm"), "warmup_ratio")).toEqual([]);
  });

  it("of another method are named where the search finds none of this one", () => {
    const late = { label: "Generator bottleneck size", group: "Late prompt tuning (LPT)" };
    expect(unused(config, "encoder_hidden_size")).toEqual([late]);
    expect(unused(withMethod(config, "late"), "encoder_hidden_size")).toEqual([]);
    expect(unused(config, "max_grad_norm")).toEqual([]);
    expect(unused(config, "zeppelin")).toEqual([]);
  });

  it("that must be corrected stay in sight, and are no hits of a search", () => {
    const all = optionsFor(config);
    const wrong = (path: string) => path === "optim.batch_size";
    const paths = ({ groups }: ReturnType<typeof search>) => groups.flatMap(({ options }) => options.map(({ path }) => path));
    const nothing = search(all, " ", () => false);
    expect(nothing).toEqual({ groups: all, hits: all.flatMap(({ options }) => options).length, kept: 0 });
    expect(search(all, "prompt length", () => false)).toMatchObject({ hits: 1, kept: 0 });
    const other = search(all, "prompt length", wrong);
    expect(paths(other).sort()).toEqual(["optim.batch_size", "prompt.length"]);
    expect(other).toMatchObject({ hits: 1, kept: 1 });
    const none = search(all, "zeppelin", wrong);
    expect(paths(none)).toEqual(["optim.batch_size"]);
    expect(none).toMatchObject({ hits: 0, kept: 1 });
    // One that is found is a hit, also where it is wrong.
    expect(search(all, "batch size", wrong)).toMatchObject({ hits: 1, kept: 0 });
  });

  it("that must be corrected are named", () => {
    expect(correctFirst(["“Batch size”"])).toBe("Correct “Batch size” first.");
    expect(correctFirst(["“Steps”", "“Batch size”", "“Seed”"])).toBe("Correct “Steps”, “Batch size” and “Seed” first.");
    expect(correctFirst([])).toBe("Correct the options first.");
  });

  it("never changes the config it was given", () => {
    const before = structuredClone(config);
    changed("optim.batch_size", "99");
    expect(config).toEqual(before);
  });
});

describe("the options of a method", () => {
  const paths = (of: RunConfig) => optionsFor(of).flatMap((group) => group.options.map(({ path }) => path));
  const own = (of: RunConfig) => paths(of).filter((path) => path.split(".").length > 2 && !path.startsWith("prompt.prune"));

  it("are those that it uses", () => {
    for (const method of methods().map(({ value }) => value as Method)) {
      const shown = own(withMethod(config, method));
      const groups = new Set(shown.map((path) => path.split(".")[1]));
      const expected: Record<string, string[]> = { progressive: ["progressive"], probe: [], prompt: [], deep: [] };
      expect([...groups], method).toEqual(expected[method] ?? [method]);
    }
    expect(paths(withMethod(config, "probe")).filter((path) => path.startsWith("prompt."))).toEqual(["prompt.method"]);
    expect(paths(withMethod(config, "probe"))).not.toContain("optim.prompt_lr");
    expect(paths(withMethod(config, "prompt"))).toContain("optim.prompt_lr");
  });

  it("of progressive training come with those of what it trains", () => {
    const growing = withMethod(config, "progressive");
    const based = (base: "efficient" | "ensemble") =>
      own({ ...growing, prompt: { ...growing.prompt, progressive: { ...growing.prompt.progressive, base } } });
    expect(based("efficient")).toContain("prompt.efficient.rank");
    expect(based("ensemble")).toContain("prompt.ensemble.members");
  });

  it("follow what is switched on", () => {
    const plain = { ...config.prompt.efficient, fusion: false, spaces: 0 };
    const without = own({ ...config, prompt: { ...config.prompt, method: "efficient", efficient: plain } });
    expect(without).toContain("prompt.efficient.spaces");
    for (const hidden of ["attention", "space_width", "gate", "module_lr"])
      expect(without).not.toContain(`prompt.efficient.${hidden}`);
  });

  it("start with a trial of methods, and change nothing else of the crate's defaults", () => {
    expect(pageDefaults(config)).toEqual({ ...config, prompt: { ...config.prompt, method: "auto" } });
  });
});

describe("pruning", () => {
  const prunable = (of: RunConfig) => applies(option("prompt.prune"), of);

  it("is switched on with the crate's values, and off again", () => {
    const on = changed("prompt.prune", "on");
    expect(on.prompt.prune).toEqual(pruning);
    expect(optionsFor(on).flatMap((group) => group.options.map(({ path }) => path))).toContain("prompt.prune.pieces");
    expect(withText(on, option("prompt.prune.tokens"), "25")).toMatchObject({ config: { prompt: { prune: { tokens: 0.25 } } } });
    expect(withText(on, option("prompt.prune"), "off")).toMatchObject({ config: { prompt: { prune: null } } });
  });

  it("goes where the method has no rows of its own", () => {
    const on = changed("prompt.prune", "on");
    expect(withMethod(on, "ensemble").prompt.prune).toEqual(pruning);
    for (const method of ["probe", "deep", "auto", "late"] as const) {
      expect(prunable(withMethod(on, method)), method).toBe(false);
      expect(withMethod(on, method).prompt.prune, method).toBeNull();
    }
    // A late prompt that nothing makes has rows of its own.
    const free = withMethod(changed("prompt.late.generator", "none"), "late");
    expect(prunable(free)).toBe(true);
    const pruned = { ...free, prompt: { ...free.prompt, prune: pruning } };
    expect(withText(pruned, option("prompt.late.generator"), "naive")).toMatchObject({ config: { prompt: { prune: null } } });
  });
});

describe("lists", () => {
  it("keep the order in which candidates are offered", () => {
    const candidates = option("prompt.auto.candidates");
    expect(toggled(candidates, ["late", "prompt"], "probe", true)).toEqual(["probe", "prompt", "late"]);
    expect(toggled(candidates, ["late", "prompt"], "late", false)).toEqual(["prompt"]);
    expect(withText(config, candidates, "[]")).toEqual({ wrong: "Choose at least one." });
  });

  it("grow by a stage between the last and the whole", () => {
    expect(nextStage([{ share: 0.2, size: 0.5 }])).toEqual({ share: 0.2, size: 0.75 });
    expect(nextStage([]).size).toBeLessThan(1);
    expect(changed("prompt.progressive.stages", '[{"share":0.1,"size":0.9}]').prompt.progressive.stages).toHaveLength(1);
  });
});
