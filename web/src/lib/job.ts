/** What several jobs of the worker need. */

export async function bytesOf(blob: Blob): Promise<Uint8Array> {
  return new Uint8Array(await blob.arrayBuffer());
}

/** Does `job`, and notes how long it took: `performance.getEntriesByType("measure")` tells what the start went to. */
export function stage<R>(name: string, job: () => R): R {
  const start = performance.now();
  const note = () => void performance.measure(name, { start, end: performance.now() });
  const result = job();
  if (result instanceof Promise) result.then(note, note);
  else note();
  return result;
}
