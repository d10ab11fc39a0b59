/** An incomplete download: pieces in the browser's cache, so that it can resume after a reload. */

/** The part of the Cache API that is used. */
export type EncoderCache = Pick<Cache, "match" | "put" | "delete" | "keys">;

/** Bytes of a piece: the most that a reload loses. */
const PIECE = 4 << 20;

export class PartialDownload {
  #writing: Promise<unknown> = Promise.resolve();
  /** Where the piece being collected begins. */
  #begin = 0;
  #broken = false;

  /** @param folder address that belongs to this one file's contents; ends in a slash */
  constructor(
    private readonly cache: EncoderCache | undefined,
    private readonly folder: string,
  ) {}

  /** Copies the pieces that follow one another from the start into `bytes`, and says how far they go. */
  async read(bytes: Uint8Array): Promise<number> {
    let at = 0;
    try {
      while (at < bytes.length) {
        const response = await this.cache?.match(this.folder + at);
        if (!response) break;
        const piece = new Uint8Array(await response.arrayBuffer());
        if (piece.length === 0 || at + piece.length > bytes.length) break;
        bytes.set(piece, at);
        at += piece.length;
      }
    } catch {
      // What cannot be read is fetched again.
    }
    this.#begin = at;
    return at;
  }

  /** Bytes up to `end` have arrived: writes them if they fill a piece, or `now`. */
  write(bytes: Uint8Array<ArrayBuffer>, end: number, now = false): void {
    const begin = this.#begin;
    if (!this.cache || this.#broken || end <= begin || (end - begin < PIECE && !now)) return;
    this.#begin = end;
    // A copy of its own: the rest of the file is written while this is being stored.
    const piece = bytes.slice(begin, end);
    const headers = { "content-length": String(piece.length) };
    this.#writing = this.#writing
      .then(() => this.cache?.put(this.folder + begin, new Response(piece, { headers })))
      // No room for pieces: then a reload starts from the beginning.
      .catch(() => void (this.#broken = true));
  }

  /** The download starts again at `at`. */
  rewind(at: number): void {
    this.#begin = at;
  }

  /** Resolves when everything given to `write` is stored. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  async clear(): Promise<void> {
    await this.#writing;
    this.#begin = 0;
    for (const { url } of await piecesOf(this.cache, this.folder)) await this.cache?.delete(url);
  }
}

/** The pieces stored under an address, and their sizes in bytes. */
export async function piecesOf(cache: EncoderCache | undefined, folder: string): Promise<{ url: string; size: number }[]> {
  const found: { url: string; size: number }[] = [];
  for (const { url } of (await cache?.keys()) ?? []) {
    if (!url.startsWith(folder)) continue;
    const size = Number((await cache?.match(url))?.headers.get("content-length"));
    found.push({ url, size: Number.isFinite(size) ? size : 0 });
  }
  return found;
}
