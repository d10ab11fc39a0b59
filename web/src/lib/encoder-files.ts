/**
 * Gets the files of the frozen encoder: from the browser's cache, the page's own server, the model hub, or the user's disk.
 * A file is accepted and cached only if its size and checksum are the expected ones.
 */
import type { Core } from "../contract";
import { cancelled, download, sha256Of, type Encoder, type EncoderFile } from "./download";
import { addToIndex, cachedFile, cacheFile, partialOf } from "./encoder-cache";
import type { EncoderFolder } from "./folder";
import { checkSize, FILES, HUB } from "./hub";
import type { EncoderCache } from "./partial-download";
import { asProblem, problem, type Problem } from "./problem";
import { Rate } from "./rate";

export type { Encoder, EncoderFile, EncoderCache };

export const DEFAULT_ENCODER: Encoder = {
  id: "sentence-transformers/all-MiniLM-L6-v2",
  files: [
    { name: "config.json", size: 612, sha256: "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41" },
    { name: "tokenizer.json", size: 466_247, sha256: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037" },
    { name: "model.safetensors", size: 90_868_376, sha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db" },
  ],
};

/** A folder with the encoder's files, and its name in messages. */
export interface Source {
  name: string;
  /** Ends in a slash. */
  folder: string;
}

/** The sources of an encoder, in order. `page` is the address of the page. */
export function sourcesOf(encoder: Encoder, page: string): Source[] {
  if (encoder.local) return [];
  const hub = { name: "huggingface.co", folder: `${HUB}/${encoder.id}/resolve/${encoder.revision ?? "main"}/` };
  if (encoder.id !== DEFAULT_ENCODER.id || encoder.revision) return [hub];
  const own = new URL(`models/${shortName(encoder)}/`, page).href;
  return [{ name: "this page's server", folder: own }, hub];
}

export function shortName({ id }: Encoder): string {
  return id.slice(id.lastIndexOf("/") + 1);
}

export interface Progress {
  /** Bytes so far, of all files. */
  received: number;
  /** Bytes, of all files. */
  total: number;
  /** Source of the current file. */
  from: string;
  /** Bytes a second over the last seconds. */
  rate?: number;
}

export interface EncoderBytes {
  /** The encoder, with the checksum of every file. */
  encoder: Encoder;
  /** Contents, in the order of `encoder.files`. */
  files: Uint8Array<ArrayBuffer>[];
  /** Whether all of them are in the browser's cache now. */
  cached: boolean;
  /** Notes about how the files were converted. */
  notes: string[];
}

/** What the crate does about the files of a folder. */
export type FolderCrate = Pick<Core, "choose_encoder" | "encoder_tokenizer" | "join_shards">;

export function totalSize(encoder: Encoder): number {
  return encoder.files.reduce((sum, file) => sum + file.size, 0);
}

export interface Getting {
  sources: Source[];
  /** Address of the page; cached files are stored under it. */
  page: string;
  cache: EncoderCache | undefined;
  onProgress?: (progress: Progress) => void;
  signal?: AbortSignal;
  /** Milliseconds before a connection that broke is tried again. */
  wait?: number;
}

/**
 * All files of the encoder, each from the first source with the expected checksum.
 *
 * @throws a problem: `io` with the response of each source, `cancelled` if the signal is aborted
 */
export async function fetchEncoder(encoder: Encoder, getting: Getting): Promise<EncoderBytes> {
  const { page, cache, onProgress, signal = new AbortController().signal, wait = 1000 } = getting;
  const total = totalSize(encoder);
  const files: Uint8Array<ArrayBuffer>[] = [];
  const failures: string[] = [];
  const rate = new Rate();
  let before = 0;
  let all = true;
  let left = getting.sources;
  for (const file of encoder.files) {
    const report = (from: string, bytes: number, speed?: number) =>
      onProgress?.({ received: before + bytes, total, from, ...(speed !== undefined && { rate: speed }) });
    let bytes = await cachedFile(file, page, cache);
    if (bytes) report("this browser", file.size);
    else await addToIndex(encoder, DEFAULT_ENCODER, page, cache);
    const partial = partialOf(file, page, cache);
    while (!bytes) {
      if (signal.aborted) throw cancelled();
      const [source] = left;
      if (!source) throw nowhere(encoder, failures);
      const onBytes = (received: number) => {
        rate.add(performance.now(), before + received);
        report(source.name, received, rate.value);
      };
      try {
        bytes = await download(source.folder + file.name, file, { partial, signal, wait, onBytes });
      } catch (error) {
        if (asProblem(error).code === "cancelled") throw error;
        // This source is skipped: it would fail for the next file too.
        left = left.slice(1);
        failures.push(`From ${source.name}: ${messageOf(error)}.`);
        continue;
      }
      all = (await cacheFile(file, bytes, page, cache)) && all;
      await partial.clear().catch(() => undefined);
    }
    files.push(bytes);
    before += file.size;
  }
  return { encoder, files, cached: all && cache !== undefined, notes: [] };
}

function nowhere(encoder: Encoder, failures: string[]): Problem {
  if (encoder.local)
    return problem("io", `The encoder ${encoder.id} is not in this browser's cache.`, "Choose its folder again, or another encoder.");
  return problem(
    "io",
    `The encoder ${encoder.id} could not be loaded. ${failures.join(" ")}`.trim(),
    `Check the connection and try again, or choose its ${encoder.files.length} files (${encoder.files.map((f) => f.name).join(", ")}) from your disk.`,
  );
}

/**
 * The encoder in the user's own files: any of the BERT family, in whatever form the crate reads. It is cached as the usual three files.
 * No checksum is known for them, so their own becomes their key in the cache, which the user can compare.
 *
 * @throws a problem (`model`, `io`) that names the file
 */
export async function takeEncoder({ name, files }: EncoderFolder, crate: FolderCrate): Promise<EncoderBytes> {
  const choice = asked(() => crate.choose_encoder(files.map(({ path }) => path)));
  const read = async (path: string, as: (typeof FILES)[number]) => {
    const file = files.find((one) => one.path === path)!.file;
    checkSize(as, file.size, file.name);
    const bytes = await file.arrayBuffer().catch(() => {
      throw problem("io", `${file.name} could not be read.`, "Check that it is still there, and choose the files again.");
    });
    return new Uint8Array(bytes);
  };
  const beside = (path: string | null) => (path === null ? undefined : read(path, "tokenizer.json"));
  const config = await read(choice.config, "config.json");
  const [given, settings, added] = [
    await read(choice.tokenizer, "tokenizer.json"),
    await beside(choice.tokenizer_config),
    await beside(choice.added_tokens),
  ];
  const tokenizer = asked(() => crate.encoder_tokenizer(choice.tokenizer, given, settings, added));
  const shards: Uint8Array<ArrayBuffer>[] = [];
  for (const path of choice.weights) shards.push(await read(path, "model.safetensors"));
  checkSize("model.safetensors", shards.reduce((sum, { length }) => sum + length, 0));
  const [only] = shards;
  const weights = only && shards.length === 1 ? only : asked(() => crate.join_shards(choice.weights, shards));

  const contents = [config, tokenizer.bytes, weights].map((bytes) => bytes as Uint8Array<ArrayBuffer>);
  const described: EncoderFile[] = [];
  for (const [index, bytes] of contents.entries())
    described.push({ name: FILES[index]!, size: bytes.length, sha256: await sha256Of(bytes) });
  const isDefault = described.every(({ sha256 }, index) => sha256 === DEFAULT_ENCODER.files[index]?.sha256);
  const encoder: Encoder = isDefault ? DEFAULT_ENCODER : { id: name, files: described, local: true };
  return { encoder, files: contents, cached: false, notes: tokenizer.notes };
}

/** The crate throws problems. */
function asked<T>(ask: () => T): T {
  try {
    return ask();
  } catch (thrown) {
    throw asProblem(thrown);
  }
}

/** Caches the user's files, once they are known to be an encoder. */
export async function cacheTaken({ encoder, files }: EncoderBytes, page: string, cache: EncoderCache | undefined): Promise<boolean> {
  await addToIndex(encoder, DEFAULT_ENCODER, page, cache);
  let all = cache !== undefined;
  for (const [index, file] of encoder.files.entries()) {
    const bytes = files[index];
    if (bytes) all = (await cacheFile(file, bytes, page, cache)) && all;
  }
  return all;
}

function messageOf(error: unknown): string {
  return (error as Error | Problem).message.replace(/\.$/, "");
}
