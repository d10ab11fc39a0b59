/** The methods as a person meets them who knows no paper. Which exist is the crate's; how each works is told there. */
import type { Method, RunConfig } from "../contract";

export interface MethodWords {
  method: Method;
  label: string;
  /** What it does, and when it is a good choice. */
  help: string;
  /** Who it is from. */
  source: string;
}

export const METHODS: MethodWords[] = [
  {
    method: "auto",
    label: "Automatic",
    help: "Tries a few methods for a short time on a part of your rows, and takes the best. Costs up to twice the time.",
    source: "",
  },
  {
    method: "prompt",
    label: "Prompt tuning",
    help: "Learns some tokens that stand in front of every text. Simple, and a good start.",
    source: "Lester et al. 2021",
  },
  {
    method: "late",
    label: "Late prompt",
    help: "The tokens join halfway up the encoder and are made for each text. Faster: the lower half is computed only once.",
    source: "Liu et al. 2022, LPT",
  },
  {
    method: "progressive",
    label: "Growing encoder",
    help: "Learns on a small part of the encoder first, which grows to the whole. Less computing for nearly the same result.",
    source: "Huang et al. 2022, FPT",
  },
  {
    method: "efficient",
    label: "Short prompt",
    help: "Few tokens, and small learned changes to the words of the text. Less time per text than a long prompt.",
    source: "EPT on DePT, 2024",
  },
  {
    method: "deep",
    label: "Prompt in every layer",
    help: "Each layer of the encoder gets learned tokens of its own. More room to learn, for hard tasks with many rows.",
    source: "Liu et al. 2022, P-tuning v2",
  },
  {
    method: "ensemble",
    label: "Several prompts",
    help: "Several prompts learn side by side and decide together. Steadier, and several times the computing.",
    source: "Lester et al. 2021, section 6",
  },
  {
    method: "probe",
    label: "Linear probe",
    help: "No prompt: only the last layer learns, on the frozen encoder. Done in no time; what the others must beat.",
    source: "",
  },
];

/** The name of a method for people; the crate's own where it is none of these. */
export function methodName(name: string): string {
  return METHODS.find(({ method }) => method === name)?.label ?? name;
}

export function isMethod(name: string): name is Method {
  return METHODS.some(({ method }) => method === name);
}

/** Whether the config has prompt rows of its own that can be pruned. */
export function prunable({ prompt }: RunConfig): boolean {
  if (prompt.method === "late") return prompt.late.generator === "none";
  return !["probe", "deep", "auto"].includes(prompt.method);
}

/** What the page starts with: the crate's defaults, with the choice of the method left to a trial. The only place that says so. */
export function pageDefaults(defaults: RunConfig): RunConfig {
  return { ...defaults, prompt: { ...defaults.prompt, method: "auto" } };
}

/** With another method; pruning stays where it is possible. */
export function withMethod(config: RunConfig, method: Method): RunConfig {
  return fitting({ ...config, prompt: { ...config.prompt, method } });
}

/** Without the pruning that the method could not do: its switch would be hidden, and the crate would refuse. */
export function fitting(config: RunConfig): RunConfig {
  return config.prompt.prune && !prunable(config) ? { ...config, prompt: { ...config.prompt, prune: null } } : config;
}
