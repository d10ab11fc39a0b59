/** The methods, as the crate describes them. */
import type { Choice, Method, RunConfig } from "../contract";
import { choicesOf, settingAt } from "./described.svelte";
import { fitting } from "./options";

export function methods(): Choice[] {
  return choicesOf(settingAt("prompt.method"));
}

/** The label of a method; its name if it is unknown. */
export function methodName(name: string): string {
  return methods().find(({ value }) => value === name)?.label ?? name;
}

export function isMethod(name: string): name is Method {
  return methods().some(({ value }) => value === name);
}

/** The page's defaults: the crate's, with automatic selection of the method. The only place that sets this. */
export function pageDefaults(defaults: RunConfig): RunConfig {
  return { ...defaults, prompt: { ...defaults.prompt, method: "auto" } };
}

/** Sets the method; pruning stays if the method supports it. */
export function withMethod(config: RunConfig, method: Method): RunConfig {
  return fitting({ ...config, prompt: { ...config.prompt, method } });
}
