/** Encoders in the browser's cache: files by their checksum, and beside them which files make an encoder. */
import { verify, type Encoder, type EncoderFile } from "./download";
import { Parts, pieces, type Store } from "./parts";

/** An encoder that this browser has, or has begun to fetch. */
export interface KeptEncoder {
  encoder: Encoder;
  /** Bytes that are here. */
  bytes: number;
  complete: boolean;
}

/** The browser's cache, where it has one (an insecure address or a private window may not). */
export async function openStore(): Promise<Store | undefined> {
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

export function partsOf(file: EncoderFile, page: string, store: Store | undefined): Parts {
  return new Parts(store, new URL(`partial/${sumOf(file)}/`, page).href);
}

/** An encoder by the contents of its files: two folders of the same name may hold different ones. */
export function encoderId({ files }: Pick<Encoder, "files">): string {
  return files.map((file) => `${file.name} ${sumOf(file)}`).join(", ");
}

function sumOf({ sha256, git, name, size }: EncoderFile): string {
  return sha256 ?? (git ? `git-${git}` : `unknown-${name}-${size}`);
}

/** The file from the cache; one that has gone bad there is thrown out. */
export async function kept(
  file: EncoderFile,
  page: string,
  store: Store | undefined,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const key = keyOf(file, page);
  try {
    const response = await store?.match(key);
    if (!response) return undefined;
    const bytes = new Uint8Array(await response.arrayBuffer());
    await verify(bytes, file);
    return bytes;
  } catch {
    await store?.delete(key).catch(() => false);
    return undefined;
  }
}

/** Whether the file could be kept: without room for it the page still works, and loads it again next time. */
export async function keep(
  file: EncoderFile,
  bytes: Uint8Array<ArrayBuffer>,
  page: string,
  store: Store | undefined,
): Promise<boolean> {
  try {
    await store?.put(keyOf(file, page), new Response(bytes, { headers: { "content-length": String(bytes.length) } }));
    return store !== undefined;
  } catch {
    return false;
  }
}

const INDEX = "index/";

/** Of an encoder's note. Two may have one name: folders of the user's, or commits on the hub. */
function noteOf(encoder: Encoder, page: string): string {
  return new URL(`${INDEX}${encodeURIComponent(`${encoder.id} ${encoderId(encoder)}`)}`, page).href;
}

export const sameEncoder = (one: Encoder, other: Encoder) => one.id === other.id && encoderId(one) === encoderId(other);

/** Notes which files make this encoder. The `known` one needs no note. */
export async function note(encoder: Encoder, known: Encoder, page: string, store: Store | undefined): Promise<void> {
  if (encoder.id === known.id && !encoder.revision && !encoder.local) return;
  // Without the note it can be used all the same, and is not listed.
  await store?.put(noteOf(encoder, page), new Response(JSON.stringify(encoder))).catch(() => undefined);
}

/** All encoders of which something is here; the `known` one always, and first. */
export async function list(known: Encoder, page: string, store: Store | undefined): Promise<KeptEncoder[]> {
  const folder = new URL(INDEX, page).href;
  const noted: Encoder[] = [];
  for (const { url } of (await store?.keys()) ?? []) {
    if (!url.startsWith(folder)) continue;
    const encoder: unknown = await (await store?.match(url))?.json().catch(() => undefined);
    // Earlier versions of the page noted it under its name alone.
    if (isEncoder(encoder) && !noted.some((other) => sameEncoder(other, encoder))) noted.push(encoder);
  }
  noted.sort((a, b) => a.id.localeCompare(b.id));
  return Promise.all([known, ...noted].map((encoder) => measured(encoder, page, store)));
}

async function measured(encoder: Encoder, page: string, store: Store | undefined): Promise<KeptEncoder> {
  let bytes = 0;
  let complete = store !== undefined;
  for (const file of encoder.files) {
    const whole = (await store?.match(keyOf(file, page))) !== undefined;
    complete &&= whole;
    if (whole) bytes += file.size;
    else
      for (const { size } of await pieces(store, new URL(`partial/${sumOf(file)}/`, page).href))
        bytes += Math.min(size, file.size);
  }
  return { encoder, bytes, complete };
}

/** Removes an encoder; files that another one has too stay. */
export async function remove(encoder: Encoder, known: Encoder, page: string, store: Store | undefined): Promise<void> {
  const others = (await list(known, page, store)).filter((other) => !sameEncoder(other.encoder, encoder) && other.bytes > 0);
  const used = new Set(others.flatMap((other) => other.encoder.files.map((file) => keyOf(file, page))));
  for (const file of encoder.files) {
    if (!used.has(keyOf(file, page))) await store?.delete(keyOf(file, page));
    await partsOf(file, page, store).clear();
  }
  const folder = new URL(INDEX, page).href;
  for (const { url } of (await store?.keys()) ?? []) {
    const noted: unknown = url.startsWith(folder) ? await (await store?.match(url))?.json().catch(() => undefined) : undefined;
    if (isEncoder(noted) && sameEncoder(noted, encoder)) await store?.delete(url);
  }
}

/** What was stored by another version of the page may be anything. */
export function isEncoder(value: unknown): value is Encoder {
  const { id, files } = (value ?? {}) as Partial<Encoder>;
  const isFile = (file: unknown) => {
    const { name, size, sha256, git } = (file ?? {}) as Partial<EncoderFile>;
    // Without a checksum nothing would tell its files from those of another encoder.
    return typeof name === "string" && typeof size === "number" && [sha256, git].some((sum) => typeof sum === "string" && sum !== "");
  };
  return typeof id === "string" && Array.isArray(files) && files.length >= 3 && files.every(isFile);
}
