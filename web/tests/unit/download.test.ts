/** Downloads that break off and go on, against a real server that knows ranges. */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { download, type Download, type EncoderFile } from "../../src/lib/download";
import { PartialDownload, piecesOf, type EncoderCache } from "../../src/lib/partial-download";
import { Rate } from "../../src/lib/rate";

const MB = 1 << 20;
const content = Uint8Array.from({ length: 11 * MB + 77 }, (_, index) => (index * 7 + (index >> 9)) & 255);
const sha256 = createHash("sha256").update(content).digest("hex");
const file: EncoderFile = { name: "model.safetensors", size: content.length, sha256 };

/** The range of every request, and how many bytes an answer brings before the connection breaks. */
let ranges: (string | undefined)[] = [];
let breaks: number[] = [];
/** What the server does with ranges. */
let manner: "ranges" | "ignores" | "other part" = "ranges";
let server: Server;
let address: string;

function answer(request: IncomingMessage, response: ServerResponse) {
  const { range } = request.headers;
  ranges.push(range);
  const asked = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
  const from = manner === "ignores" ? 0 : asked;
  const headers = { "content-length": content.length - from, "content-type": "application/octet-stream" };
  const begin = manner === "other part" ? from - 1 : from;
  if (from) response.writeHead(206, { ...headers, "content-range": `bytes ${begin}-${content.length - 1}/${content.length}` });
  else response.writeHead(200, headers);
  const most = breaks.shift();
  if (most === undefined) return void response.end(content.subarray(from));
  response.write(content.subarray(from, from + most), () => setTimeout(() => response.destroy(), 30));
}

beforeAll(async () => {
  server = createServer(answer);
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/model.safetensors`;
});
afterAll(() => void server.close());
beforeEach(() => {
  ranges = [];
  breaks = [];
  manner = "ranges";
});

class MapStore implements EncoderCache {
  readonly entries = new Map<string, Response>();
  async match(key: RequestInfo | URL) {
    return this.entries.get(String(key))?.clone();
  }
  async put(key: RequestInfo | URL, response: Response) {
    this.entries.set(String(key), response);
  }
  async delete(key: RequestInfo | URL) {
    return this.entries.delete(String(key));
  }
  async keys() {
    return [...this.entries.keys()].map((url) => new Request(url));
  }
}

const FOLDER = "http://page/partial/sum/";
const options = (store: EncoderCache | undefined, more: Partial<Download> = {}): Download => ({
  partial: new PartialDownload(store, FOLDER),
  signal: new AbortController().signal,
  wait: 1,
  onBytes: () => undefined,
  ...more,
});
const right = (bytes: Uint8Array) => expect(createHash("sha256").update(bytes).digest("hex")).toBe(sha256);
const keptBytes = async (store: EncoderCache) => (await piecesOf(store, FOLDER)).reduce((sum, { size }) => sum + size, 0);

describe("a download", () => {
  it("goes on where the connection broke, as often as that brings it further", async () => {
    breaks = [5 * MB, 3 * MB];
    const seen: number[] = [];
    right(await download(address, file, options(undefined, { onBytes: (received) => seen.push(received) })));
    expect(ranges.length).toBe(3);
    expect(ranges[0]).toBeUndefined();
    const [, second, third] = ranges.map((range) => Number(/\d+/.exec(range ?? "")?.[0]));
    expect(second).toBeGreaterThan(4 * MB);
    expect(third).toBeGreaterThan(second!);
    expect(seen.every((received, index) => index === 0 || received > seen[index - 1]!)).toBe(true);
    expect(seen.at(-1)).toBe(content.length);
  });

  it("gives a place up that brings nothing more", async () => {
    breaks = [0, 0, 0];
    await expect(download(address, file, options(undefined))).rejects.toThrow();
    expect(ranges.length).toBe(1);
  });

  it("begins anew where a server knows no ranges", async () => {
    breaks = [5 * MB];
    manner = "ignores";
    right(await download(address, file, options(undefined)));
    expect(ranges.length).toBe(2);
  });

  it("takes no other part for the rest", async () => {
    breaks = [5 * MB];
    manner = "other part";
    // Not by `rejects`, which would print eleven megabytes.
    const outcome = await download(address, file, options(undefined)).then(
      () => "taken",
      (error: Error) => error.message,
    );
    expect(outcome).toContain("another part");
  });

  it("that was stopped goes on after a reload, with what came before", async () => {
    const store = new MapStore();
    const abort = new AbortController();
    const stopping = options(store, {
      signal: abort.signal,
      onBytes: (received) => {
        if (received > 6 * MB) abort.abort();
      },
    });
    await expect(download(address, file, stopping)).rejects.toMatchObject({ code: "cancelled" });
    const kept = await keptBytes(store);
    expect(kept).toBeGreaterThan(6 * MB);
    expect(kept).toBeLessThan(content.length);

    // Another page: nothing of the first is left but the store.
    let first: number | undefined;
    right(await download(address, file, options(store, { onBytes: (received) => (first ??= received) })));
    expect(ranges.at(-1)).toBe(`bytes=${kept}-`);
    expect(first).toBe(kept);
  });

  it("whose kept part has gone bad begins anew, once", async () => {
    const store = new MapStore();
    await store.put(`${FOLDER}0`, new Response(new Uint8Array(4 * MB), { headers: { "content-length": String(4 * MB) } }));
    right(await download(address, file, options(store)));
    expect(ranges).toEqual([`bytes=${4 * MB}-`, undefined]);
  });

  it("with other bytes than expected leaves nothing behind", async () => {
    const store = new MapStore();
    const other = { ...file, sha256: "0".repeat(64) };
    await expect(download(address, other, options(store))).rejects.toThrow("SHA-256");
    expect(store.entries.size).toBe(0);
    expect(ranges.length).toBe(1);
  });

  it("is checked by git's id where that is what is known", async () => {
    const git = createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
    right(await download(address, { name: file.name, size: file.size, git }, options(undefined)));
    const wrong = { name: file.name, size: file.size, git: "1".repeat(40) };
    await expect(download(address, wrong, options(undefined))).rejects.toThrow("git id");
  });

  it("works without room for partial", async () => {
    const full = new MapStore();
    full.put = () => Promise.reject(new DOMException("full", "QuotaExceededError"));
    right(await download(address, file, options(full)));
  });
});

describe("the speed", () => {
  it("is that of the last seconds", () => {
    const rate = new Rate();
    rate.add(0, 0);
    rate.add(100, 1000);
    expect(rate.value).toBeUndefined();
    rate.add(1000, 10_000);
    expect(rate.value).toBe(10_000);
    for (let second = 2; second <= 10; second++) rate.add(second * 1000, 10_000 + (second - 1) * 2000);
    expect(rate.value).toBe(2000);
    // A download that begins anew is measured anew.
    rate.add(11_000, 0);
    expect(rate.value).toBeUndefined();
  });
});
