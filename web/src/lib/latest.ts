/**
 * Asks for an answer to what was given last. A burst of questions is one: `delay` milliseconds must pass without another. While an
 * answer is being made no other is asked for, so that nothing queues up, and an answer to what is not the latest any more is dropped.
 */
export class Latest<Q, A> {
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

  /** Asks after the delay, or with `now` as soon as the answer under way is there. */
  give(value: Q, now = false): void {
    this.#question = { value };
    this.#asked++;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#next(), now ? 0 : this.delay);
  }

  /** Forgets the question; no answer comes any more. */
  drop(): void {
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
    // What was given meanwhile waits for its own delay, unless that is over.
    if (this.#question && this.#timer === undefined) void this.#next();
  }
}
