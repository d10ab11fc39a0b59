/** The model hub: resolves the name of an encoder to a commit, with the sizes and checksums of its files. */
import type { Encoder, EncoderFile } from "./download";
import { problem } from "./problem";

export const HUB = "https://huggingface.co";
export const FILES = ["config.json", "tokenizer.json", "model.safetensors"] as const;
/** An additional file of some encoders. */
const BESIDE = "tokenizer_config.json";

/** Bytes that a file may have: more is no encoder that a page can hold. The first two limits are the crate's. */
const LARGEST = { "config.json": 1 << 20, "tokenizer.json": 1 << 26, "model.safetensors": 2e9, [BESIDE]: 1 << 24 };
type Name = keyof typeof LARGEST;

export interface Wanted {
  id: string;
  revision: string;
}

/**
 * The user's input: `owner/name`, `owner/name@revision`, or the address of the model's page.
 *
 * @throws a problem (`model`)
 */
export function wantedOf(text: string): Wanted {
  const path = text.trim().replace(/^https?:\/\/(www\.)?(huggingface\.co|hf\.co)\//i, "");
  const match = /^([\w.-]+)\/([\w.-]+?)(?:\/(?:tree|resolve|blob)\/([\w.-]+)(?:\/.*)?|@([\w./-]+))?\/?$/.exec(path);
  const [, owner, name, inAddress, typed] = match ?? [];
  if (!owner || !name || owner.startsWith(".") || name.startsWith("."))
    throw problem(
      "model",
      text.trim() ? `“${text.trim()}” is not the name of an encoder.` : "No name was given.",
      "Type owner/name as on the model hub, such as BAAI/bge-small-en-v1.5.",
    );
  return { id: `${owner}/${name}`, revision: inAddress ?? typed ?? "main" };
}

/** The response of the hub; only the fields that are used. */
interface Answer {
  sha?: unknown;
  siblings?: { rfilename?: unknown; size?: unknown; blobId?: unknown; lfs?: { sha256?: unknown; size?: unknown } | null }[];
}

/**
 * The encoder on the hub: a fixed commit, with the size and the checksum of every file.
 *
 * @throws a problem: `model` where there is no such encoder or it lacks a file, `io` if the hub does not respond
 */
export async function lookUp({ id, revision }: Wanted, hub = HUB): Promise<Encoder> {
  const address = `${hub}/api/models/${id}/revision/${encodeURIComponent(revision)}?blobs=true`;
  const response = await fetch(address, { credentials: "omit", referrerPolicy: "no-referrer" }).catch((error: unknown) => {
    const message = (error as Error).message;
    throw problem("io", `The request to the model hub for ${id} failed: ${message}.`, "Check the connection and try again.");
  });
  const where = `${id}${revision === "main" ? "" : ` at ${revision}`}`;
  if ([401, 403, 404].includes(response.status))
    throw problem(
      "model",
      `The model hub has no public encoder ${where}.`,
      "Check the spelling. If the encoder requires an account, download it from the hub and open its folder here.",
    );
  if (!response.ok) throw problem("io", `The model hub responded with status ${response.status}.`, "Try again later.");
  const answer = (await response.json().catch(() => ({}))) as Answer;
  if (typeof answer.sha !== "string" || !/^[0-9a-f]{40}$/.test(answer.sha) || !Array.isArray(answer.siblings))
    throw problem("io", "The response of the model hub is not a list of files.", "Try again later.");
  const beside = answer.siblings.some(({ rfilename }) => rfilename === BESIDE) ? [BESIDE] as const : [];
  const files = [...FILES, ...beside].map((name) => fileOf(name, answer, where));
  return { id, revision: answer.sha, files };
}

function fileOf(name: Name, { siblings }: Answer, where: string): EncoderFile {
  const found = siblings?.find(({ rfilename }) => rfilename === name);
  if (!found)
    throw problem(
      "model",
      `${where} has no ${name}.`,
      `Choose an encoder of the BERT family that has ${FILES.join(", ")}, not only PyTorch or ONNX files.`,
    );
  const size = Number(found.lfs?.size ?? found.size);
  checkSize(name, size);
  const sha256 = hexadecimal(found.lfs?.sha256, 64);
  const git = found.lfs ? undefined : hexadecimal(found.blobId, 40);
  if (!sha256 && !git)
    throw problem("io", `The model hub has no checksum for ${name}.`, "Download the encoder from the hub and open its folder here.");
  return { name, size, ...(sha256 && { sha256 }), ...(git && { git }) };
}

/**
 * @param shown what the file is called, where that is another name
 * @throws a problem (`model`) for a size that no encoder's file has
 */
export function checkSize(name: Name, size: number, shown: string = name): void {
  const limit = LARGEST[name];
  if (Number.isInteger(size) && size > 0 && size <= limit) return;
  const asked = Number.isFinite(size) ? `${(size / 1e6).toFixed(1)} MB` : "an unknown size";
  throw problem(
    "model",
    size === 0 ? `${shown} is empty.` : `${shown} has ${asked}; the limit of the page is ${(limit / 1e6).toFixed(0)} MB.`,
    "Choose a smaller encoder of the BERT family, or use the command line.",
  );
}

function hexadecimal(value: unknown, length: number): string | undefined {
  return typeof value === "string" && value.length === length && /^[0-9a-f]+$/.test(value) ? value : undefined;
}
