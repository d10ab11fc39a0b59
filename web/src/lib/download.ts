/** Downloads one file: resumes after an interruption, and verifies the result. */
import type { PartialDownload } from "./partial-download";
import { problem } from "./problem";

export interface EncoderFile {
  name: string;
  /** Bytes. */
  size: number;
  /** SHA-256, in hexadecimal, where it is known. */
  sha256?: string;
  /** Object id of git (a SHA-1), which the hub gives for small files in place of a SHA-256. */
  git?: string;
}

/** A frozen encoder: which files it is made of. */
export interface Encoder {
  /** Name on the model hub, or of the user's folder. */
  id: string;
  /** In the order of `FILES`; behind them `tokenizer_config.json`, where the hub has one. */
  files: readonly EncoderFile[];
  /** Commit on the hub. */
  revision?: string;
  /** From the user's disk: there is nowhere to fetch it from. */
  local?: boolean;
}

export interface Download {
  partial: PartialDownload;
  signal: AbortSignal;
  /** Milliseconds before a connection that broke is tried again. */
  wait: number;
  /** @param received bytes of this file so far */
  onBytes: (received: number) => void;
}

/** Milliseconds without data after which a connection is considered broken. */
const STALLED = 30_000;

/** The connection was interrupted; the rest can still be downloaded. */
class Broken extends Error {}

/**
 * The file at `address`, checked.
 *
 * @throws an `Error` that says what is wrong with this address; a problem `cancelled` if the signal is aborted
 */
export async function download(address: string, file: EncoderFile, options: Download): Promise<Uint8Array<ArrayBuffer>> {
  const { partial, signal } = options;
  const bytes = new Uint8Array(file.size);
  let received = await partial.read(bytes);
  const resumed = received;
  let furthest = received;
  if (received) options.onBytes(received);
  while (received < file.size || file.size === 0) {
    try {
      received = await attempt(address, file, bytes, received, options, (at) => (received = at));
      break;
    } catch (error) {
      partial.write(bytes, received, true);
      await partial.settled();
      if (signal.aborted) throw cancelled();
      // Retry as long as each connection makes progress.
      if (!(error instanceof Broken) || received <= furthest) throw error;
      furthest = received;
      await new Promise((go) => setTimeout(go, options.wait));
    }
  }
  try {
    await verify(bytes, file);
  } catch (error) {
    await partial.clear();
    // Perhaps only the part from an earlier visit was damaged.
    if (resumed) return download(address, file, options);
    throw error;
  }
  return bytes;
}

async function attempt(
  address: string,
  file: EncoderFile,
  bytes: Uint8Array<ArrayBuffer>,
  from: number,
  { partial, signal, onBytes }: Download,
  at: (received: number) => void,
): Promise<number> {
  const stalled = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => stalled.abort(), STALLED);
  };
  alive();
  try {
    const response = await fetch(address, {
      credentials: "omit",
      referrerPolicy: "no-referrer",
      signal: AbortSignal.any([signal, stalled.signal]),
      ...(from > 0 && { headers: { Range: `bytes=${from}-` } }),
    }).catch(broken);
    const answer = await usable(response, file, from);
    let received = answer === "rest" ? from : 0;
    if (received !== from) {
      partial.rewind(0);
      at(0);
    }
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    for (;;) {
      alive();
      const { done, value } = await reader.read().catch(broken);
      if (done) break;
      if (received + value.length > file.size) {
        await reader.cancel();
        throw new Error(`${file.name} is longer than ${file.size} bytes`);
      }
      bytes.set(value, received);
      received += value.length;
      at(received);
      partial.write(bytes, received);
      onBytes(received);
    }
    if (received !== file.size) throw new Error(wrongSize(received, file));
    return received;
  } finally {
    clearTimeout(timer);
  }
}

/** Whether a response contains the whole file, or the requested rest. */
async function usable(response: Response, file: EncoderFile, from: number): Promise<"whole" | "rest"> {
  const refuse = async (why: string) => {
    await response.body?.cancel();
    throw new Error(`the server responded to ${file.name} with ${why}`);
  };
  if (!response.ok || !response.body) return refuse(`status ${response.status}`);
  // Some servers respond with a web page if a file is missing.
  if (response.headers.get("content-type")?.includes("text/html")) return refuse("a web page");
  if (from === 0 || response.status !== 206) return "whole";
  const range = response.headers.get("content-range");
  if (range && !range.startsWith(`bytes ${from}-`)) return refuse(`another part (${range})`);
  return "rest";
}

function broken(error: unknown): never {
  throw new Broken(error instanceof Error ? error.message : String(error));
}

export function cancelled() {
  return problem("cancelled", "The download was stopped.", "The part that was downloaded is cached; the next download resumes from there.");
}

/** @throws an `Error` that says how the bytes differ from what was expected */
export async function verify(bytes: Uint8Array<ArrayBuffer>, file: EncoderFile): Promise<void> {
  if (bytes.length !== file.size) throw new Error(wrongSize(bytes.length, file));
  if (file.sha256) {
    const found = await sha256Of(bytes);
    if (found !== file.sha256) throw new Error(differs(file.name, "SHA-256", found, file.sha256));
  } else if (file.git) {
    // What git hashes: a line in front, then the file.
    const line = new TextEncoder().encode(`blob ${bytes.length}\0`);
    const object = new Uint8Array(line.length + bytes.length);
    object.set(line);
    object.set(bytes, line.length);
    const found = hex(await subtle().digest("SHA-1", object));
    if (found !== file.git) throw new Error(differs(file.name, "git id", found, file.git));
  }
}

export async function sha256Of(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return hex(await subtle().digest("SHA-256", bytes));
}

function differs(name: string, kind: string, found: string, expected: string): string {
  return `${name} has ${kind} ${found.slice(0, 12)}…, expected ${expected.slice(0, 12)}…`;
}

function hex(digest: ArrayBuffer): string {
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function subtle(): SubtleCrypto {
  if (globalThis.crypto?.subtle) return crypto.subtle;
  throw problem(
    "browser",
    "This address is not secure, so checksums cannot be computed.",
    "Open the page over https or on localhost.",
  );
}

function wrongSize(size: number, file: EncoderFile): string {
  return `${file.name} has ${size} bytes, expected ${file.size}`;
}
