/** A static server of a test's own: it notes every request, knows ranges, and can be switched off. */
import { createReadStream, statSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { pipeline } from "node:stream/promises";
import { setTimeout } from "node:timers/promises";

const MEDIA: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".wasm": "application/wasm",
  ".json": "application/json",
  ".webmanifest": "application/manifest+json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".csv": "text/csv; charset=utf-8",
};

export interface Served {
  /** Ends in a slash. */
  address: string;
  /** Paths, in order: all that left the browser, whoever asked. */
  requests: string[];
  /** Where the answers began, in bytes. */
  ranges: { path: string; from: number }[];
  /** From now on nothing is slowed down. */
  hurry: () => void;
  close: () => void;
}

interface Manner {
  /** Path that the folder is served under. */
  base?: string;
  /** Of every answer. */
  headers?: Record<string, string>;
  /** Bytes a second, for paths that are `throttled`. */
  rate?: number;
  throttled?: RegExp;
}

/** A stream at so many bytes a second. In the pipe itself: a pause from outside ends whenever the reader has room again. */
async function* slowly(stream: AsyncIterable<Buffer>, rate: number): AsyncGenerator<Buffer> {
  const begin = performance.now();
  let sent = 0;
  for await (const piece of stream) {
    yield piece;
    sent += piece.length;
    await setTimeout(Math.max(0, begin + (1000 * sent) / rate - performance.now()));
  }
}

export async function serveFolder(folder: string, manner: Manner = {}): Promise<Served> {
  const { base = "/", headers = {}, throttled } = manner;
  let { rate = Infinity } = manner;
  const requests: string[] = [];
  const ranges: Served["ranges"] = [];
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const { pathname } = new URL(request.url ?? "", "http://x");
    requests.push(pathname);
    const path = pathname.startsWith(base) ? join(folder, normalize(pathname.slice(base.length - 1))) : folder + "/none";
    const file = statSync(path, { throwIfNoEntry: false })?.isDirectory() ? join(path, "index.html") : path;
    const found = statSync(file, { throwIfNoEntry: false });
    if (!found) return void response.writeHead(404).end();
    const type = MEDIA[extname(file)] ?? "application/octet-stream";
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    ranges.push({ path: pathname, from });
    const all = { ...headers, "content-type": type, "content-length": found.size - from, "cache-control": "no-cache" };
    const range = { "content-range": `bytes ${from}-${found.size - 1}/${found.size}`, "accept-ranges": "bytes" };
    response.writeHead(from ? 206 : 200, from ? { ...all, ...range } : all);
    const stream = createReadStream(file, { start: from, highWaterMark: 1 << 18 });
    // A break of the connection ends the stream, and is none of the server's concern.
    void pipeline(throttled?.test(pathname) ? slowly(stream, rate) : stream, response).catch(() => undefined);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  return {
    address: `http://127.0.0.1:${port}${base}`,
    requests,
    ranges,
    hurry: () => (rate = Infinity),
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
