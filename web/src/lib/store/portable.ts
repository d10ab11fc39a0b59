/**
 * A run as one file, exported from one browser and imported into another. JSON with the adapter (and the data, if asked for) in base64: a
 * zip might expand to any size. It is validated, because anybody may have written it. All of
 * it happens in the worker: a large table takes seconds.
 */
import { problem } from "../problem";
import { readAnswers } from "./answers";
import { storeProblem } from "./failure";
import { newId, readRecord, readView, FORMAT, type RunRecord } from "./record";
import { identified, type Opened, type RunStore } from "./runs";

const KIND = "softprompt run";
/** Bytes. Larger than any file with data that the page takes. */
const LARGEST = 400e6;
const LARGEST_ADAPTER = 64e6;
/** Bytes encoded at a time: at most as many as a call takes arguments, and a multiple of 3, so that the pieces can be concatenated. */
const PIECE = 24_576;

export interface RunFile {
  name: string;
  content: Blob;
}

/** The worker's calls for run files. */
export function runFileCalls(open: () => Promise<RunStore>) {
  /** @throws a problem that says what the browser refuses */
  async function stored<R>(job: (store: RunStore) => Promise<R>): Promise<R> {
    try {
      return await job(await open());
    } catch (thrown) {
      throw storeProblem(thrown);
    }
  }
  return {
    /** Exports a saved run. */
    exportRun: (id: string, withData: boolean): Promise<RunFile> => stored((store) => exportRun(store, id, withData)),
    /** Imports a file that `exportRun` wrote; returns the name of the run. */
    importRun: (file: File): Promise<string> => stored((store) => importRun(store, file)),
  };
}

/** @throws a problem (`storage`) where the run is gone */
async function exportRun(store: RunStore, id: string, withData: boolean): Promise<RunFile> {
  const opened = await store.open(id);
  if (!opened) throw problem("storage", "This run is no longer saved.", "It may have been deleted in another tab.");
  const name = `${opened.record.name.replace(/[^\p{L}\p{N}._-]+/gu, "-") || "run"}.softprompt.json`;
  return { name, content: await packed(opened, withData) };
}

/** Adds the run of a file to the list; returns its name. Other runs are unchanged. */
async function importRun(store: RunStore, file: File): Promise<string> {
  const { record, view, adapter, answers, table, heldOut } = await unpacked(file);
  const name = freeName((await store.list()).runs, `${record.name}.json`);
  const [rows, others] = [table && (await identified(table)), heldOut && (await identified(heldOut))];
  await store.add({ ...record, name }, rows, others, view, adapter, answers);
  return name;
}

/** A name for a run on this file that none of these has. */
export function freeName(runs: RunRecord[], file: string): string {
  const name = file.replace(/\.[^.]*$/, "") || file;
  const taken = new Set(runs.map((run) => run.name));
  for (let number = 1; ; number++) {
    const free = number === 1 ? name : `${name} ${number}`;
    if (!taken.has(free)) return free;
  }
}

/** @param withData include the rows, which a run needs to be trained again, and the report, which contains some of them */
export async function packed({ record, view, adapter, answers, table, heldOut }: Opened, withData: boolean): Promise<Blob> {
  const known = answers && { ...answers, report: withData ? answers.report : undefined };
  const plain = { kind: KIND, format: FORMAT, record: { ...record, data: undefined, heldOut: undefined }, view, answers: known };
  const files = [
    ["adapter", adapter && new Blob([adapter as BlobPart])],
    ["table", withData ? table : undefined],
    ["heldOut", withData ? heldOut : undefined],
  ] as const;
  const parts: BlobPart[] = [JSON.stringify(plain).slice(0, -1)];
  for (const [name, blob] of files) if (blob) parts.push(`,"${name}":"`, ...(await base64(blob)), '"');
  return new Blob([...parts, "}"], { type: "application/json" });
}

/**
 * What `packed` wrote, under a new id. An unfinished run cannot be resumed: its checkpoint is not exported.
 *
 * @throws a problem (`data`) where the file is something else, damaged, or too large
 */
export async function unpacked(file: File): Promise<Opened> {
  const refuse = (what: string) =>
    problem("data", `“${file.name}” ${what}.`, "Choose a run file that this page has exported.");
  if (file.size > LARGEST) throw refuse(`is ${(file.size / 1e6).toFixed(0)} MB, larger than any exported run`);
  let content: Record<string, unknown>;
  try {
    content = JSON.parse(await file.text()) as Record<string, unknown>;
  } catch {
    throw refuse("is not an exported run");
  }
  if (typeof content !== "object" || content === null || content.kind !== KIND) throw refuse("is not an exported run");
  if (content.format !== FORMAT) throw refuse("was exported by another version of this page, which this one cannot read");
  const read = readRecord(content.record);
  const view = readView(content.view);
  if (!read || !view) throw refuse("is damaged");
  // Files of earlier versions have none.
  const hasAnswers = content.answers !== undefined && content.answers !== null;
  const answers = hasAnswers ? readAnswers(content.answers, view.done?.per_class.length ?? 0) : undefined;
  if (hasAnswers && !answers) throw refuse("is damaged");
  const bytes = (value: unknown, most: number) => {
    if (value === undefined || value === null) return undefined;
    if (typeof value !== "string" || value.length > (most * 4) / 3 + 4) throw refuse("is damaged");
    try {
      return unbase64(value);
    } catch {
      throw refuse("is damaged");
    }
  };
  const adapter = bytes(content.adapter, LARGEST_ADAPTER);
  const [table, heldOut] = [bytes(content.table, LARGEST), bytes(content.heldOut, LARGEST)];
  const record: RunRecord = {
    ...read,
    id: newId(),
    name: read.name.slice(0, 200),
    state: view.done && adapter ? (read.state === "stopped" ? "stopped" : "done") : "failed",
    data: undefined,
    heldOut: undefined,
  };
  return { record, view, adapter, answers, table: table && new Blob([table]), heldOut: heldOut && new Blob([heldOut]) };
}

/** In pieces: a text as long as the largest file would be longer than a browser's texts may be. */
async function base64(blob: Blob): Promise<string[]> {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const pieces: string[] = [];
  for (let at = 0; at < bytes.length; at += PIECE) pieces.push(btoa(String.fromCharCode(...bytes.subarray(at, at + PIECE))));
  return pieces;
}

/** @throws where it is not base64 */
function unbase64(text: string): Uint8Array<ArrayBuffer> {
  const read = atob(text);
  const bytes = new Uint8Array(read.length);
  for (let at = 0; at < read.length; at++) bytes[at] = read.charCodeAt(at);
  return bytes;
}
