/** A long page is put there part after part, because all of it at once would hold the browser up. */

export class Gradual {
  /** Parts that are there. */
  built = $state(0);

  /** @param total how many parts there are: asked again whenever it changes. To be called where an effect may be. */
  constructor(total: () => number) {
    $effect(() => {
      if (this.built >= total()) return;
      const next = setTimeout(() => this.built++);
      return () => clearTimeout(next);
    });
  }
}
