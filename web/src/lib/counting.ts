/** Counts tokens in the worker, piece by piece, so that other messages are handled in between. */
import type { TokenCount, TokenCounter } from "../contract";

/** Milliseconds between two progress messages. */
const PROGRESS_EVERY = 200;

export class Counting {
  #latest = 0;

  /** Starts a count and stops earlier ones. The result tells whether it is still the latest. */
  begin(): () => boolean {
    const mine = ++this.#latest;
    return () => mine === this.#latest;
  }

  /** Stops the current count, if there is one. */
  stop(): void {
    this.#latest++;
  }

  /** Runs the counter to its end and frees it; undefined if a later count has started. */
  async run(
    counter: TokenCounter,
    wanted: () => boolean,
    onProgress: (count: TokenCount) => void,
  ): Promise<TokenCount | undefined> {
    let last = performance.now();
    try {
      while (wanted()) {
        const count = counter.next();
        if (count.done >= count.texts) return count;
        if (performance.now() - last >= PROGRESS_EVERY) {
          last = performance.now();
          onProgress(count);
        }
        // Messages that have come in are handled before this goes on.
        await new Promise((resolve) => setTimeout(resolve));
      }
      return undefined;
    } finally {
      counter.free();
    }
  }
}
