/** What the page reads from files and from its own storage, with generated inputs: all of them are read as they were, or refused. */
import { describe, expect, it } from "vitest";
import type { DoneEvent, RunConfig, RunEvent } from "../../src/contract";
import { savedCells, type CellStorage } from "../../src/lib/saved-cells";
import { isEncoder } from "../../src/lib/encoder-cache";
import { emptyRun, progressOf, take, type RunView } from "../../src/lib/run-view";
import { readSettings } from "../../src/lib/settings-file";
import { readAnswers, SavedResult, type SavedAnswers } from "../../src/lib/store/answers";
import { packed, unpacked } from "../../src/lib/store/portable";
import { figuresOf, newRecord, readRecord, readView } from "../../src/lib/store/record";
import type { Opened } from "../../src/lib/store/runs";

(globalThis as { VERSION?: string }).VERSION = "0.0.0";

/** Around the pieces that become base64 at a stretch. */
const SIZES = [0, 1, 2, 3, 4, 5, 300, 24_575, 24_576, 24_577];

/** Draws of a seed: a failure comes again. (Mulberry32.) */
class Draw {
  constructor(private state: number) {}
  number(below: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let z = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    z = (z + Math.imul(z ^ (z >>> 7), 61 | z)) ^ z;
    return (((z ^ (z >>> 14)) >>> 0) / 2 ** 32) * below;
  }
  whole = (below: number): number => Math.floor(this.number(below));
  of = <T>(list: readonly T[]): T => list[this.whole(list.length)] as T;
  list = <T>(most: number, one: (index: number) => T): T[] => Array.from({ length: this.whole(most + 1) }, (_, index) => one(index));
}

const TEXTS = ["", "a", "topic", '"quoted"', "</script><script>", "Grüße", "日本語", "\u{1f600}", "\ud83d", "\0", "__proto__", "x".repeat(150), "\u202e", "null"];
const POOL: unknown[] = [null, true, "", "text", "\ud83d", 0, -1, 0.5, 1e308, Number.MAX_SAFE_INTEGER, [], {}, [[]], [null], { length: 3 }, "<img onerror=x>", [0.1, "0.1"]];

function view(draw: Draw): { view: RunView; classes: string[] } {
  const classes = [...new Set(draw.list(5, () => draw.of(TEXTS)).concat("other"))];
  const shown = emptyRun(draw.of(["prompt", "late", "auto", "probe"]) as RunConfig["prompt"]["method"]);
  const events: RunEvent[] = [
    {
      event: "started",
      train_rows: draw.whole(1e5),
      held_out_rows: draw.whole(1e4),
      classes,
      steps: 1 + draw.whole(9),
      device: draw.of(TEXTS),
      device_reason: draw.of(TEXTS),
      majority_accuracy: draw.number(1),
      prompt_parameters: draw.whole(1e6),
      head_parameters: draw.whole(1e4),
      truncated_texts: draw.whole(3),
    },
  ];
  for (let step = 1; step <= draw.whole(9); step++) {
    events.push({ event: "step", step, steps: 9, loss: draw.number(2), learning_rate: draw.number(1), tokens_per_second: draw.number(1e6), seconds: step, seconds_left: draw.number(1e9), memory_bytes: draw.whole(1e9) });
    if (draw.whole(2)) events.push({ event: "eval", step, loss: draw.number(2), accuracy: draw.number(1), macro_f1: draw.number(1), best: draw.whole(2) === 1 });
  }
  const done: DoneEvent & { event: "done" } = {
    event: "done",
    accuracy: draw.number(1),
    macro_f1: draw.number(1),
    probe_accuracy: draw.number(1),
    majority_accuracy: draw.number(1),
    steps: draw.whole(9),
    seconds: draw.number(1e4),
    device: draw.of(TEXTS),
    stopped_early: draw.whole(2) === 1,
    stopped_by_user: draw.whole(2) === 1,
    per_class: classes.map((label) => ({ label, precision: draw.number(1), recall: draw.number(1), f1: draw.number(1), support: draw.whole(9) })),
    confusion: classes.map(() => classes.map(() => draw.whole(9))),
  };
  if (draw.whole(3)) events.push(done);
  for (const event of events) take(shown, event);
  return { view: shown, classes };
}

function answers(draw: Draw, labels: string[]): SavedAnswers {
  const count = draw.whole(9);
  const list = <T>(one: () => T) => Array.from({ length: count }, one);
  const share = () => draw.number(1);
  return {
    summary: {
      rows: count,
      mistakes: draw.whole(count + 1),
      accuracy: { low: share(), high: share() },
      macro_f1: { low: share(), high: share() },
      calibration: { error: share(), excess: share(), bins: draw.list(3, () => ({ low: share(), high: share(), count: draw.whole(9), confidence: share(), accuracy: share() })) },
    },
    labels,
    rows: list(() => 1 + draw.whole(1e6)),
    truth: list(() => draw.whole(labels.length)),
    predicted: list(() => draw.whole(labels.length)),
    probability: list(share),
    truthProbability: list(share),
    nearest: { rows: draw.list(3, (row) => ({ member: 1, row, tokens: draw.list(3, () => ({ token: draw.of(TEXTS), cosine: share() })) })) },
  } as SavedAnswers;
}

function run(draw: Draw, sizes = [0, 3]): Opened {
  const { view: shown, classes } = view(draw);
  const config = { data: { text_column: draw.of(TEXTS) }, prompt: { method: "prompt" }, head: {}, optim: { lr: draw.number(1) }, eval: {}, device: "auto" } as unknown as RunConfig;
  const bytes = () => Uint8Array.from({ length: draw.of(sizes) }, () => draw.whole(256));
  const record = { ...newRecord(draw.of(TEXTS), config, draw.of(TEXTS), draw.of([undefined, ...TEXTS]), draw.of(TEXTS), draw.of([undefined, "id"])), state: draw.of(["running", "paused", "done", "stopped", "failed"] as const), figures: figuresOf(shown) };
  return {
    record,
    view: shown,
    adapter: draw.whole(3) ? bytes() : undefined,
    answers: shown.done && draw.whole(2) ? answers(draw, classes) : undefined,
    table: draw.whole(2) ? new Blob([bytes()]) : undefined,
    heldOut: draw.whole(2) ? new Blob([bytes()]) : undefined,
  };
}

const file = (content: BlobPart) => new File([content], "run.json");
const plain = (value: unknown): unknown => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)));
const bytesOf = async (blob: Blob | undefined) => blob && new Uint8Array(await blob.arrayBuffer());

/** What the page does with whatever it has read: nothing of it may throw. */
async function used({ record, view: shown, answers: known }: Opened): Promise<void> {
  figuresOf(shown as RunView);
  progressOf(shown as RunView);
  expect(readRecord(plain(record))).toBeDefined();
  expect(readView(plain(shown))).toBeDefined();
  if (!known) return;
  const asked = new SavedResult(known, (rows) => Promise.resolve(rows.map(() => "text")));
  for (const part of [await asked.mistakes(0, 9), await asked.cell(0, 0, 0, 9)])
    for (const row of part.rows) expect(typeof row.truth === "string" && typeof row.predicted === "string").toBe(true);
}

/** A node of the tree becomes something else, goes, or comes twice. */
function changed(draw: Draw, value: unknown): unknown {
  const isTree = typeof value === "object" && value !== null;
  const keys = isTree ? Object.keys(value) : [];
  if (!keys.length || draw.whole(6) === 0) return draw.of(POOL);
  const key = draw.of(keys);
  const copy = (Array.isArray(value) ? [...(value as unknown[])] : { ...(value as object) }) as Record<string, unknown>;
  const kind = draw.whole(8);
  if (kind === 0 && Array.isArray(copy)) copy.splice(Number(key), 1);
  else if (kind === 0) delete copy[key];
  else if (kind === 1 && Array.isArray(copy)) copy.push(copy[key as never]);
  else copy[key] = changed(draw, copy[key]);
  return copy;
}

describe("a run as a file", () => {
  it("comes back as it was, whatever is in it", async () => {
    for (let seed = 0; seed < 25; seed++) {
      const draw = new Draw(seed);
      const before = run(draw, SIZES);
      const after = await unpacked(file(await packed(before, true)));
      expect(after.view, `seed ${seed}`).toEqual(plain(before.view));
      expect(after.answers, `seed ${seed}`).toEqual(plain(before.answers));
      expect([after.adapter, await bytesOf(after.table), await bytesOf(after.heldOut)], `seed ${seed}`).toEqual([before.adapter, await bytesOf(before.table), await bytesOf(before.heldOut)]);
      const { id, state, data, heldOut, ...record } = after.record;
      expect(plain(before.record), `seed ${seed}`).toMatchObject(plain(record) as object);
      expect(["done", "stopped", "failed"]).toContain(state);
      expect([data, heldOut, id === before.record.id]).toEqual([undefined, undefined, false]);
      const again = await unpacked(file(await packed(after, true)));
      expect({ ...again.record, id: 0 }, `seed ${seed}`).toEqual({ ...after.record, id: 0 });
      await used(after);
    }
  });

  it("is refused by name or can be used, whatever was changed in it", async () => {
    const counts = { refused: 0, read: 0 };
    for (let seed = 0; seed < 1000; seed++) {
      const draw = new Draw(1000 + seed);
      const text = await (await packed(run(draw), true)).text();
      const cut = draw.whole(text.length);
      const content = [
        () => JSON.stringify(changed(draw, JSON.parse(text))),
        () => JSON.stringify(changed(draw, changed(draw, JSON.parse(text)))),
        () => text.slice(0, cut),
        () => text.slice(0, cut) + draw.of(['"', "}", "0", "\\", "\u2028", ","]) + text.slice(cut + 1),
      ][draw.whole(4)]!();
      let after: Opened;
      try {
        after = await unpacked(file(content));
      } catch (thrown) {
        expect(thrown, `seed ${seed}: ${content.slice(0, 200)}`).toMatchObject({ code: "data", message: expect.stringContaining("run.json") as string });
        counts.refused++;
        continue;
      }
      counts.read++;
      await used(after).catch((thrown: unknown) => expect.fail(`seed ${seed}: ${String(thrown)} ${content.slice(0, 400)}`));
    }
    // Both ways are met often.
    expect(Math.min(counts.refused, counts.read)).toBeGreaterThan(50);
  });
});

describe("what another version of the page may have stored", () => {
  it("is read or left alone, whatever it is", async () => {
    for (let seed = 0; seed < 1000; seed++) {
      const draw = new Draw(5000 + seed);
      const { record: stored, view: seen, answers: said } = run(draw);
      const whole = plain({ record: stored, view: seen, answers: said }) as Record<string, unknown>;
      const given = changed(draw, whole) as Record<string, unknown> | undefined;
      const [record, shown, known] = [given?.record, given?.view, given?.answers];
      readRecord(record);
      readView(shown);
      readAnswers(known, draw.whole(4));
      isEncoder(given);
      const shelf: CellStorage = { getItem: () => JSON.stringify(draw.of([{ id: "a", cells: given }, given, [given]])), setItem: () => undefined, removeItem: () => undefined };
      expect(Array.isArray(savedCells(shelf, "a"))).toBe(true);
      const settings = await readSettings(new File([JSON.stringify(given ?? null)], "settings.json")).catch((thrown: unknown) => thrown);
      if (settings instanceof Error) expect.fail(`seed ${seed}: ${settings.message}`);
    }
  });
});
