/** The settings as the user edits them: what is shown, as which text, and back. What there is to edit is for the crate to say. */
import type { Condition, Limits, Method, PromptInit, PruneConfig, RunConfig, Setting, SettingGroup, StageConfig } from "../contract";
import { choicesOf, groups, settingAt } from "./described.svelte";

type Kind = Setting["kind"];
type NumberKind = Extract<Kind, { type: "integer" | "decimal" | "percent" }>;

/** The groups with the settings that have a meaning under this config. */
export function optionsFor(config: RunConfig): SettingGroup[] {
  return groups()
    .map((group) => ({ ...group, options: group.options.filter((setting) => applies(setting, config)) }))
    .filter(({ options }) => options.length > 0);
}

/** Whether a setting has a meaning under this config. */
export function applies({ when }: Setting, config: RunConfig): boolean {
  return when.length === 0 || when.some((all) => all.every((condition) => holds(condition, config)));
}

function holds({ path, one_of, none_of }: Condition, config: RunConfig): boolean {
  const value = (at(config, path) ?? null) as Condition["one_of"][number];
  return (one_of.length === 0 || one_of.includes(value)) && !none_of.includes(value);
}

/** Without the pruning that the method could not do: its switch would be hidden, and the crate would refuse. */
export function fitting(config: RunConfig): RunConfig {
  const pruning = settingAt("prompt.prune");
  const kept = !config.prompt.prune || !pruning || applies(pruning, config);
  return kept ? config : { ...config, prompt: { ...config.prompt, prune: null } };
}

/** A name as the search compares it: case, spaces, `_` and `-` do not matter. */
function folded(text: string): string {
  return text.toLowerCase().replace(/[\s_-]+/g, "");
}

/** The words of a query, folded. */
function wordsIn(query: string): string[] {
  return query.split(/\s+/).map(folded);
}

/** Whether a query, or every word of it, is in a name. */
function isNamed(name: string, query: string): boolean {
  const text = folded(name);
  return text.includes(folded(query)) || wordsIn(query).every((word) => text.includes(word));
}

/** Whether a query is in a name of a setting, or every word of it in what is said of the setting. */
export function matches(setting: Setting, group: string, query: string): boolean {
  const choices = choicesOf(setting);
  const names = [setting.label, setting.path, group, ...setting.also, ...choices.map(({ label }) => label)];
  if (names.some((name) => isNamed(name, query))) return true;
  // Words of a sentence stay apart: a search for "seed" must not find "uses each".
  const sentences = [setting.help, ...choices.map(({ help }) => help)].map((help) => help.toLowerCase().replace(/[_-]/g, ""));
  const said = [...names.map(folded), ...sentences].join(" ");
  return wordsIn(query).every((word) => said.includes(word));
}

/** What a search shows, the number of settings that it has found, and of those that it shows although it has not. */
interface Found {
  groups: SettingGroup[];
  hits: number;
  kept: number;
}

/** @param kept whether a setting is shown whatever is searched for, because it has to be corrected */
export function search(all: SettingGroup[], query: string, kept: (path: string) => boolean): Found {
  const wanted = query.trim();
  const found = (one: Setting, { title }: SettingGroup) => wanted === "" || matches(one, title, wanted);
  const shown = all.map((group) => ({ ...group, options: group.options.filter((one) => found(one, group) || kept(one.path)) }));
  const hits = all.reduce((sum, group) => sum + group.options.filter((one) => found(one, group)).length, 0);
  const groups = shown.filter(({ options }) => options.length > 0);
  return { groups, hits, kept: groups.reduce((sum, { options }) => sum + options.length, 0) - hits };
}

/** The other names that a query finds a setting by; none where its label has it. A whole name comes before words of it. */
export function alsoCalled({ label, also }: Setting, query: string): string[] {
  const whole = folded(query);
  if (whole === "" || folded(label).includes(whole)) return [];
  const names = also.filter((name) => folded(name).includes(whole));
  return names.length || isNamed(label, query) ? names : also.filter((name) => isNamed(name, query));
}

/** Settings that a query names and that have no meaning under this config, with their groups. */
export function unused(config: RunConfig, query: string): { label: string; group: string }[] {
  return groups().flatMap(({ title, options }) =>
    options
      .filter((setting) => !applies(setting, config) && [setting.label, ...setting.also].some((name) => isNamed(name, query)))
      .map(({ label }) => ({ label, group: title })),
  );
}

/** What to do before a run, where the crate refuses settings or a text is no value; `labels` name them. */
export function correctFirst(labels: string[]): string {
  const list = labels.length > 1 ? `${labels.slice(0, -1).join(", ")} and ${labels.at(-1)}` : labels[0];
  return list ? `Correct ${list} first.` : "Correct the options first.";
}

export function isNumber(kind: Kind): kind is NumberKind {
  return kind.type === "integer" || kind.type === "decimal" || kind.type === "percent";
}

/** The value of a setting as the user edits it; of a list, a text that tells two apart. */
export function textOf(config: RunConfig, { path, kind }: Setting): string {
  const value = at(config, path);
  switch (kind.type) {
    case "choice_or_text":
      return typeof value === "object" && value !== null ? "text" : String(value);
    case "switch":
    case "part":
      return value ? "on" : "off";
    case "list":
    case "stages":
      return JSON.stringify(value ?? []);
    default:
      if (value == null) return "";
      return kind.type === "percent" ? percentText(value as number) : String(value);
  }
}

/** The same for people: `10 tokens`, `20% of the rows`, `half of them`, `the class names`. */
export function wordsOf(config: RunConfig, setting: Setting): string {
  const text = textOf(config, setting);
  const { kind, unit, absent } = setting;
  if (text === "") return absent ?? "";
  if (kind.type === "list") {
    const chosen = at(config, setting.path) as string[];
    return choicesOf(setting)
      .filter(({ value }) => chosen.includes(value))
      .map(({ label }) => label)
      .join(", ");
  }
  if (kind.type === "stages") return `${(at(config, setting.path) as StageConfig[]).length} stages`;
  if ("choices" in kind) return kind.choices.find(({ value }) => value === text)?.label ?? text;
  const behind = unitOf(setting) ?? "";
  return `${text}${behind.startsWith("%") ? "" : " "}${behind}`.trim() || unit || text;
}

/** What stands behind the number. */
export function unitOf({ kind, unit }: Setting): string | undefined {
  return kind.type === "percent" ? ["%", unit].filter(Boolean).join(" ") : (unit ?? undefined);
}

/** 0.07 * 100 is not 7 in binary: twelve digits are, and nobody types more. */
export function percentText(share: number): string {
  return String(Number((share * 100).toPrecision(12)));
}

/** What a number must be: `a whole number, 1 to 500`, `a number, more than 0 and less than 100`. */
export function wantedWords({ type, limits }: NumberKind): string {
  const kind = type === "integer" ? "a whole number" : "a number";
  const range = limitWords(limits, type === "percent" ? percentText : (bound) => String(bound));
  return range ? `${kind}, ${range}` : kind;
}

function limitWords({ minimum, above, maximum, below }: Limits, text: (bound: number) => string): string {
  if (minimum != null && maximum != null) return `${text(minimum)} to ${text(maximum)}`;
  const lower = minimum != null ? `${text(minimum)} or more` : above != null ? `more than ${text(above)}` : "";
  const upper = maximum != null ? `at most ${text(maximum)}` : below != null ? `less than ${text(below)}` : "";
  return [lower, upper].filter(Boolean).join(" and ");
}

/**
 * The config with one setting changed, or what is wrong with the text. How settings fit together is for the crate to judge.
 * `pruning` is what pruning starts with when it is switched on.
 */
export function withText(
  config: RunConfig,
  setting: Setting,
  text: string,
  pruning?: PruneConfig,
): { config: RunConfig } | { wrong: string } {
  const trimmed = text.trim();
  const { path, kind, absent } = setting;
  const set = (value: unknown) => ({ config: withAt(config, path, value) });
  switch (kind.type) {
    case "choice_or_text":
      return set(initOf(trimmed, config.prompt.init));
    case "choice":
      return { config: fitting(withAt(config, path, trimmed)) };
    case "switch":
      return set(trimmed === "on");
    case "part":
      return set(trimmed === "on" ? (config.prompt.prune ?? pruning ?? null) : null);
    case "list":
      return trimmed === "[]" ? { wrong: "Choose at least one." } : set(JSON.parse(trimmed));
    case "stages":
      return set(JSON.parse(trimmed));
    case "column":
    case "sheet":
      return set(trimmed || null);
    default: {
      if (trimmed === "" && absent != null) return set(null);
      const found = numberOf(trimmed, kind);
      return "wrong" in found ? found : set(found.value);
    }
  }
}

/** A number as people write it, as the crate takes it. */
export function numberOf(text: string, kind: NumberKind): { value: number } | { wrong: string } {
  const trimmed = text.trim();
  const wanted = wantedWords(kind);
  if (trimmed === "") return { wrong: `Enter ${wanted}.` };
  const typed = Number(trimmed.replace(",", "."));
  if (!Number.isFinite(typed)) return { wrong: `“${trimmed}” is not a number: enter ${wanted}.` };
  if (kind.type === "integer" && !Number.isInteger(typed)) return { wrong: `Enter ${wanted}.` };
  const value = kind.type === "percent" ? Number((typed / 100).toPrecision(12)) : typed;
  const { minimum, above, maximum, below } = kind.limits;
  const small = (minimum != null && value < minimum) || (above != null && value <= above);
  const large = (maximum != null && value > maximum) || (below != null && value >= below);
  if (small || large) return { wrong: `${trimmed} is too ${small ? "small" : "large"}: enter ${wanted}.` };
  // What JavaScript would round, the crate would not get as it was typed.
  if (kind.type === "integer" && !Number.isSafeInteger(value)) return { wrong: `${trimmed} is too large.` };
  return { value };
}

/** The candidates with one more or one fewer, in the order in which they are offered. */
export function toggled(setting: Setting, chosen: Method[], method: Method, on: boolean): Method[] {
  const wanted = (value: string) => (value === method ? on : (chosen as string[]).includes(value));
  return choicesOf(setting)
    .map(({ value }) => value as Method)
    .filter(wanted);
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

export function withAt(config: RunConfig, path: string, value: unknown): RunConfig {
  const copy = structuredClone(config);
  const keys = path.split(".");
  const last = keys.pop() as string;
  (inside(copy, keys) as Record<string, unknown>)[last] = value;
  return copy;
}
