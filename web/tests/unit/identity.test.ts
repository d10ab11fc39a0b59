import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CellResult, RunConfig, TokenCount } from "../../src/contract";
import type { Client } from "../../src/lib/client";
import { Comparison } from "../../src/lib/comparison.svelte";
import { DataStep } from "../../src/lib/data.svelte";
import type { Encoder } from "../../src/lib/encoder-files";
import { isEncoder } from "../../src/lib/encoder-cache";
import { comparisonId, encoderId, isEncoderOf, type ComparisonInputs } from "../../src/lib/identity";
import { saveCell } from "../../src/lib/saved-cells";
import type { Session } from "../../src/lib/session.svelte";
import { ShownResult } from "../../src/lib/shown-result.svelte";

(globalThis as { PROGRAM?: string }).PROGRAM = "program";

const encoder = (weights: string, tokenizer = "t", id = "model"): Encoder => ({
  id,
  files: [
    { name: "config.json", size: 1, sha256: "c" },
    { name: "tokenizer.json", size: 1, git: tokenizer },
    { name: "model.safetensors", size: 1, sha256: weights },
  ],
});
const config = {
  seed: 5,
  device: "cpu",
  data: { max_tokens: 64 },
  prompt: { method: "prompt", length: 8, prune: null },
  optim: { lr: 0.1 },
} as unknown as RunConfig;
const blob = (text: string) => new Blob([text]);
const compared: ComparisonInputs = { program: "p", encoder: encoder("w"), table: blob("rows"), config };

describe("the key of a comparison's results", () => {
  const key = (change: Partial<ComparisonInputs> = {}) => comparisonId({ ...compared, ...change });

  it("is another one as soon as one of the things that they depend on is", async () => {
    const others: Partial<ComparisonInputs>[] = [
      {},
      { program: "q" },
      { encoder: encoder("v") },
      { encoder: encoder("w", "u") },
      { table: blob("rowt") },
      { heldOut: blob("rows") },
      { heldOut: blob("") },
      { budget: "steps:5" },
      { config: { ...config, device: "gpu" } as RunConfig },
      { config: { ...config, data: { max_tokens: 65 } } as unknown as RunConfig },
      { config: { ...config, prompt: { ...config.prompt, length: 9 } } },
      { config: { ...config, optim: { lr: 0.2 } } as unknown as RunConfig },
    ];
    const keys = await Promise.all(others.map((change) => key(change)));
    expect(new Set(keys).size, keys.join("\n")).toBe(others.length);
    expect(keys.every((one) => /^[0-9a-f]{64}$/.test(one ?? ""))).toBe(true);
  });

  it("is the same for what each cell decides by itself, and for what only has another name", async () => {
    const same: Partial<ComparisonInputs>[] = [
      { config: { ...config, seed: 6 } },
      { config: { ...config, prompt: { ...config.prompt, method: "late" } } },
      { encoder: encoder("w", "t", "another folder") },
    ];
    for (const change of same) expect(await key(change)).toBe(await key());
  });

  it("is none of an encoder without checksums", () => {
    const files = encoder("w").files.map(({ name, size }) => ({ name, size }));
    expect(isEncoder(encoder("w"))).toBe(true);
    expect(isEncoder({ id: "x", files })).toBe(false);
  });
});

/** The browser's storage. */
class Storage {
  readonly #map = new Map<string, string>();
  getItem = (key: string) => this.#map.get(key) ?? null;
  setItem = (key: string, value: string) => void this.#map.set(key, value);
  removeItem = (key: string) => void this.#map.delete(key);
}

describe("a comparison", () => {
  beforeEach(() => void ((globalThis as { localStorage?: unknown }).localStorage = new Storage()));
  afterEach(() => void delete (globalThis as { localStorage?: unknown }).localStorage);

  const place = () => {
    const seen = { done: [] as CellResult[][], encoders: [] as string[] };
    const session = {
      stage: "choosing",
      source: { name: "rows.csv", bytes: blob("rows") },
      heldOut: undefined,
      config,
      encoder: {
        chosen: encoder("w"),
        now: { state: "ready" },
        ensure: () => Promise.resolve({ encoder: session.encoder.chosen }),
      },
      clear: () => undefined,
      report: (_: string, thrown: unknown) => {
        throw thrown;
      },
    };
    const api = {
      identify: comparisonId,
      compare: (of: Encoder, ...rest: unknown[]) => {
        seen.encoders.push(encoderId(of));
        seen.done.push(rest[4] as CellResult[]);
      },
    };
    const call = (job: (worker: typeof api) => unknown) => Promise.resolve(job(api));
    const client = { call, occupy: (_: () => boolean, job: (worker: typeof api) => unknown) => call(job) };
    return { seen, session, comparison: new Comparison(session as unknown as Session, client as unknown as Client) };
  };
  const cell = (name: string) => ({ name, seed: 5, accuracy: 0.5, curve: [] }) as unknown as CellResult;

  it("takes no results of another encoder for its own", async () => {
    const { seen, session, comparison } = place();
    comparison.setSeeds("1");
    const id = (await comparisonId({ program: PROGRAM, encoder: encoder("w"), table: blob("rows"), config })) as string;
    saveCell(localStorage, id, cell("prompt"));
    await comparison.refresh();
    expect(comparison.saved).toBe(1);
    await comparison.start();
    session.encoder.chosen = encoder("v");
    session.stage = "choosing";
    await comparison.refresh();
    expect(comparison.saved, "of the encoder before").toBe(0);
    await comparison.start();
    expect(seen.done.map((cells) => cells.length)).toEqual([1, 0]);
    expect(seen.encoders).toEqual([encoderId(encoder("w")), encoderId(encoder("v"))]);
    expect(JSON.parse(comparison.json())).toMatchObject({ encoder: { name: "model", sha256: "v" } });
  });

  it("is not shown any more when another encoder is chosen", async () => {
    const { session, comparison } = place();
    comparison.view = { ...comparison.view, rows: [{ name: "prompt" } as never] };
    session.stage = "ready";
    comparison.encoderChanged();
    expect(comparison.view.rows).toEqual([]);
  });
});

describe("a count of tokens", () => {
  const place = () => {
    const asked: string[] = [];
    const waiting: ((count: TokenCount) => void)[] = [];
    const session = {
      source: { name: "rows.csv", bytes: blob("rows") },
      config,
      encoder: { now: { state: "ready", info: { encoder: encoder("w") } } },
    };
    const api = {
      countTokens: (of: Encoder) => {
        asked.push(encoderId(of));
        return new Promise<TokenCount>((answer) => waiting.push(answer));
      },
    };
    const client = { call: (job: (worker: typeof api) => unknown) => Promise.resolve(job(api)) };
    return { asked, waiting, session, data: new DataStep(session as unknown as Session, client as unknown as Client) };
  };
  const count = (tokens: number) => ({ done: 1, texts: 1, tokens, limit: 8, long: 0, cut: 0, unknown: 0, empty: 0, notes: [] });

  it("is made again for another encoder", async () => {
    const { asked, waiting, session, data } = place();
    const counting = data.count();
    waiting[0]?.(count(3));
    await counting;
    await data.count();
    expect(asked, "known").toHaveLength(1);
    session.encoder.now.info.encoder = encoder("w", "another tokenizer");
    const again = data.count();
    expect(asked).toHaveLength(2);
    waiting[1]?.(count(4));
    await again;
    expect(data.tokens).toEqual(count(4));
  });

  it("that comes late is not taken for what is asked now", async () => {
    const { waiting, session, data } = place();
    const first = data.count();
    waiting[0]?.(count(3));
    await first;
    const before = session.config;
    session.config = { ...config, data: { ...config.data, max_tokens: 9 } };
    const second = data.count();
    session.config = before;
    await data.count();
    waiting[1]?.(count(4));
    await second;
    expect(data.tokens, "the known one").toEqual(count(3));
  });
});

describe("a kept run", () => {
  it("is classified with by its own adapter, whatever was opened between", async () => {
    const loaded: string[] = [];
    const zip = (name: string) => new TextEncoder().encode(name);
    const session = {
      stage: "result",
      record: { id: "run", device: "cpu" },
      config,
      classify: { zip: undefined as Uint8Array | undefined },
      library: { adapter: () => Promise.resolve(zip("kept")) },
      encoder: { ensure: () => Promise.resolve() },
      clear: () => undefined,
      report: (_: string, thrown: unknown) => {
        throw thrown;
      },
    };
    const api = {
      loadAdapter: (bytes: Uint8Array) => loaded.push(new TextDecoder().decode(bytes)),
      classify: () => [{ label: loaded.at(-1) }],
    };
    const client = { call: (job: (worker: typeof api) => unknown) => Promise.resolve(job(api)) };
    const result = new ShownResult(session as unknown as Session, client as unknown as Client);
    expect((await result.predict("text"))?.label).toBe("kept");
    // As when a zip is opened, and closed again.
    session.stage = "classifying";
    session.classify.zip = zip("opened");
    await result.load(session.classify.zip, session.classify.zip, "cpu");
    expect((await result.predict("text"))?.label).toBe("opened");
    session.stage = "result";
    expect((await result.predict("text"))?.label).toBe("kept");
    expect(loaded).toEqual(["kept", "opened", "kept"]);
    // A worker that was replaced has nothing; the open zip is got ready again.
    session.stage = "classifying";
    result.workerGone();
    expect((await result.predict("text"))?.label).toBe("opened");
  });

  it("belongs to an encoder by its files, and by its name only where they are not known", () => {
    const run = { encoder: "model", encoderId: encoderId(encoder("w")) };
    expect(isEncoderOf(run, encoder("w"))).toBe(true);
    expect(isEncoderOf(run, encoder("v"))).toBe(false);
    expect(isEncoderOf(run, encoder("w", "u"))).toBe(false);
    expect(isEncoderOf({ encoder: "model" }, encoder("v"))).toBe(true);
    expect(isEncoderOf({ encoder: "model" }, encoder("v", "t", "other"))).toBe(false);
  });
});
