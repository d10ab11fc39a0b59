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
});
