/** A count that takes seconds, in the worker: piece by piece, so that other messages get their turn. */
import type { TokenCount, TokenCounter } from "../contract";

/** Milliseconds between two progress messages. */
const PROGRESS_EVERY = 200;

export class Counting {
  #latest = 0;

  /** Begins a count; those before it end. Says whether it is still the one that is wanted. */
  begin(): () => boolean {
    const mine = ++this.#latest;
    return () => mine === this.#latest;
  }

  /** Ends the count under way, if there is one. */
  stop(): void {
    this.#latest++;
  }

  /** Pulls the counter to its end and frees it; undefined where the count is not wanted any more. */
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
