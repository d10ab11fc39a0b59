/** The variants of a comparison: the methods, and two that are settings of a method. Names are the crate's. */
import type { PruneConfig, RunConfig } from "../contract";
import { MAJORITY } from "./compare-view";
import { isMethod, methodName, methods } from "./methods";

export interface Variant {
  name: string;
  label: string;
  help: string;
  /** Who it is from. */
  source: string;
}

/** Two that `softprompt compare` has in addition to the methods. */
const SPECIAL: Variant[] = [
  {
    name: "dept",
    label: "Decomposed prompt tuning (DePT)",
    help: "A short prompt and a low-rank update of the text’s embeddings, without EPT’s fusion and projection.",
    source: "Shi and Lipani 2024",
  },
  {
    name: "xprompt",
    label: "Pruned prompt tuning (XPrompt)",
    help: "Prompt tuning, then pruning of the least important prompt rows and pieces, then training of the rest.",
    source: "Ma et al. 2022",
  },
];

/** In the order of the table; differences are to the first that is chosen. The two baselines are always included. */
export function variants(): Variant[] {
  const all = methods().map(({ value, ...words }) => ({ name: value, ...words }));
  const named = (name: string) => all.filter((one) => one.name === name);
  return [...all.filter(({ name }) => name !== "auto" && name !== "probe"), ...SPECIAL, ...named("auto")];
}

/** Names of colours of the page, and lengths of lines and gaps: variants differ by both. */
const LOOKS: Record<string, { color: string; dash?: number[] }> = {
  prompt: { color: "accent" },
  late: { color: "loss", dash: [12, 4] },
  progressive: { color: "held", dash: [6, 4] },
  efficient: { color: "rose", dash: [2, 3] },
  deep: { color: "olive", dash: [12, 3, 2, 3] },
  ensemble: { color: "brown", dash: [6, 3, 2, 3, 2, 3] },
  dept: { color: "rose", dash: [16, 3] },
  xprompt: { color: "accent", dash: [3, 3] },
  auto: { color: "ink", dash: [9, 6] },
  probe: { color: "probe", dash: [8, 5] },
  majority: { color: "majority", dash: [2, 4] },
};

export function lookOf(name: string): { color: string; dash?: number[] } {
  return LOOKS[name] ?? { color: "ink" };
}

export function variantName(name: string): string {
  if (name === MAJORITY) return "Majority class";
  return variants().find((one) => one.name === name)?.label ?? methodName(name);
}

/** The settings that the comparison gave to a variant, for a run of its own. */
export function withVariant(config: RunConfig, name: string, pruning: PruneConfig | undefined): RunConfig {
  const prompt = { ...config.prompt, prune: null };
  if (name === "dept")
    return {
      ...config,
      prompt: { ...prompt, method: "efficient", efficient: { ...prompt.efficient, fusion: false, spaces: 0 } },
    };
  if (name === "xprompt") return { ...config, prompt: { ...prompt, method: "prompt", prune: pruning ?? null } };
  return isMethod(name) ? { ...config, prompt: { ...prompt, method: name } } : config;
}
