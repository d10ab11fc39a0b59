/**
 * A run as one file, to take along and to put into another browser. JSON with the adapter (and the data, if asked for) in base64: it
 * holds what it seems to hold, where a zip might unfold to any size. It is read with care, because anybody may have written it.
 */
import { problem } from "../problem";
import { newId, readRecord, readView, FORMAT, type RunRecord } from "./record";
import type { Opened } from "./runs";

const KIND = "softprompt run";
/** Bytes. Larger than any file with data that the page takes. */
const LARGEST = 400e6;
const LARGEST_ADAPTER = 64e6;

/** @param withData with the rows, which a run needs to be trained again */
export async function packed({ record, view, adapter, table, heldOut }: Opened, withData: boolean): Promise<Blob> {
  const data = withData ? { table: table && (await base64(table)), heldOut: heldOut && (await base64(heldOut)) } : {};
  const content = { kind: KIND, format: FORMAT, record: { ...record, data: undefined, heldOut: undefined }, view };
  return new Blob(
    [JSON.stringify({ ...content, adapter: adapter && (await base64(new Blob([adapter as BlobPart]))), ...data })],
    {
      type: "application/json",
    },
  );
}

/**
 * What `packed` wrote, under a new id. A run that was not over stays as far as it came: its checkpoint belongs to its browser.
 *
 * @throws a problem (`data`) where the file is something else, damaged, or too large
 */
export async function unpacked(file: File): Promise<Opened> {
  const refuse = (what: string) =>
    problem("data", `“${file.name}” ${what}.`, "Choose a file that this page has exported as a run.");
  if (file.size > LARGEST) throw refuse(`has ${(file.size / 1e6).toFixed(0)} MB, which no exported run has`);
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
  const bytes = (value: unknown, most: number) => {
    if (value === undefined || value === null) return undefined;
    if (typeof value !== "string" || value.length > (most * 4) / 3 + 4) throw refuse("is damaged");
    try {
      const text = atob(value);
      const read = new Uint8Array(text.length);
      for (let at = 0; at < text.length; at++) read[at] = text.charCodeAt(at);
      return read;
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
  return { record, view, adapter, table: table && new Blob([table]), heldOut: heldOut && new Blob([heldOut]) };
}

async function base64(blob: Blob): Promise<string> {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  // As many at once as a call takes arguments, in threes: then the pieces are a whole.
  for (let at = 0; at < bytes.length; at += 24_576) text += btoa(String.fromCharCode(...bytes.subarray(at, at + 24_576)));
  return text;
}
