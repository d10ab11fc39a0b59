/**
 * The settings that the page offers, as a list. Defaults and limits are the crate's: the page asks for the first and lets the
 * crate judge every value.
 */
import type { PromptInit, RunConfig } from "../contract";

export interface Option {
  /** Where it is in `RunConfig`. */
  path: string;
  label: string;
  help: string;
  /** `percent` is shown times 100; `optional` may be left empty. */
  kind: "integer" | "decimal" | "percent" | "optional" | "choice";
  unit?: string;
  choices?: { value: string; label: string }[];
}

export interface OptionGroup {
  title: string;
  options: Option[];
}

export const OPTION_GROUPS: OptionGroup[] = [
  {
    title: "Prompt",
    options: [
      {
        path: "prompt.length",
        label: "Prompt length",
        help: "Learned tokens in front of every text. More can say more, and cost time.",
        kind: "integer",
        unit: "tokens",
      },
      {
        path: "prompt.init",
        label: "Starts from",
        help: "What the prompt is before it has learned anything.",
        kind: "choice",
        choices: [
          { value: "labels", label: "the class names" },
          { value: "vocabulary", label: "words of the vocabulary" },
          { value: "random", label: "random numbers" },
          { value: "text", label: "a text of yours" },
        ],
      },
      {
        path: "head.kind",
        label: "Classifier reads",
        help: "The mean is best for small encoders; PEFT’s convention makes an adapter that Hugging Face PEFT loads.",
        kind: "choice",
        choices: [
          { value: "mean", label: "the mean of all tokens" },
          { value: "cls", label: "the [CLS] token" },
          { value: "peft", label: "PEFT’s convention" },
        ],
      },
    ],
  },
  {
    title: "Budget",
    options: [
      { path: "optim.epochs", label: "Passes", help: "Over all rows; also called epochs.", kind: "integer" },
      { path: "optim.steps", label: "Steps", help: "Instead of passes, if given.", kind: "optional" },
      { path: "optim.batch_size", label: "Texts per step", help: "Also called batch size.", kind: "integer" },
      { path: "eval.evaluations", label: "Evaluations", help: "On the held-out rows, in a run.", kind: "integer" },
      {
        path: "eval.patience",
        label: "Stop early after",
        help: "So many evaluations without progress; empty: never.",
        kind: "optional",
      },
    ],
  },
  {
    title: "Learning rates",
    options: [
      { path: "optim.prompt_lr", label: "Prompt", help: "Smaller if the loss jumps.", kind: "decimal" },
      { path: "optim.head_lr", label: "Classifier", help: "The linear layer on top.", kind: "decimal" },
    ],
  },
  {
    title: "Memory",
    options: [
      {
        path: "recompute",
        label: "Intermediate values",
        help: "Made again, a step needs less than half of the GPU’s memory and a little more time. The result is the same.",
        kind: "choice",
        choices: [
          { value: "auto", label: "made again where they do not fit" },
          { value: "off", label: "kept" },
          { value: "on", label: "made again" },
        ],
      },
    ],
  },
  {
    title: "Data",
    options: [
      {
        path: "data.held_out_fraction",
        label: "Held out",
        help: "Never trained on; the accuracy is measured there.",
        kind: "percent",
        unit: "% of rows",
      },
      {
        path: "data.max_tokens",
        label: "Longest text",
        help: "Longer ones are cut, and counted.",
        kind: "integer",
        unit: "tokens",
      },
      { path: "seed", label: "Seed", help: "The same seed gives the same run.", kind: "integer" },
    ],
  },
];

/** The value of a setting as the user edits it. */
export function textOf(config: RunConfig, option: Option): string {
  const value = at(config, option.path);
  if (option.path === "prompt.init") return typeof value === "object" && value !== null ? "text" : String(value);
  if (value == null) return "";
  // 0.07 * 100 is not 7 in binary: twelve digits are, and nobody types more.
  return String(option.kind === "percent" ? Number(((value as number) * 100).toPrecision(12)) : value);
}

/** The config with one setting changed, or what is wrong with the text. Whether the value can work is for the crate to say. */
export function withText(config: RunConfig, option: Option, text: string): { config: RunConfig } | { wrong: string } {
  const trimmed = text.trim();
  if (option.path === "prompt.init") return { config: withAt(config, option.path, initOf(trimmed, config.prompt.init)) };
  if (option.kind === "choice") return { config: withAt(config, option.path, trimmed) };
  if (trimmed === "")
    return option.kind === "optional" ? { config: withAt(config, option.path, null) } : { wrong: "Give a number." };
  const value = Number(trimmed.replace(",", "."));
  if (!Number.isFinite(value)) return { wrong: `“${trimmed}” is not a number.` };
  if (option.kind === "integer" || option.kind === "optional") {
    if (!Number.isSafeInteger(value) || value < 0) return { wrong: "Give a whole number of 0 or more." };
  }
  return { config: withAt(config, option.path, option.kind === "percent" ? Number((value / 100).toPrecision(12)) : value) };
}

function initOf(choice: string, before: PromptInit): PromptInit {
  if (choice !== "text") return choice as PromptInit;
  return typeof before === "object" ? before : { text: "" };
}

function at(config: RunConfig, path: string): unknown {
  return inside(config, path.split("."));
}

function inside(value: unknown, keys: string[]): unknown {
  return keys.reduce((object, key) => (object as Record<string, unknown> | undefined)?.[key], value);
}

function withAt(config: RunConfig, path: string, value: unknown): RunConfig {
  const copy = structuredClone(config);
  const keys = path.split(".");
  const last = keys.pop() as string;
  (inside(copy, keys) as Record<string, unknown>)[last] = value;
  return copy;
}
