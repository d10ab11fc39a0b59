/**
 * Pulls a run to its end. Between two events the worker handles other messages, so that pause, stop, cancel and predictions
 * need no second thread.
 */
export class Pull {
  #paused = false;
  #cancelled = false;
  #wake: (() => void) | undefined;
  /** The last job that was queued; it never rejects. */
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `job` when no other job and no pull is in progress: a run takes one call at a time. */
  exclusive<R>(job: () => R | Promise<R>): Promise<R> {
    const result = this.#last.then(job);
    this.#last = result.catch(() => undefined);
    return result;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#wake?.();
  }

  /** No further event is pulled. */
  cancel(): void {
    this.#cancelled = true;
    this.#wake?.();
  }

  get cancelled(): boolean {
    return this.#cancelled;
  }

  /**
   * Hands every event to `emit`, until there is none or `cancel` was called. Rejects with what `next` throws. Either way the
   * last event has arrived by then: events are sent without waiting for each, and the answer of a call takes another way.
   */
  async run<E>(next: () => Promise<E | undefined>, emit: (event: E) => unknown): Promise<void> {
    let arrived: unknown;
    try {
      for (;;) {
        await macrotask();
        while (this.#paused && !this.#cancelled) await new Promise<void>((wake) => (this.#wake = wake));
        if (this.#cancelled) return;
        const event = await this.exclusive(next);
        if (this.#cancelled || event === undefined) return;
        arrived = emit(event);
      }
    } finally {
      await arrived;
    }
  }
}

/** Lets every message that has arrived be handled. (A timer would do, but browsers stretch repeated ones to 4 ms.) */
function macrotask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
