/** Settings as a file: what the page downloads, and what the command line takes with `--config`. */
import type { RunConfig } from "../contract";
import { problem } from "./problem";

export const SETTINGS_FILE = "softprompt-settings.json";

/** Settings are a few kilobytes; the record of an adapter, with its settings inside, a few more. */
const MOST_BYTES = 1_000_000;

export function settingsText(config: RunConfig): string {
  return `${JSON.stringify(config, undefined, 2)}\n`;
}

/**
 * What stands in a file, or its `config` where it is the record of an adapter (`softprompt.json`), as on the command line. Whether it
 * is a config is for the crate to say.
 * @throws a problem
 */
export async function readSettings(file: Blob & { name?: string }): Promise<unknown> {
  const name = file.name ?? "The file";
  const hint = `Choose a ${SETTINGS_FILE} that was downloaded here, or the softprompt.json of an adapter.`;
  if (file.size > MOST_BYTES) throw problem("io", `${name} is too large for settings (${file.size} bytes).`, hint);
  let given: unknown;
  try {
    given = JSON.parse(await file.text());
  } catch {
    throw problem("io", `${name} is not JSON.`, hint);
  }
  if (typeof given !== "object" || given === null || Array.isArray(given)) throw problem("io", `${name} has no settings in it.`, hint);
  return "config" in given ? given.config : given;
}
