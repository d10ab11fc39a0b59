/** Bytes embedded in a single-file web page: compressed, in base64. */
export type Packed = string;

/** Bytes at a time: a multiple of 3, so that pieces can be concatenated, and at most as many as a call takes arguments. */
const PIECE = 3 * 2 ** 11;
/** Pieces between two turns of other messages. */
const TURN = 512;

/** Text in short pieces: all of it at once would block the worker. */
export async function packed(content: Blob): Promise<Blob> {
  const stream = content.stream().pipeThrough(new CompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const pieces: Blob[] = [];
  for (let at = 0; at < bytes.length;) {
    const texts: string[] = [];
    for (const end = at + TURN * PIECE; at < end && at < bytes.length; at += PIECE)
      texts.push(btoa(String.fromCharCode(...new Uint8Array(bytes.buffer, at, Math.min(PIECE, bytes.length - at)))));
    pieces.push(new Blob(texts));
    await new Promise((resolve) => setTimeout(resolve));
  }
  return new Blob(pieces);
}

export async function unpacked(text: Packed): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0; at < text.length; at += 4 * 2 ** 18) {
    const binary = atob(text.slice(at, at + 4 * 2 ** 18));
    const piece = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) piece[i] = binary.charCodeAt(i);
    pieces.push(piece);
  }
  const stream = new Blob(pieces).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
