/** The methods, as the crate describes them. */
import type { Choice, Method, RunConfig } from "../contract";
import { choicesOf, settingAt } from "./described.svelte";
import { fitting } from "./options";

export function methods(): Choice[] {
  return choicesOf(settingAt("prompt.method"));
}

/** The name of a method for people; the crate's own where it is none of these. */
export function methodName(name: string): string {
  return methods().find(({ value }) => value === name)?.label ?? name;
}

export function isMethod(name: string): name is Method {
  return methods().some(({ value }) => value === name);
}

/** What the page starts with: the crate's defaults, with the choice of the method left to a trial. The only place that says so. */
export function pageDefaults(defaults: RunConfig): RunConfig {
  return { ...defaults, prompt: { ...defaults.prompt, method: "auto" } };
}

/** With another method; pruning stays where it is possible. */
export function withMethod(config: RunConfig, method: Method): RunConfig {
  return fitting({ ...config, prompt: { ...config.prompt, method } });
}
