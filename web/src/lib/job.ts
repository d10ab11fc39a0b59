/** Helpers of the worker's calls. */

export async function bytesOf(blob: Blob): Promise<Uint8Array> {
  return new Uint8Array(await blob.arrayBuffer());
}

/** Runs `job` and records its duration for `performance.getEntriesByType("measure")`. */
export function stage<R>(name: string, job: () => R): R {
  const start = performance.now();
  const note = () => void performance.measure(name, { start, end: performance.now() });
  const result = job();
  if (result instanceof Promise) result.then(note, note);
  else note();
  return result;
}
