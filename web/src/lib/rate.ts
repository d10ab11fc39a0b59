/** Download rate over the last seconds, so that a pause or another network shows soon. */
const WINDOW = 5000;

export class Rate {
  readonly #marks: { time: number; bytes: number }[] = [];

  /** @param time in milliseconds. @param bytes that came since the beginning, which may start anywhere. */
  add(time: number, bytes: number): void {
    const last = this.#marks.at(-1);
    // A download that was started again says nothing about the rate.
    if (last && bytes < last.bytes) this.#marks.length = 0;
    this.#marks.push({ time, bytes });
    while (this.#marks.length > 2 && time - this.#marks[1]!.time >= WINDOW) this.#marks.shift();
  }

  /** Bytes a second; undefined until there is half a second to tell from. */
  get value(): number | undefined {
    const [first, last] = [this.#marks[0], this.#marks.at(-1)];
    if (!first || !last || last.time - first.time < 500) return undefined;
    return ((last.bytes - first.bytes) * 1000) / (last.time - first.time);
  }
}
