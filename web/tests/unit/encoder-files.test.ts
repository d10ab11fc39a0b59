import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  DEFAULT_ENCODER,
  fetchEncoder,
  cacheTaken,
  sourcesOf,
  takeEncoder,
  totalSize,
  type Encoder,
  type Progress,
  type EncoderCache,
} from "../../src/lib/encoder-files";
import { list, remove } from "../../src/lib/encoder-cache";
import { encoderFolder, picked, type EncoderFolder } from "../../src/lib/folder";
import { core } from "./core";

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const contents: Record<string, Uint8Array<ArrayBuffer>> = {
  "config.json": new TextEncoder().encode('{"model_type":"bert"}'),
  "tokenizer.json": new TextEncoder().encode("{}"),
  "model.safetensors": Uint8Array.from({ length: 300_000 }, (_, index) => (index * 31) % 251),
};
const encoder: Encoder = {
  id: "somebody/some-encoder",
  files: Object.entries(contents).map(([name, bytes]) => ({
    name,
    size: bytes.length,
    sha256: sha256(bytes),
  })),
};

const sums = encoder.files.map((file) => file.sha256);

type Answer = (response: ServerResponse, bytes: Uint8Array) => void;
const right: Answer = (response, bytes) => response.end(bytes);
const missing: Answer = (response) => response.writeHead(404).end("no");
const webPage: Answer = (response) => response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html>");
const short: Answer = (response, bytes) => response.end(bytes.subarray(0, bytes.length - 1));
const long: Answer = (response, bytes) => response.end(Buffer.concat([bytes, Buffer.from("x")]));
const flipped: Answer = (response, bytes) => {
  const copy = Buffer.from(bytes);
  copy[copy.length >> 1]! ^= 1;
  response.end(copy);
};
const cut: Answer = (response, bytes) => {
  response.writeHead(200, { "content-length": bytes.length });
  response.write(bytes.subarray(0, bytes.length >> 1), () => response.destroy());
};

/** Two places, each with an answer for a file; other files are answered right. */
const answers: Record<"near" | "far", Record<string, Answer>> = { near: {}, far: {} };
let requests: string[] = [];
let server: Server;
let base: string;
const sources = () => [
  { name: "the near place", folder: `${base}near/` },
  { name: "the far place", folder: `${base}far/` },
];

beforeAll(async () => {
  server = createServer((request, response) => {
    const [, place, name] = (request.url ?? "").split("/") as [string, "near" | "far", string];
    requests.push(`${place}/${name}`);
    (answers[place][name] ?? right)(response, contents[name]!);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
afterAll(() => void server.close());
beforeEach(() => {
  answers.near = {};
  answers.far = {};
  requests = [];
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

const get = (cache?: EncoderCache, onProgress: (progress: Progress) => void = () => undefined) =>
  fetchEncoder(encoder, { sources: sources(), page: base, cache, onProgress, wait: 1 });

describe("the files of the encoder", () => {
  it("come from the first place that has them, and are kept", async () => {
    const cache = new MapStore();
    const seen: Progress[] = [];
    const { files, cached } = await get(cache, (progress) => seen.push(progress));
    expect(files.map(sha256)).toEqual(sums);
    expect(cached).toBe(true);
    // Three files, and the note that they make an encoder.
    expect(cache.entries.size).toBe(4);
    expect(requests).toEqual(["near/config.json", "near/tokenizer.json", "near/model.safetensors"]);
    const total = totalSize(encoder);
    expect(seen.at(-1)).toMatchObject({ received: total, total, from: "the near place" });
    expect(seen.every((progress, index) => index === 0 || progress.received >= seen[index - 1]!.received)).toBe(true);
  });

  it("come from the browser the second time, without a request", async () => {
    const cache = new MapStore();
    await get(cache);
    requests = [];
    expect((await get(cache)).files.map(sha256)).toEqual(sums);
    expect(requests).toEqual([]);
  });

  it("are fetched again when what was kept has gone bad", async () => {
    const cache = new MapStore();
    await get(cache);
    const key = [...cache.entries.keys()].find((one) => one.endsWith("model.safetensors"))!;
    cache.entries.set(key, new Response("rotten"));
    requests = [];
    expect((await get(cache)).files.map(sha256)).toEqual(sums);
    expect(requests).toEqual(["near/model.safetensors"]);
    expect((await cache.entries.get(key)!.clone().arrayBuffer()).byteLength).toBe(300_000);
  });

  it.each([
    ["a missing file", missing, "status 404"],
    ["a page in place of a file", webPage, "a web page"],
    ["a file that is too short", short, "has 299999 bytes, expected 300000"],
    ["a file that is too long", long, "longer than 300000 bytes"],
    ["a file with one bit flipped", flipped, "SHA-256"],
    ["a connection that breaks", cut, ""],
  ])("come from the next place after %s", async (_, answer, reason) => {
    const cache = new MapStore();
    answers.near["model.safetensors"] = answer;
    expect((await get(cache)).files.map(sha256)).toEqual(sums);
    expect(requests.at(-1)).toBe("far/model.safetensors");

    // Nowhere right: nothing of it is kept, and the problem says what each place answered.
    answers.far["model.safetensors"] = answer;
    const empty = new MapStore();
    const failure = await get(empty).catch((thrown: unknown) => thrown);
    expect(failure).toMatchObject({ code: "io", hint: expect.stringContaining("model.safetensors") });
    expect((failure as Error).message).toMatch(/From the near place: .*From the far place: /s);
    expect((failure as Error).message).toContain(reason);
    expect([...empty.entries.keys()].filter((key) => key.endsWith("model.safetensors"))).toEqual([]);
  });

  it("do without a place that failed once", async () => {
    answers.near["config.json"] = missing;
    await get();
    expect(requests).toEqual(["near/config.json", "far/config.json", "far/tokenizer.json", "far/model.safetensors"]);
  });

  it("are used even where the browser has no room for them", async () => {
    const full = new MapStore();
    full.put = () => Promise.reject(new DOMException("full", "QuotaExceededError"));
    expect(await get(full)).toMatchObject({ cached: false });
    expect(await get(undefined)).toMatchObject({ cached: false });
  });
});

describe("files that the user chooses", () => {
  const chosen = (change: (files: File[]) => File[] = (files) => files) =>
    encoderFolder(picked(change(Object.entries(contents).map(([name, bytes]) => new File([bytes], name)))));
  const take = (folder: EncoderFolder, name = "x") => takeEncoder({ ...folder, name }, core);

  it("are any encoder's, named by what they hash to, and kept once they have proved to be one", async () => {
    const cache = new MapStore();
    const taken = await take(
      chosen((files) => files.reverse()),
      "my folder",
    );
    expect(taken.files.map(sha256)).toEqual(sums);
    expect(taken.encoder).toEqual({ ...encoder, id: "my folder", local: true });
    expect(cache.entries.size).toBe(0);
    expect(await cacheTaken(taken, base, cache)).toBe(true);
    expect(await list(DEFAULT_ENCODER, base, cache)).toEqual([
      { encoder: DEFAULT_ENCODER, bytes: 0, complete: false },
      { encoder: taken.encoder, bytes: totalSize(encoder), complete: true },
    ]);
    // From now on they come from the browser, and from nowhere else.
    const again = await fetchEncoder(taken.encoder, { sources: sourcesOf(taken.encoder, base), page: base, cache });
    expect(again.files.map(sha256)).toEqual(sums);
    expect(requests).toEqual([]);
    await remove(taken.encoder, DEFAULT_ENCODER, base, cache);
    expect(cache.entries.size).toBe(0);
    await expect(fetchEncoder(taken.encoder, { sources: [], page: base, cache })).rejects.toMatchObject({
      code: "io",
      message: "The encoder my folder is not in this browser's cache.",
    });
  });

  it("of the same name are two encoders where they differ", async () => {
    const cache = new MapStore();
    const other = new Uint8Array(100).fill(7);
    const first = await take(chosen(), "model");
    const second = await take(chosen((files) => [...files.slice(0, 2), new File([other], "model.safetensors")]), "model");
    for (const taken of [first, second]) expect(await cacheTaken(taken, base, cache)).toBe(true);
    const found = async () => (await list(DEFAULT_ENCODER, base, cache)).slice(1).map(({ encoder, complete }) => [encoder.files[2]?.size, complete]);
    expect((await found()).sort()).toEqual([[100, true], [300_000, true]]);
    await remove(first.encoder, DEFAULT_ENCODER, base, cache);
    expect(await found()).toEqual([[100, true]]);
    const again = await fetchEncoder(second.encoder, { sources: [], page: base, cache });
    expect(again.files[2]).toEqual(other);
    await remove(second.encoder, DEFAULT_ENCODER, base, cache);
    expect(cache.entries.size).toBe(0);
  });

  it("are refused by name when one is missing, empty or larger than any encoder's", async () => {
    await expect(
      take(chosen((files) => files.slice(1))),
    ).rejects.toMatchObject({ code: "model", message: "there is no config.json" });
    const empty = (files: File[]) => [...files.slice(0, 2), new File([], "model.safetensors")];
    await expect(take(chosen(empty))).rejects.toMatchObject({ message: "model.safetensors is empty." });
    const large = (files: File[]) => [files[0]!, new File([new Uint8Array(70_000_000)], "tokenizer.json"), files[2]!];
    await expect(take(chosen(large))).rejects.toMatchObject({
      message: "tokenizer.json has 70.0 MB; the limit of the page is 67 MB.",
    });
  });

  const tiny = (name: string) => new Uint8Array(readFileSync(new URL(`../../../tests/golden/tiny/${name}`, import.meta.url)));
  const file = (name: string, bytes: BlobPart) => new File([bytes], name);

  it("become a tokenizer where there is only a vocabulary", async () => {
    const { model } = JSON.parse(new TextDecoder().decode(tiny("tokenizer.json"))) as { model: { vocab: Record<string, number> } };
    const pieces = Object.entries(model.vocab).sort(([, a], [, b]) => a - b);
    const vocabulary = file("vocab.txt", pieces.map(([piece]) => `${piece}\n`).join(""));
    const rest = [file("config.json", tiny("config.json")), file("model.safetensors", tiny("model.safetensors"))];
    const taken = await take(encoderFolder(picked([...rest, vocabulary])));
    expect(taken.notes).toEqual([expect.stringContaining("made from vocab.txt")]);
    expect(taken.encoder.files.map(({ name }) => name)).toEqual(["config.json", "tokenizer.json", "model.safetensors"]);
    const [config, tokenizer, weights] = taken.files as [Uint8Array, Uint8Array, Uint8Array];
    const loaded = core.Model.load("tiny", config, tokenizer, weights);
    expect(loaded.layers).toBe(2);
    loaded.free();
    const named = await take(encoderFolder(picked([...rest, vocabulary, file("tokenizer_config.json", '{"do_lower_case":true}')])));
    expect(named.notes).toEqual([]);
  });

  it("are named where they are not what they should be", async () => {
    const all = ["config.json", "tokenizer.json"].map((name) => file(name, tiny(name)));
    const refused = (files: File[]) => take(encoderFolder(picked(files)));
    await expect(refused([...all, file("pytorch_model.bin", "PK")])).rejects.toMatchObject({
      code: "model",
      message: expect.stringContaining("only pytorch_model.bin"),
    });
    await expect(refused([...all, file("model-00002-of-00002.safetensors", "x")])).rejects.toMatchObject({
      message: expect.stringContaining("model-00001-of-00002.safetensors is missing"),
    });
    const shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"].map((name) => file(name, tiny("model.safetensors")));
    await expect(refused([...all, ...shards])).rejects.toMatchObject({ message: expect.stringContaining("in another shard") });
  });
});

describe("the default encoder", () => {
  it("is looked for on the page's own server first, then on the hub", () => {
    expect(sourcesOf(DEFAULT_ENCODER, "https://example.org/soft/index.html").map(({ folder }) => folder)).toEqual([
      "https://example.org/soft/models/all-MiniLM-L6-v2/",
      "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2/resolve/main/",
    ]);
    // Any other encoder comes from the hub alone, at the commit that was looked up.
    expect(sourcesOf({ ...encoder, revision: "c0ffee" }, "https://example.org/").map(({ folder }) => folder)).toEqual([
      "https://huggingface.co/somebody/some-encoder/resolve/c0ffee/",
    ]);
  });
});
