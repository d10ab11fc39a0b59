/** The worker's calls for encoders, apart from holding the one in use. */
import type { Core, EncoderDescription } from "../contract";
import { DEFAULT_ENCODER, fetchEncoder, cacheTaken, sourcesOf, takeEncoder, totalSize } from "./encoder-files";
import type { Encoder, EncoderBytes, FolderCrate, Progress } from "./encoder-files";
import { list, openCache, remove, type CachedEncoder } from "./encoder-cache";
import type { EncoderFolder } from "./folder";
import { lookUp, wantedOf } from "./hub";
import { checkMemory, type Resident } from "./memory";

/** An encoder of the hub, described before it is downloaded. */
export interface HubEncoder extends EncoderDescription {
  encoder: Encoder;
  /** Bytes of all files. */
  size: number;
}

/** Milliseconds between two progress messages. */
const PROGRESS_EVERY = 100;

let abort: AbortController | undefined;

/**
 * The encoder's files: those of the user, or from the cache or the network. An earlier download is cancelled.
 *
 * @param crate resolves when it can be called
 * @throws a problem (`io`, `model`, `cancelled`)
 */
export async function getEncoder(
  page: string,
  encoder: Encoder,
  chosen: EncoderFolder | undefined,
  onProgress: (progress: Progress) => void,
  crate: () => Promise<FolderCrate>,
): Promise<EncoderBytes> {
  const cache = await openCache();
  abort?.abort();
  if (chosen) return takeEncoder(chosen, await crate());
  const mine = (abort = new AbortController());
  let last = 0;
  const progress = (now: Progress) => {
    if (now.received < now.total && performance.now() - last < PROGRESS_EVERY) return;
    last = performance.now();
    onProgress(now);
  };
  return fetchEncoder(encoder, { sources: sourcesOf(encoder, page), page, cache, onProgress: progress, signal: mine.signal });
}

/** Caches the user's files, once they are known to be an encoder. */
export async function cacheChosen(bytes: EncoderBytes, page: string): Promise<boolean> {
  return cacheTaken(bytes, page, await openCache());
}

/**
 * @param compiled resolves when `core` can be called
 * @param resident what is in the worker's memory
 */
export function encoderCalls(core: Core, compiled: () => Promise<unknown>, resident: Resident) {
  return {
    /** Describes `owner/name` on the hub, from its `config.json` alone; `limit` is that of `checkMemory`. */
    async lookUpEncoder(page: string, text: string, limit?: number): Promise<HubEncoder> {
      const encoder = await lookUp(wantedOf(text));
      const [config] = encoder.files as [Encoder["files"][number]];
      const head: Encoder = { ...encoder, files: [config] };
      const { files } = await fetchEncoder(head, { sources: sourcesOf(encoder, page), page, cache: undefined });
      await compiled();
      const [bytes] = files as [Uint8Array<ArrayBuffer>];
      const description = core.Model.describe(bytes);
      const size = totalSize(encoder);
      checkMemory(description, size, resident.bytes, limit);
      return { ...description, encoder, size };
    },

    async cancelEncoder(): Promise<void> {
      abort?.abort();
    },

    async cachedEncoders(page: string): Promise<CachedEncoder[]> {
      return list(DEFAULT_ENCODER, page, await openCache());
    },

    async removeEncoder(page: string, encoder: Encoder): Promise<void> {
      await remove(encoder, DEFAULT_ENCODER, page, await openCache());
    },
  };
}
