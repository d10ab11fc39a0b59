import "fake-indexeddb/auto";
import { deleteDB, openDB } from "idb";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Run, RunConfig, RunEvent } from "../../src/contract";
import { emptyRun, take, type RunView } from "../../src/lib/run-view";
import { NAME } from "../../src/lib/store/database";
import { storeProblem } from "../../src/lib/store/failure";
import { RunSaver, type SaveState } from "../../src/lib/store/run-saver";
import { packed, unpacked } from "../../src/lib/store/portable";
import { figuresOf, newRecord, readRecord, readView, type RunRecord } from "../../src/lib/store/record";
import { identified, interrupted, RunStore } from "../../src/lib/store/runs";
import { known } from "./known";

(globalThis as { VERSION?: string }).VERSION = "0.0.0";

const config = { data: {}, prompt: { method: "prompt" }, head: {}, optim: {}, eval: {}, device: "auto" } as unknown as RunConfig;
const record = (name = "tickets"): RunRecord => newRecord(name, config, `${name}.csv`, undefined, "encoder");
const table = (text: string) => identified(new Blob([text]));

const started: RunEvent = {
  event: "started",
  train_rows: 40,
  held_out_rows: 10,
  classes: ["a", "b"],
  steps: 4,
  device: "CPU",
  device_reason: "chosen by you",
  majority_accuracy: 0.5,
  prompt_parameters: 30,
  head_parameters: 2,
  truncated_texts: 0,
};
const step = (at: number): RunEvent => ({
  event: "step",
  step: at,
  steps: 4,
  loss: 1 / at,
  learning_rate: 0.1,
  tokens_per_second: 10,
  seconds: at,
  seconds_left: 4 - at,
  memory_bytes: 1e6,
});
const evaluation = (at: number): RunEvent => ({ event: "eval", step: at, loss: 0.5, accuracy: 0.8, macro_f1: 0.7, best: true });
const done: RunEvent = {
  event: "done",
  accuracy: 0.8,
  macro_f1: 0.7,
  probe_accuracy: 0.6,
  majority_accuracy: 0.5,
  steps: 4,
  seconds: 4,
  device: "CPU",
  stopped_early: false,
  stopped_by_user: false,
  per_class: [
    { label: "a", precision: 1, recall: 1, f1: 1, support: 5 },
    { label: "b", precision: 1, recall: 1, f1: 1, support: 5 },
  ],
  confusion: [
    [5, 0],
    [0, 5],
  ],
};
const viewOf = (...events: RunEvent[]): RunView => {
  const view = emptyRun();
  for (const event of events) take(view, event);
  return view;
};

const wholeView = () => viewOf(started, step(1), step(2), step(3), step(4), evaluation(4), done);

let store: RunStore;
beforeEach(async () => {
  store = await RunStore.open();
});
afterEach(async () => {
  store.close();
  await deleteDB(NAME);
});

/** What is in a store of the database, whoever put it there. */
async function raw<R>(job: (database: Awaited<ReturnType<typeof openDB>>) => Promise<R>): Promise<R> {
  const database = await openDB(NAME);
  try {
    return await job(database);
  } finally {
    database.close();
  }
}

describe("saved runs", () => {
  it("come back with their data, their view and their checkpoint", async () => {
    const run = record();
    await store.add(run, await table("text,label"), await table("held"), emptyRun());
    await store.saveCheckpoint(run.id, "cpu", viewOf(started, step(1), evaluation(1)), new Uint8Array([1, 2, 3]));
    const opened = (await store.open(run.id))!;
    expect(await opened.table!.text()).toBe("text,label");
    expect(await opened.heldOut!.text()).toBe("held");
    expect(opened.checkpoint).toEqual(new Uint8Array([1, 2, 3]));
    expect(opened.view).toEqual(viewOf(started, step(1), evaluation(1)));
    expect(opened.record).toMatchObject({
      device: "cpu",
      state: "running",
      figures: { step: 1, steps: 4, accuracy: 0.8, classes: 2 },
    });
    expect(await store.open("another")).toBeUndefined();
  });

  it("drop the checkpoint when they are over", async () => {
    const run = record();
    await store.add(run, await table("rows"), undefined);
    await store.saveCheckpoint(run.id, "cpu", viewOf(started, step(1)), new Uint8Array(9));
    await store.finish(
      run.id,
      "done",
      viewOf(started, step(1), step(2), step(3), step(4), evaluation(4), done),
      new Uint8Array(5),
    );
    const opened = (await store.open(run.id))!;
    expect(opened.checkpoint).toBeUndefined();
    expect(opened.adapter).toHaveLength(5);
    expect(opened.record).toMatchObject({ state: "done", adapterBytes: 5, figures: { step: 4, probeAccuracy: 0.6 } });
  });

  it("are understood as when they were new, until they are deleted", async () => {
    const run = record();
    await store.add(run, await table("rows"), undefined);
    await store.finish(run.id, "done", wholeView(), new Uint8Array(5), undefined, known());
    expect((await store.open(run.id))!.answers).toEqual(known());
    const kept = () => raw((database) => database.count("answers"));
    expect(await kept()).toBe(1);
    await store.remove([run.id]);
    expect(await kept()).toBe(0);
  });

  it("of the first version of the database still open, without what was not kept then", async () => {
    store.close();
    await deleteDB(NAME);
    const stores = ["runs", "views", "checkpoints", "adapters", "data"];
    const old = await openDB(NAME, 1, { upgrade: (database) => stores.forEach((name) => void database.createObjectStore(name)) });
    const run = { ...record(), state: "done" as const, adapterBytes: 3 };
    await old.put("runs", run, run.id);
    await old.put("views", wholeView(), run.id);
    await old.put("adapters", new Uint8Array(3), run.id);
    old.close();
    store = await RunStore.open();
    const opened = (await store.open(run.id))!;
    expect(opened).toMatchObject({ record: { name: "tickets" }, view: { done: { accuracy: 0.8 } } });
    expect([opened.adapter?.length, opened.answers]).toEqual([3, undefined]);
  });

  it("share their data, which go with the last of them", async () => {
    const [one, two] = [record("one"), record("two")];
    await store.add(one, await table("rows"), undefined);
    await store.add(two, await table("rows"), await table("held"));
    const data = () => raw((database) => database.getAllKeys("data"));
    expect(await data()).toHaveLength(2);
    await store.remove([two.id]);
    expect(await data()).toEqual([(await table("rows")).sha256]);
    expect(await (await store.open(one.id))!.table!.text()).toBe("rows");
    await store.remove([one.id]);
    expect(await data()).toEqual([]);
    expect(await store.list()).toEqual({ runs: [], unreadable: 0 });
  });

  it("that were deleted are not brought back by what still comes of them", async () => {
    const run = record();
    await store.add(run, await table("rows"), undefined);
    await store.remove([run.id]);
    await store.saveCheckpoint(run.id, "cpu", emptyRun(), new Uint8Array(1));
    await store.finish(run.id, "done", emptyRun(), new Uint8Array(1));
    expect(await store.open(run.id)).toBeUndefined();
    expect(await raw((database) => database.count("checkpoints"))).toBe(0);
    expect(await raw((database) => database.count("adapters"))).toBe(0);
  });

  it("are written as a whole or not at all", async () => {
    const run = record();
    await store.add(run, await table("rows"), undefined);
    await store.saveCheckpoint(run.id, "cpu", viewOf(started, step(1)), new Uint8Array([1]));
    // What cannot be copied fails in the middle of the transaction, after the view was put.
    const broken = (() => undefined) as unknown as Uint8Array;
    await expect(store.saveCheckpoint(run.id, "cpu", viewOf(started, step(1), step(2)), broken)).rejects.toThrow();
    const opened = (await store.open(run.id))!;
    expect(opened.view!.losses).toHaveLength(1);
    expect(opened.record.figures.step).toBe(1);
    expect(opened.checkpoint).toEqual(new Uint8Array([1]));
  });

  it("of another version are left out, and left alone", async () => {
    await store.add(record(), await table("rows"), undefined);
    const strange: [string, unknown][] = [
      ["newer", { ...record("newer"), format: 2 }],
      ["half", { id: "half", format: 1 }],
      ["text", "not a record"],
      ["wrong", { ...record("wrong"), figures: { step: "three" } }],
    ];
    await raw(async (database) => {
      for (const [key, value] of strange) await database.put("runs", value, key);
    });
    const { runs, unreadable } = await store.list();
    expect(runs.map(({ name }) => name)).toEqual(["tickets"]);
    expect(unreadable).toBe(4);
    expect(await store.open("newer")).toBeUndefined();
    await store.remove([runs[0]!.id]);
    expect(await raw((database) => database.count("runs"))).toBe(4);
  });

  it("are not touched where a newer page has changed the database", async () => {
    store.close();
    const newer = await openDB(NAME, 3);
    newer.close();
    const failure = await RunStore.open().catch((thrown: unknown) => thrown);
    expect(storeProblem(failure)).toMatchObject({ code: "storage", message: expect.stringContaining("newer version") });
    store = { close: () => undefined } as RunStore;
  });

  it("are offered where nobody trains them and they can go on", async () => {
    const data = "sha";
    const runs = [
      { ...record("gone"), data },
      { ...record("held"), data },
      { ...record("over"), data, state: "done" as const },
      record("without data"),
    ];
    expect(interrupted(runs, new Set([runs[1]!.id])).map(({ name }) => name)).toEqual(["gone"]);
  });
});

describe("what a browser refuses", () => {
  it("is said with what to do", () => {
    for (const name of ["QuotaExceededError", "SecurityError", "VersionError"]) {
      const { message, hint } = storeProblem(new DOMException("no", name));
      expect(message.length, name).toBeGreaterThan(20);
      expect(hint.length, name).toBeGreaterThan(20);
    }
    expect(storeProblem(new DOMException("no", "QuotaExceededError")).code).toBe("full");
    expect(storeProblem({ code: "data", message: "wrong", hint: "" }).code).toBe("data");
  });
});

describe("the saver", () => {
  /** A run that gives a checkpoint only when it has ready all. */
  const run = (ready: () => boolean) =>
    ({ checkpoint: async () => (ready() ? new Uint8Array([7]) : undefined), device: () => "cpu" }) as unknown as Run;

  const follow = async (events: RunEvent[], ready: (last: RunEvent) => boolean, states: SaveState[] = []) => {
    const saver = await RunSaver.begin(
      async () => store,
      { ...record(), id: "run" },
      new Blob(["rows"]),
      undefined,
      (now) => states.push(now),
    );
    for (const event of events)
      await saver.after(
        event,
        run(() => ready(event)),
      );
    await saver.finish(false, undefined, undefined);
    return saver;
  };

  it("keeps the run with its first evaluation, and exactly what was ready by then", async () => {
    const states: SaveState[] = [];
    const saver = await RunSaver.begin(
      async () => store,
      { ...record(), id: "run" },
      new Blob(["rows"]),
      undefined,
      (now) => states.push(now),
    );
    for (const event of [started, step(1), step(2), evaluation(2), step(3)])
      await saver.after(
        event,
        run(() => true),
      );
    await expect.poll(() => states).toContainEqual({ state: "saved", step: 2 });
    const opened = (await store.open("run"))!;
    expect(opened.view).toEqual(viewOf(started, step(1), step(2), evaluation(2)));
    expect(opened.checkpoint).toEqual(new Uint8Array([7]));
    expect(saver.spent.checkpoints).toBe(1);
  });

  it("waits until the run has ready all", async () => {
    const saver = await follow([started, step(1), evaluation(1), step(2), step(3)], (last) => last === undefined);
    expect(saver.spent.checkpoints).toBe(0);
  });

  it("trains on where nothing can be kept, and says so", async () => {
    const states: SaveState[] = [];
    const refuse = () => Promise.reject(new DOMException("no", "SecurityError"));
    const saver = await RunSaver.begin(refuse, record(), new Blob(["rows"]), undefined, (now) => states.push(now));
    await saver.after(
      started,
      run(() => true),
    );
    await saver.after(
      evaluation(1),
      run(() => true),
    );
    await saver.finish(false, new Uint8Array(1));
    expect(states).toEqual([{ state: "unsaved", step: 0, problem: expect.objectContaining({ code: "storage" }) }]);
    expect(saver.view.evals).toHaveLength(1);
  });

  it("says when the room ends, and what was kept before stays", async () => {
    const states: SaveState[] = [];
    const saver = await RunSaver.begin(
      async () => store,
      { ...record(), id: "run" },
      new Blob(["rows"]),
      undefined,
      (now) => states.push(now),
    );
    await saver.after(
      step(1),
      run(() => true),
    );
    await saver.after(
      evaluation(1),
      run(() => true),
    );
    await expect.poll(() => states.length).toBe(2);
    const saveCheckpoint = store.saveCheckpoint.bind(store);
    store.saveCheckpoint = () => Promise.reject(new DOMException("full", "QuotaExceededError"));
    await saver.now(run(() => true));
    await expect.poll(() => states.at(-1)).toMatchObject({ state: "unsaved", step: 1, problem: { code: "full" } });
    expect((await store.open("run"))!.checkpoint).toEqual(new Uint8Array([7]));
    // And keeps again when there is room.
    store.saveCheckpoint = saveCheckpoint;
    await saver.now(run(() => true));
    await expect.poll(() => states.at(-1)).toMatchObject({ state: "saved" });
  });
});

describe("a run as a file", () => {
  const opened = () => ({
    record: {
      ...record(),
      state: "done" as const,
      data: "sha",
      figures: figuresOf(viewOf(started, step(1), step(2), step(3), step(4), evaluation(4), done)),
    },
    view: viewOf(started, step(1), step(2), step(3), step(4), evaluation(4), done),
    adapter: Uint8Array.from({ length: 70_000 }, (_, index) => index % 251),
    answers: known(),
    table: new Blob(["text,label\nmy secret,a\n"]),
  });
  const file = (content: BlobPart, name = "run.json") => new File([content], name);

  it("comes back as it was, under another id and without the data", async () => {
    const before = opened();
    const blob = await packed(before, false);
    expect(await blob.text()).not.toContain(btoa("text,label").slice(0, 12));
    const after = await unpacked(file(blob));
    expect(after.view).toEqual(JSON.parse(JSON.stringify(before.view)));
    expect(after.adapter).toEqual(before.adapter);
    expect(after.answers).toEqual({ ...known(), report: undefined });
    expect(await blob.text()).not.toContain("a text of the user");
    expect(after.table).toBeUndefined();
    expect(after.record).toMatchObject({ name: "tickets", state: "done", config: before.record.config });
    expect(after.record.id).not.toBe(before.record.id);
    expect(after.record.data).toBeUndefined();
  });

  it("holds the rows where they are asked for", async () => {
    const after = await unpacked(file(await packed(opened(), true)));
    expect(await after.table!.text()).toBe("text,label\nmy secret,a\n");
    expect(after.answers).toEqual(known());
  });

  it("of an earlier version has nothing but its figures, and comes back so", async () => {
    const after = await unpacked(file(await packed({ ...opened(), answers: undefined }, true)));
    expect(after.record.state).toBe("done");
    expect(after.answers).toBeUndefined();
  });

  it("does not go on where it was not over", async () => {
    const running = { ...opened(), answers: undefined, record: { ...record(), state: "running" as const }, view: viewOf(started, step(1)) };
    expect((await unpacked(file(await packed(running, true)))).record.state).toBe("failed");
  });

  it("is refused where it is something else", { timeout: 60_000 }, async () => {
    const whole = JSON.parse(await (await packed(opened(), false)).text()) as Record<string, unknown>;
    const bad: unknown[] = [
      "not json at all",
      "null",
      "[]",
      "{}",
      { kind: "softprompt run" },
      { ...whole, format: 99 },
      { ...whole, record: { ...(whole.record as object), created: "yesterday" } },
      { ...whole, record: { ...(whole.record as object), figures: null } },
      { ...whole, view: undefined },
      { ...whole, view: { ...(whole.view as object), losses: ["<img>"] } },
      { ...whole, view: { ...(whole.view as object), evals: [null] } },
      { ...whole, view: { ...(whole.view as object), done: { accuracy: "high" } } },
      { ...whole, view: { ...(whole.view as object), done: { ...(whole.view as RunView).done, confusion: [[1]] } } },
      { ...whole, answers: { ...(whole.answers as object), truth: [9, 9, 9, 9] } },
      { ...whole, adapter: "%%%" },
      { ...whole, adapter: 7 },
      { ...whole, adapter: "A".repeat(90_000_000) },
    ];
    for (const content of bad) {
      const text = typeof content === "string" ? content : JSON.stringify(content);
      const thrown: unknown = await unpacked(file(text)).catch((thrown: unknown) => thrown);
      expect(thrown, text.slice(0, 100)).toMatchObject({ code: "data", message: expect.stringContaining("run.json") });
    }
  });
});

describe("what is read back", () => {
  it("is a record and a view as this page writes them", () => {
    expect(readRecord(record())).toBeDefined();
    expect(readView(viewOf(started, step(1), evaluation(1), done))).toBeDefined();
    expect(readView(emptyRun())).toBeDefined();
  });
});
