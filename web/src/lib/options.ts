/** The settings as the user edits them: what is shown, as which text, and back. */
import type { Method, PromptInit, PruneConfig, RunConfig, StageConfig } from "../contract";
import { fitting } from "./methods";
import { OPTION_GROUPS } from "./option-groups";

export interface Option {
  /** Where it is in `RunConfig`. */
  path: string;
  label: string;
  help: string;
  /**
   * `percent` is shown times 100; `optional` is a whole number and may be left empty; `switch` is on or off, and one that is a
   * part of its own (pruning) is null when off; `methods` are some of `choices`; `stages` have an editor of their own.
   */
  kind: "integer" | "decimal" | "percent" | "optional" | "choice" | "switch" | "methods" | "stages";
  unit?: string;
  choices?: { value: string; label: string }[];
  /** Whether it has a meaning there; always, if absent. */
  shown?: (config: RunConfig) => boolean;
}

export interface OptionGroup {
  title: string;
  options: Option[];
  /** Whether it has a meaning there; always, if absent. */
  shown?: (config: RunConfig) => boolean;
}

/** The groups with the settings that have a meaning under this config. */
export function optionsFor(config: RunConfig): OptionGroup[] {
  const has = ({ shown }: { shown?: (config: RunConfig) => boolean }) => shown === undefined || shown(config);
  return OPTION_GROUPS.filter(has)
    .map((group) => ({ ...group, options: group.options.filter(has) }))
    .filter(({ options }) => options.length > 0);
}

/** The value of a setting as the user edits it; of a list, a text that tells two apart. */
export function textOf(config: RunConfig, option: Option): string {
  const value = at(config, option.path);
  if (option.path === "prompt.init") return typeof value === "object" && value !== null ? "text" : String(value);
  if (option.kind === "switch") return value ? "on" : "off";
  if (option.kind === "methods" || option.kind === "stages") return JSON.stringify(value);
  if (value == null) return "";
  return option.kind === "percent" ? percentText(value as number) : String(value);
}

/** 0.07 * 100 is not 7 in binary: twelve digits are, and nobody types more. */
export function percentText(share: number): string {
  return String(Number((share * 100).toPrecision(12)));
}

/**
 * The config with one setting changed, or what is wrong with the text. Whether the value can work is for the crate to say.
 * `pruning` is what pruning starts with when it is switched on.
 */
export function withText(
  config: RunConfig,
  option: Option,
  text: string,
  pruning?: PruneConfig,
): { config: RunConfig } | { wrong: string } {
  const trimmed = text.trim();
  if (option.path === "prompt.init") return { config: withAt(config, option.path, initOf(trimmed, config.prompt.init)) };
  if (option.kind === "choice") return { config: fitting(withAt(config, option.path, trimmed)) };
  if (option.path === "prompt.prune")
    return { config: withAt(config, option.path, trimmed === "on" ? (config.prompt.prune ?? pruning ?? null) : null) };
  if (option.kind === "switch") return { config: withAt(config, option.path, trimmed === "on") };
  if (option.kind === "methods" || option.kind === "stages")
    return trimmed ? { config: withAt(config, option.path, JSON.parse(trimmed)) } : { wrong: "Give a number in each field." };
  const found = numberOf(trimmed, option.kind);
  return "wrong" in found ? found : { config: withAt(config, option.path, found.value) };
}

/** A number as people write it, as the crate takes it. */
export function numberOf(text: string, kind: Option["kind"]): { value: number | null } | { wrong: string } {
  const trimmed = text.trim();
  if (trimmed === "") return kind === "optional" ? { value: null } : { wrong: "Give a number." };
  const value = Number(trimmed.replace(",", "."));
  if (!Number.isFinite(value)) return { wrong: `“${trimmed}” is not a number.` };
  if ((kind === "integer" || kind === "optional") && (!Number.isSafeInteger(value) || value < 0))
    return { wrong: "Give a whole number of 0 or more." };
  return { value: kind === "percent" ? Number((value / 100).toPrecision(12)) : value };
}

/** The candidates with one more or one fewer, in the order in which they are offered. */
export function toggled(option: Option, chosen: Method[], method: Method, on: boolean): Method[] {
  const wanted = (value: string) => (value === method ? on : (chosen as string[]).includes(value));
  return (option.choices ?? []).map(({ value }) => value as Method).filter(wanted);
}

/** A further stage: as long as the last, halfway between it and the whole encoder. */
export function nextStage(stages: StageConfig[]): StageConfig {
  const last = stages.at(-1);
  return last ? { share: last.share, size: Number(((last.size + 1) / 2).toPrecision(3)) } : { share: 0.2, size: 0.5 };
}

function initOf(choice: string, before: PromptInit): PromptInit {
  if (choice !== "text") return choice as PromptInit;
  return typeof before === "object" ? before : { text: "" };
}

/** The value at a path such as `prompt.late.layer`; undefined where there is none. */
export function at(config: RunConfig, path: string): unknown {
  return inside(config, path.split("."));
}

function inside(value: unknown, keys: string[]): unknown {
  return keys.reduce((object, key) => (object as Record<string, unknown> | null | undefined)?.[key], value);
}

function withAt(config: RunConfig, path: string, value: unknown): RunConfig {
  const copy = structuredClone(config);
  const keys = path.split(".");
  const last = keys.pop() as string;
  (inside(copy, keys) as Record<string, unknown>)[last] = value;
  return copy;
}
