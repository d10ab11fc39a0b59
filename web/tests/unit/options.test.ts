import { describe, expect, it } from "vitest";
import type { RunConfig } from "../../src/contract";
import { OPTION_GROUPS, textOf, withText, type Option } from "../../src/lib/options";

// Values of a run, on purpose other than the crate's defaults: the page must not know those.
const config: RunConfig = {
  data: { text_column: null, label_column: null, held_out_fraction: 0.07, max_tokens: 64 },
  prompt: { method: "prompt", length: 3, init: "random" },
  head: { kind: "cls", feature_scale: 2 },
  optim: {
    prompt_lr: 0.004,
    head_lr: 0.001,
    weight_decay: 0,
    batch_size: 7,
    steps: undefined,
    epochs: 2,
    warmup_fraction: 0.1,
    schedule: "linear",
    clip_norm: 2,
  },
  eval: { evaluations: 3, patience: null },
  seed: 9,
  device: "cpu",
  recompute: "off",
};
const all = OPTION_GROUPS.flatMap((group) => group.options);
const option = (path: string) => all.find((one) => one.path === path) as Option;
const changed = (path: string, text: string) => {
  const result = withText(config, option(path), text);
  if ("wrong" in result) throw new Error(result.wrong);
  return result.config;
};

describe("options", () => {
  it("name settings that exist, each once", () => {
    for (const { path } of all) {
      const [group, key] = path.split(".") as [keyof RunConfig, string | undefined];
      expect(Object.keys(key ? config[group] : config), path).toContain(key ?? group);
    }
    expect(new Set(all.map(({ path }) => path)).size).toBe(all.length);
  });

  it("come back as they were typed", () => {
    for (const one of all) {
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

  it("refuses what is no value, and leaves limits to the crate", () => {
    expect(withText(config, option("optim.batch_size"), "many")).toHaveProperty("wrong");
    expect(withText(config, option("optim.batch_size"), "")).toHaveProperty("wrong");
    expect(withText(config, option("optim.batch_size"), "1.5")).toHaveProperty("wrong");
    expect(withText(config, option("optim.batch_size"), "-1")).toHaveProperty("wrong");
    expect(withText(config, option("seed"), "9007199254740993")).toHaveProperty("wrong");
    expect(changed("optim.batch_size", "0").optim.batch_size).toBe(0);
  });

  it("keeps the text that a prompt starts from", () => {
    const chosen = changed("prompt.init", "text");
    expect(chosen.prompt.init).toEqual({ text: "" });
    const filled: RunConfig = { ...chosen, prompt: { ...chosen.prompt, init: { text: "sort the requests" } } };
    expect(textOf(filled, option("prompt.init"))).toBe("text");
    expect(withText(filled, option("prompt.init"), "text")).toEqual({ config: filled });
  });

  it("never changes the config it was given", () => {
    const before = structuredClone(config);
    changed("optim.batch_size", "99");
    expect(config).toEqual(before);
  });
});
