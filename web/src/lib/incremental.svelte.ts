/** Renders a long page part by part, because rendering all of it at once would block the browser. */

export class Incremental {
  /** Parts that have been rendered. */
  built = $state(0);

  /** @param total number of parts; it may change. The constructor must be called where effects may be created. */
  constructor(total: () => number) {
    $effect(() => {
      if (this.built >= total()) return;
      const next = setTimeout(() => this.built++);
      return () => clearTimeout(next);
    });
  }
}
