/** The settings file: written by the page, read by the page and by the command line (`--config`). */
import type { RunConfig } from "../contract";
import { problem } from "./problem";

export const SETTINGS_FILE = "softprompt-settings.json";

/** Settings are a few kilobytes; the record of an adapter, with its settings inside, a few more. */
const MOST_BYTES = 1_000_000;

export function settingsText(config: RunConfig): string {
  return `${JSON.stringify(config, undefined, 2)}\n`;
}

/**
 * The content of a file, or its `config` if it is the record of an adapter (`softprompt.json`), as on the command line. The
 * crate validates it.
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
  if (typeof given !== "object" || given === null || Array.isArray(given)) throw problem("io", `${name} contains no settings.`, hint);
  return "config" in given ? given.config : given;
}
