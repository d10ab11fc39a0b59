/**
 * Debounces questions: only the latest is asked, after `delay` milliseconds without another one. One question is asked at a
 * time, so that nothing queues up, and an answer to an earlier question is ignored.
 */
export class Debouncer<Q, A> {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #busy = false;
  #question: { value: Q } | undefined;
  #asked = 0;

  /** @param ask must not reject. @param answered called with each answer that still counts. */
  constructor(
    private readonly delay: number,
    private readonly ask: (question: Q) => Promise<A>,
    private readonly answered: (answer: A, question: Q) => void,
  ) {}

  /** Asks after the delay, or with `now` as soon as the current answer has arrived. */
  submit(value: Q, now = false): void {
    this.#question = { value };
    this.#asked++;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#next(), now ? 0 : this.delay);
  }

  /** Drops the question; no answer will be delivered. */
  cancel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#question = undefined;
    this.#asked++;
  }

  async #next(): Promise<void> {
    this.#timer = undefined;
    if (this.#busy || !this.#question) return;
    const { value } = this.#question;
    const asked = this.#asked;
    this.#question = undefined;
    this.#busy = true;
    const answer = await this.ask(value);
    this.#busy = false;
    if (asked === this.#asked) this.answered(answer, value);
    // A question submitted in the meantime waits for its own delay, unless that is over.
    if (this.#question && this.#timer === undefined) void this.#next();
  }
}
