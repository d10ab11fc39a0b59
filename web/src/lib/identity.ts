/**
 * The keys under which results are saved. A key names everything that the result depends on, so that a result is never shown
 * for other inputs.
 */
import type { RunConfig } from "../contract";
import type { Encoder } from "./encoder-files";
import { encoderId } from "./encoder-cache";

export { encoderId };

/** Whether a run was made with this encoder. Of runs of earlier versions only its name is known. */
export function isEncoderOf(run: { encoder: string; encoderId?: string }, encoder: Encoder): boolean {
  return run.encoderId === undefined ? run.encoder === encoder.id : run.encoderId === encoderId(encoder);
}

/** What the number of tokens of a table depends on, apart from the table. */
export function tokensId(encoder: Encoder, config: RunConfig): string {
  return JSON.stringify([encoderId(encoder), config.data, config.prompt]);
}

/** What the results of a comparison depend on, apart from the variant and the seed of each. */
export interface ComparisonInputs {
  /** Checksum of the program. */
  program: string;
  encoder: Encoder;
  table: Blob;
  heldOut?: Blob;
  config: RunConfig;
  /** The budget of each run, as the crate reads it. */
  budget?: string;
}

/** The key of a comparison's results; none where the browser computes no checksums (an insecure address). */
export async function comparisonId(compared: ComparisonInputs): Promise<string | undefined> {
  if (!globalThis.crypto?.subtle) return undefined;
  const { program, encoder, table, heldOut, config, budget } = compared;
  // The variant and the seed differ between cells and are no part of the shared key.
  const shared = { ...config, seed: 0, prompt: { ...config.prompt, method: "", prune: null } };
  const parts = {
    program,
    encoder: encoderId(encoder),
    table: await digest(table),
    heldOut: heldOut ? await digest(heldOut) : null,
    config: shared,
    budget: budget ?? null,
  };
  return digest(new Blob([JSON.stringify(parts)]));
}

async function digest(blob: Blob): Promise<string> {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
