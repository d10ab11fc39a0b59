/** The saved runs of this browser. */
import type { RunView } from "../run-view";
import { readAnswers, type SavedAnswers } from "./answers";
import { type Database, openDatabase, type Schema, STORES } from "./database";
import { figuresOf, isUnfinished, readRecord, readView, type RunRecord, type RunState } from "./record";

export interface Listed {
  /** The latest first. */
  runs: RunRecord[];
  /** Records that this version of the page cannot read; they stay as they are. */
  unreadable: number;
}

/** A saved run with all its parts. */
export interface Opened {
  record: RunRecord;
  view?: RunView;
  checkpoint?: Uint8Array;
  adapter?: Uint8Array;
  answers?: SavedAnswers;
  table?: Blob;
  heldOut?: Blob;
}

/** Data files, and their SHA-256. */
export interface SavedData {
  sha256: string;
  blob: Blob;
}

/** Writes must survive a power failure, not only the page. */
const STRICT = { durability: "strict" } as const;

export class RunStore {
  private constructor(private readonly database: Database) {}

  /** @throws what the browser throws; see `storeProblem` */
  static async open(name?: string): Promise<RunStore> {
    return new RunStore(await openDatabase(name));
  }

  close(): void {
    this.database.close();
  }

  async list(): Promise<Listed> {
    const values: unknown[] = await this.database.getAll("runs");
    const runs = values.flatMap((value) => readRecord(value) ?? []);
    runs.sort((a, b) => b.created - a.created);
    return { runs, unreadable: values.length - runs.length };
  }

  /** Adds a new or imported run, with its data. */
  async add(
    record: RunRecord,
    data: SavedData | undefined,
    heldOut: SavedData | undefined,
    view?: RunView,
    adapter?: Uint8Array,
    answers?: SavedAnswers,
  ): Promise<void> {
    const whole = { ...record, data: data?.sha256, heldOut: heldOut?.sha256, adapterBytes: adapter?.length };
    await this.#write(async (stores) => {
      await stores.put("runs", whole, record.id);
      if (view) await stores.put("views", view, record.id);
      if (adapter) await stores.put("adapters", adapter, record.id);
      if (answers) await stores.put("answers", answers, record.id);
      for (const { sha256, blob } of [data, heldOut].filter((one) => one !== undefined))
        if ((await stores.count("data", sha256)) === 0) await stores.put("data", blob, sha256);
    });
  }

  async open(id: string): Promise<Opened | undefined> {
    const transaction = this.database.transaction(STORES);
    const read = <S extends (typeof STORES)[number]>(store: S, key: string) => transaction.objectStore(store).get(key);
    const record = readRecord(await read("runs", id));
    if (!record) return undefined;
    const [view, checkpoint, adapter, answers, table, heldOut] = await Promise.all([
      read("views", id),
      read("checkpoints", id),
      read("adapters", id),
      read("answers", id),
      record.data === undefined ? undefined : read("data", record.data),
      record.heldOut === undefined ? undefined : read("data", record.heldOut),
    ]);
    const shown = readView(view);
    const known = readAnswers(answers, shown?.done?.per_class.length ?? 0);
    return { record, view: shown, checkpoint, adapter, answers: known, table, heldOut };
  }

  /**
   * A checkpoint and the view that belongs to it, in one transaction: at any moment there are both, or the two before them. A run that
   * was deleted meanwhile stays so.
   */
  async saveCheckpoint(id: string, device: "gpu" | "cpu" | undefined, view: RunView, checkpoint: Uint8Array): Promise<void> {
    // Now: it grows while the transaction waits.
    const then = structuredClone(view);
    await this.#write(async (stores) => {
      if (!(await stores.change(id, { device, figures: figuresOf(then), changed: Date.now(), problem: undefined }))) return;
      await stores.put("views", then, id);
      await stores.put("checkpoints", checkpoint, id);
    });
  }

  /** Finishes a run: stores the adapter and the predictions, deletes the checkpoint. */
  async finish(
    id: string,
    state: RunState,
    view: RunView,
    adapter: Uint8Array | undefined,
    problem?: RunRecord["problem"],
    answers?: SavedAnswers,
  ): Promise<void> {
    await this.#write(async (stores) => {
      const figures = figuresOf(view);
      if (!(await stores.change(id, { state, figures, changed: Date.now(), problem, adapterBytes: adapter?.length }))) return;
      await stores.put("views", view, id);
      await stores.remove("checkpoints", id);
      if (adapter) await stores.put("adapters", adapter, id);
      if (answers) await stores.put("answers", answers, id);
    });
  }

  /** Changes its name, its state, or its problem. */
  async change(id: string, what: Partial<Pick<RunRecord, "name" | "state" | "problem">>): Promise<void> {
    await this.#write(async (stores) => void (await stores.change(id, what)));
  }

  /** Removes runs, and data that no other run has. */
  async remove(ids: string[]): Promise<void> {
    await this.#write(async (stores) => {
      for (const id of ids)
        for (const store of ["runs", "views", "checkpoints", "adapters", "answers"] as const) await stores.remove(store, id);
      await stores.sweep();
    });
  }

  async erase(): Promise<void> {
    await this.#write(async (stores) => stores.clear());
  }

  /** Does `job` in one transaction: all of it, or nothing. */
  async #write(job: (stores: Writer) => Promise<void>): Promise<void> {
    const transaction = this.database.transaction(STORES, "readwrite", STRICT);
    // What aborts it says more than what that makes of the requests.
    transaction.done.catch(() => undefined);
    const writer: Writer = {
      put: (store, value, key) => transaction.objectStore(store).put(value, key),
      count: (store, key) => transaction.objectStore(store).count(key),
      remove: (store, key) => transaction.objectStore(store).delete(key),
      async change(id, what) {
        const record = readRecord(await transaction.objectStore("runs").get(id));
        if (record) await transaction.objectStore("runs").put({ ...record, ...what }, id);
        return record !== undefined;
      },
      async sweep() {
        const records: Partial<RunRecord>[] = await transaction.objectStore("runs").getAll();
        const used = new Set(records.flatMap(({ data, heldOut }) => [data, heldOut]));
        for (const key of await transaction.objectStore("data").getAllKeys())
          if (!used.has(key)) await transaction.objectStore("data").delete(key);
      },
      async clear() {
        for (const store of STORES) await transaction.objectStore(store).clear();
      },
    };
    try {
      await job(writer);
    } catch (thrown) {
      try {
        transaction.abort();
      } catch {
        // It is over by itself.
      }
      throw transaction.error ?? thrown;
    }
    await transaction.done;
  }
}

interface Writer {
  put<S extends (typeof STORES)[number]>(store: S, value: SchemaValue<S>, key: string): Promise<unknown>;
  count(store: "data", key: string): Promise<number>;
  remove(store: (typeof STORES)[number], key: string): Promise<void>;
  /** Says whether the run is there. */
  change(id: string, what: Partial<RunRecord>): Promise<boolean>;
  sweep(): Promise<void>;
  clear(): Promise<void>;
}

type SchemaValue<S extends (typeof STORES)[number]> = Schema[S]["value"];

/** Data are identified by their content. */
export async function identified(blob: Blob): Promise<SavedData> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
  return { sha256: Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join(""), blob };
}

/** Runs that no tab is training and that can be resumed, the latest first. */
export function interrupted(runs: RunRecord[], locked: ReadonlySet<string>): RunRecord[] {
  return runs.filter((run) => isUnfinished(run) && run.data !== undefined && !locked.has(run.id));
}
