/** The memory of the worker, and whether another encoder fits. */
import type { EncoderDescription } from "../contract";
import { bytes as megabytes } from "./format";
import { problem } from "./problem";

/** Bytes that a page can hold: wasm addresses 4 GB, and the texts and the training need some of them. */
const MEMORY = 3.4e9;

/** The weights of an encoder that was loaded once; each loading has its own. */
export interface Weights {
  /** Bytes in memory. */
  bytes: number;
}

/** Who holds the weights of an encoder: they stay in memory as long as any of these does. */
export type Holder = "model" | "run" | "comparison" | "adapter";

/** The encoders in the worker's memory. A result on the screen keeps the encoder it was trained with, also after another was chosen. */
export class Resident {
  readonly #held = new Map<Holder, Weights>();

  hold(holder: Holder, weights: Weights | undefined): void {
    if (weights) this.#held.set(holder, weights);
    else this.#held.delete(holder);
  }

  /** Bytes of all encoders, each counted once. */
  get bytes(): number {
    return [...new Set(this.#held.values())].reduce((sum, { bytes }) => sum + bytes, 0);
  }
}

/**
 * Whether an encoder fits into memory in addition to those that are loaded.
 *
 * @param size bytes of its files
 * @param resident bytes of the encoders that are in memory and stay there while it is loaded
 * @param limit bytes of the largest weight that the GPU takes, where the user wants the GPU
 * @throws a problem (`model`) where the page or the GPU has no room for it
 */
export function checkMemory(
  { bytes, largest }: EncoderDescription,
  size: number,
  resident: number,
  limit = Number.POSITIVE_INFINITY,
): void {
  if (largest > limit)
    throw problem(
      "model",
      `This encoder does not fit your GPU: its largest weight is ${megabytes(largest)}, and the limit of the GPU is ${megabytes(limit)}.`,
      "Choose the CPU as device, or a smaller encoder.",
    );
  const needed = bytes + size;
  if (needed > MEMORY)
    throw problem(
      "model",
      `This encoder needs ${gigabytes(needed)} of memory to load; a page has at most 4 GB in total.`,
      "Choose a smaller encoder, or use the command line.",
    );
  if (needed + resident > MEMORY)
    throw problem(
      "model",
      `This encoder needs ${gigabytes(needed)} of memory to load, and the encoders in use take ${gigabytes(resident)}; a page has at most 4 GB in total.`,
      "Reload the page and choose the encoder before training, or choose a smaller one.",
    );
}

/**
 * Whether a run fits into memory in addition to the encoders that are loaded.
 *
 * @param weights the encoder that it trains with
 * @param partial the method creates partial encoders, which need memory too
 * @param resident bytes of the encoders that are in memory, that one included
 * @throws a problem (`model`)
 */
export function checkTraining(weights: Weights, partial: boolean, resident: number): void {
  const needed = resident + (partial ? weights.bytes : 0);
  if (needed <= MEMORY) return;
  throw problem(
    "model",
    `This run needs ${gigabytes(needed)} of memory for encoders; a page has at most 4 GB in total.`,
    "Reload the page and train before choosing another encoder, or choose a smaller one.",
  );
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
