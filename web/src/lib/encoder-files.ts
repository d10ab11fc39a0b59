/**
 * Gets the files of the frozen encoder: from the browser's cache, the page's own server, the model hub, or the user's disk.
 * A file counts only when its size and SHA-256 are the expected ones, and only then is it kept.
 */
import { problem, type Problem } from "./problem";

export interface EncoderFile {
  name: string;
  /** Bytes. */
  size: number;
  sha256: string;
}

export interface Encoder {
  /** Name on the model hub. */
  id: string;
  files: readonly EncoderFile[];
}

export const DEFAULT_ENCODER: Encoder = {
  id: "sentence-transformers/all-MiniLM-L6-v2",
  files: [
    { name: "config.json", size: 612, sha256: "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41" },
    { name: "tokenizer.json", size: 466_247, sha256: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037" },
    { name: "model.safetensors", size: 90_868_376, sha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db" },
  ],
};

/** A folder with the encoder's files, and what to call it in a message. */
export interface Source {
  name: string;
  /** Ends in a slash. */
  folder: string;
}

/** Where an encoder is looked for, in order. `page` is the address of the page. */
export function sourcesOf(encoder: Encoder, page: string): Source[] {
  const shortName = encoder.id.slice(encoder.id.lastIndexOf("/") + 1);
  return [
    { name: "this page's server", folder: new URL(`models/${shortName}/`, page).href },
    { name: "huggingface.co", folder: `https://huggingface.co/${encoder.id}/resolve/main/` },
  ];
}

/** The part of the Cache API that is used. */
export type Store = Pick<Cache, "match" | "put" | "delete">;

export interface Progress {
  /** Bytes so far, of all files. */
  received: number;
  /** Bytes, of all files. */
  total: number;
  /** Where the current file comes from. */
  from: string;
}

export interface EncoderBytes {
  /** Contents, in the order of `encoder.files`. */
  files: Uint8Array<ArrayBuffer>[];
  /** Whether all of them are in the browser's cache now. */
  kept: boolean;
}

export function totalSize(encoder: Encoder): number {
  return encoder.files.reduce((sum, file) => sum + file.size, 0);
}

/**
 * All files of the encoder, each from the first place that has it right.
 *
 * @param page address of the page; cached files are kept under it
 * @throws a problem (`io`) that says what each place answered
 */
export async function fetchEncoder(
  encoder: Encoder,
  sources: Source[],
  page: string,
  store: Store | undefined,
  onProgress: (progress: Progress) => void,
): Promise<EncoderBytes> {
  const total = totalSize(encoder);
  const files: Uint8Array<ArrayBuffer>[] = [];
  const failures: string[] = [];
  let before = 0;
  let kept = true;
  let left = sources;
  for (const file of encoder.files) {
    const report = (from: string) => (bytes: number) => onProgress({ received: before + bytes, total, from });
    let bytes = await fromStore(file, page, store);
    if (bytes) report("this browser")(file.size);
    while (!bytes) {
      const [source] = left;
      if (!source)
        throw problem(
          "io",
          `The encoder ${encoder.id} could not be loaded. ${failures.join(" ")}`.trim(),
          `Check the connection and try again, or choose its ${encoder.files.length} files (${encoder.files.map((f) => f.name).join(", ")}) from your disk.`,
        );
      try {
        bytes = await download(source.folder + file.name, file, report(source.name));
        kept = (await keep(file, bytes, page, store)) && kept;
      } catch (error) {
        // This place is done with: it would only fail for the next file too.
        left = left.slice(1);
        failures.push(`From ${source.name}: ${messageOf(error)}.`);
      }
    }
    files.push(bytes);
    before += file.size;
  }
  return { files, kept };
}

/**
 * The encoder's files as the user chose them.
 *
 * @throws a problem (`model`) that names the file that is missing or is another one
 */
export async function takeEncoder(
  encoder: Encoder,
  chosen: File[],
  page: string,
  store: Store | undefined,
): Promise<EncoderBytes> {
  const files: Uint8Array<ArrayBuffer>[] = [];
  let kept = true;
  for (const file of encoder.files) {
    const found = chosen.find(({ name }) => name === file.name);
    if (!found)
      throw problem(
        "model",
        `${file.name} is not among the chosen files.`,
        `Choose ${encoder.files.map((f) => f.name).join(", ")} together.`,
      );
    let bytes: Uint8Array<ArrayBuffer>;
    try {
      if (found.size !== file.size) throw new Error(wrongSize(found.size, file));
      bytes = new Uint8Array(await found.arrayBuffer());
      await verify(bytes, file);
    } catch (error) {
      throw problem(
        "model",
        `${file.name} is not the file of ${encoder.id}: ${messageOf(error)}.`,
        "Download it again from the model's page.",
      );
    }
    kept = (await keep(file, bytes, page, store)) && kept;
    files.push(bytes);
  }
  return { files, kept };
}

async function download(address: string, file: EncoderFile, onBytes: (bytes: number) => void): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(address, { credentials: "omit", referrerPolicy: "no-referrer" });
  if (!response.ok || !response.body) {
    await response.body?.cancel();
    throw new Error(`${file.name} answered with status ${response.status}`);
  }
  // Some servers answer a missing file with a page.
  if (response.headers.get("content-type")?.includes("text/html")) {
    await response.body.cancel();
    throw new Error(`${file.name} answered with a web page`);
  }
  const bytes = new Uint8Array(file.size);
  let received = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (received + value.length > file.size) {
      await reader.cancel();
      throw new Error(`${file.name} is longer than ${file.size} bytes`);
    }
    bytes.set(value, received);
    received += value.length;
    onBytes(received);
  }
  if (received !== file.size) throw new Error(wrongSize(received, file));
  await verify(bytes, file);
  return bytes;
}

/** The file from the cache; one that has gone bad there is thrown out. */
async function fromStore(
  file: EncoderFile,
  page: string,
  store: Store | undefined,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const response = await store?.match(keyOf(file, page));
  if (!response) return undefined;
  try {
    const bytes = new Uint8Array(await response.arrayBuffer());
    await verify(bytes, file);
    return bytes;
  } catch {
    await store?.delete(keyOf(file, page));
    return undefined;
  }
}

/** Whether the file could be kept: without room for it the page still works, and loads it again next time. */
async function keep(file: EncoderFile, bytes: Uint8Array<ArrayBuffer>, page: string, store: Store | undefined): Promise<boolean> {
  try {
    await store?.put(keyOf(file, page), new Response(bytes, { headers: { "content-length": String(bytes.length) } }));
    return store !== undefined;
  } catch {
    return false;
  }
}

/** By content: the same file from another place is the same entry. */
function keyOf(file: EncoderFile, page: string): string {
  return new URL(`kept/${file.sha256}/${file.name}`, page).href;
}

async function verify(bytes: Uint8Array<ArrayBuffer>, file: EncoderFile): Promise<void> {
  if (bytes.length !== file.size) throw new Error(wrongSize(bytes.length, file));
  const digest = new Uint8Array(await subtle().digest("SHA-256", bytes));
  const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (hex !== file.sha256)
    throw new Error(`${file.name} has SHA-256 ${hex.slice(0, 12)}…, expected ${file.sha256.slice(0, 12)}…`);
}

function subtle(): SubtleCrypto {
  if (globalThis.crypto?.subtle) return crypto.subtle;
  throw problem(
    "browser",
    "This address is not secure, so the encoder cannot be checked.",
    "Open the page over https or on localhost.",
  );
}

function wrongSize(size: number, file: EncoderFile): string {
  return `${file.name} has ${size} bytes, expected ${file.size}`;
}

function messageOf(error: unknown): string {
  return (error as Error | Problem).message.replace(/\.$/, "");
}
