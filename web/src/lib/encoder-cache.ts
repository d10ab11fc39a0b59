/** The encoder cache of the browser: files by their checksum, and an index of the encoders. */
import { verify, type Encoder, type EncoderFile } from "./download";
import { PartialDownload, piecesOf, type EncoderCache } from "./partial-download";

/** A cached encoder, complete or partly downloaded. */
export interface CachedEncoder {
  encoder: Encoder;
  /** Cached bytes. */
  bytes: number;
  complete: boolean;
}

/** The browser's cache, where it has one (an insecure address or a private window may not). */
export async function openCache(): Promise<EncoderCache | undefined> {
  try {
    return await caches.open("softprompt-encoders");
  } catch {
    return undefined;
  }
}

/** By content: the same file from another place is the same entry. */
export function keyOf(file: EncoderFile, page: string): string {
  return new URL(`kept/${sumOf(file)}/${file.name}`, page).href;
}

export function partialOf(file: EncoderFile, page: string, cache: EncoderCache | undefined): PartialDownload {
  return new PartialDownload(cache, new URL(`partial/${sumOf(file)}/`, page).href);
}

/** An encoder by the contents of its files: two folders of the same name may hold different ones. */
export function encoderId({ files }: Pick<Encoder, "files">): string {
  return files.map((file) => `${file.name} ${sumOf(file)}`).join(", ");
}

function sumOf({ sha256, git, name, size }: EncoderFile): string {
  return sha256 ?? (git ? `git-${git}` : `unknown-${name}-${size}`);
}

/** The file from the cache; a damaged one is deleted. */
export async function cachedFile(
  file: EncoderFile,
  page: string,
  cache: EncoderCache | undefined,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const key = keyOf(file, page);
  try {
    const response = await cache?.match(key);
    if (!response) return undefined;
    const bytes = new Uint8Array(await response.arrayBuffer());
    await verify(bytes, file);
    return bytes;
  } catch {
    await cache?.delete(key).catch(() => false);
    return undefined;
  }
}

/** Whether the file could be cached: without room the page still works, and downloads it again next time. */
export async function cacheFile(
  file: EncoderFile,
  bytes: Uint8Array<ArrayBuffer>,
  page: string,
  cache: EncoderCache | undefined,
): Promise<boolean> {
  try {
    await cache?.put(keyOf(file, page), new Response(bytes, { headers: { "content-length": String(bytes.length) } }));
    return cache !== undefined;
  } catch {
    return false;
  }
}

const INDEX = "index/";

/** Address of an encoder's entry in the index. Two may have one name: folders of the user's, or commits on the hub. */
function indexEntryOf(encoder: Encoder, page: string): string {
  return new URL(`${INDEX}${encodeURIComponent(`${encoder.id} ${encoderId(encoder)}`)}`, page).href;
}

export const sameEncoder = (one: Encoder, other: Encoder) => one.id === other.id && encoderId(one) === encoderId(other);

/** Adds an encoder to the index. The `known` one needs no entry. */
export async function addToIndex(encoder: Encoder, known: Encoder, page: string, cache: EncoderCache | undefined): Promise<void> {
  if (encoder.id === known.id && !encoder.revision && !encoder.local) return;
  // Without an entry the encoder can still be used, but is not listed.
  await cache?.put(indexEntryOf(encoder, page), new Response(JSON.stringify(encoder))).catch(() => undefined);
}

/** All encoders in the cache; the `known` one always, and first. */
export async function list(known: Encoder, page: string, cache: EncoderCache | undefined): Promise<CachedEncoder[]> {
  const folder = new URL(INDEX, page).href;
  const indexed: Encoder[] = [];
  for (const { url } of (await cache?.keys()) ?? []) {
    if (!url.startsWith(folder)) continue;
    const encoder: unknown = await (await cache?.match(url))?.json().catch(() => undefined);
    // Earlier versions of the page used its name alone as the address.
    if (isEncoder(encoder) && !indexed.some((other) => sameEncoder(other, encoder))) indexed.push(encoder);
  }
  indexed.sort((a, b) => a.id.localeCompare(b.id));
  return Promise.all([known, ...indexed].map((encoder) => measured(encoder, page, cache)));
}

async function measured(encoder: Encoder, page: string, cache: EncoderCache | undefined): Promise<CachedEncoder> {
  let bytes = 0;
  let complete = cache !== undefined;
  for (const file of encoder.files) {
    const whole = (await cache?.match(keyOf(file, page))) !== undefined;
    complete &&= whole;
    if (whole) bytes += file.size;
    else
      for (const { size } of await piecesOf(cache, new URL(`partial/${sumOf(file)}/`, page).href))
        bytes += Math.min(size, file.size);
  }
  return { encoder, bytes, complete };
}

/** Removes an encoder; files shared with another one stay. */
export async function remove(encoder: Encoder, known: Encoder, page: string, cache: EncoderCache | undefined): Promise<void> {
  const others = (await list(known, page, cache)).filter((other) => !sameEncoder(other.encoder, encoder) && other.bytes > 0);
  const used = new Set(others.flatMap((other) => other.encoder.files.map((file) => keyOf(file, page))));
  for (const file of encoder.files) {
    if (!used.has(keyOf(file, page))) await cache?.delete(keyOf(file, page));
    await partialOf(file, page, cache).clear();
  }
  const folder = new URL(INDEX, page).href;
  for (const { url } of (await cache?.keys()) ?? []) {
    const indexed: unknown = url.startsWith(folder) ? await (await cache?.match(url))?.json().catch(() => undefined) : undefined;
    if (isEncoder(indexed) && sameEncoder(indexed, encoder)) await cache?.delete(url);
  }
}

/** An entry may be from another version of the page. */
export function isEncoder(value: unknown): value is Encoder {
  const { id, files } = (value ?? {}) as Partial<Encoder>;
  const isFile = (file: unknown) => {
    const { name, size, sha256, git } = (file ?? {}) as Partial<EncoderFile>;
    // Without a checksum nothing would tell its files from those of another encoder.
    return typeof name === "string" && typeof size === "number" && [sha256, git].some((sum) => typeof sum === "string" && sum !== "");
  };
  return typeof id === "string" && Array.isArray(files) && files.length >= 3 && files.every(isFile);
}
