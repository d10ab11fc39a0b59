/** The saved runs of this browser, as the page sees them. */
import type { DeviceChoice } from "../contract";
import type { Client } from "./client";
import { lockedRuns, lockRun } from "./locks";
import { asProblem, comesAgain, endsWorker, problem, type Problem } from "./problem";
import { emptyRun, type RunView } from "./run-view";
import type { PageState } from "./page-state";
import { storeProblem } from "./store/failure";
import type { SaveState } from "./store/run-saver";
import { freeName, type RunFile } from "./store/portable";
import { isUnfinished, type RunRecord, type RunState } from "./store/record";
import type { SavedAnswers } from "./store/answers";
import { interrupted, RunStore, type Opened } from "./store/runs";

/** Automatic resumes in a row without progress. */
const MAX_RECOVERIES = 3;
/** Milliseconds before a run resumes: a lost GPU needs a moment. */
const RECOVERY_DELAY = 1500;

/** Milliseconds that the page waits for the list when it opens. */
const LIST_TIMEOUT = 400;

/** An automatic resume after the worker or its GPU was lost. */
export interface Recovery {
  /** What was lost. */
  why: Problem;
  /** Step from which it resumed. */
  step: number;
  times: number;
}

export interface Usage {
  /** Bytes of everything that the page stores: runs, data and encoders. */
  used: number;
  /** Bytes that the browser allows. */
  quota: number;
  /** Whether the browser promised not to delete it by itself. */
  persisted: boolean;
}

/** What the library uses of the page. */
interface Host extends PageState {
  forgetAll(): Promise<void>;
}

export class Library {
  /** The list has been read. */
  loaded = $state(false);
  runs = $state.raw<RunRecord[]>([]);
  /** Interrupted runs that can be resumed. */
  unfinished = $state.raw<RunRecord[]>([]);
  /** Runs that are being trained, here or in another tab. */
  locked = $state.raw<ReadonlySet<string>>(new Set());
  /** Records of another version of the page. */
  unreadable = $state(0);
  usage = $state.raw<Usage>();
  /** Whether the current run is saved, and up to which step. */
  saveState = $state.raw<SaveState>();
  /** The latest automatic resume of the current run. */
  recovered = $state.raw<Recovery>();
  /** The device on which the user resumed it. */
  device = $state.raw<DeviceChoice>();
  /** Ids of runs that are compared. */
  compared = $state.raw<string[]>([]);
  /** Their views, in the same order. */
  views = $state.raw<{ record: RunRecord; view: RunView }[]>([]);
  busy = $state(false);
  /** Deletes the offline copy of the page. */
  forgetPage: () => Promise<void> = async () => undefined;

  #store: Promise<RunStore> | undefined;
  /** Automatic resumes since the run made progress. */
  #recoveries = 0;

  constructor(
    private readonly session: Host,
    private readonly client: Client,
  ) {}

  /** Reads the list. If the browser cannot store anything it is empty, and the current run says why. */
  async refresh(): Promise<void> {
    const late = setTimeout(() => (this.loaded = true), LIST_TIMEOUT);
    try {
      const store = await this.#open();
      const [{ runs, unreadable }, locked] = await Promise.all([store.list(), lockedRuns()]);
      this.runs = runs;
      this.locked = locked;
      this.unreadable = unreadable;
      this.unfinished = interrupted(runs, locked);
      this.compared = this.compared.filter((id) => runs.some((run) => run.id === id));
    } catch (thrown) {
      if (this.session.stage === "library") this.session.report("library", storeProblem(thrown));
    }
    clearTimeout(late);
    this.loaded = true;
  }

  async show(): Promise<void> {
    this.session.clear("library");
    this.compared = [];
    this.views = [];
    this.session.stage = "library";
    await Promise.all([this.refresh(), this.measure()]);
  }

  async measure(): Promise<void> {
    try {
      const [{ usage = 0, quota = 0 }, persisted] = await Promise.all([
        navigator.storage.estimate(),
        navigator.storage.persisted(),
      ]);
      this.usage = { used: usage, quota, persisted };
    } catch {
      this.usage = undefined;
    }
  }

  /** Asks the browser not to delete the storage by itself. */
  async persist(): Promise<void> {
    try {
      if (!(await navigator.storage.persisted())) await navigator.storage.persist();
    } catch {
      // The browser may still delete it.
    }
  }

  /** A name for a run on this file that no other one has. */
  freeName(file: string): string {
    return freeName(this.runs, file);
  }

  /** A saved run with all its parts, or nothing with the problem reported. */
  async load(id: string): Promise<Opened | undefined> {
    return this.#try(async (store) => {
      const opened = await store.open(id);
      if (!opened) throw problem("storage", "This run is no longer saved.", "It may have been deleted in another tab.");
      return opened;
    });
  }

  async adapter(id: string | undefined): Promise<Uint8Array | undefined> {
    if (id === undefined) return undefined;
    const store = await this.#open().catch(() => undefined);
    return (await store?.open(id))?.adapter;
  }

  /** The saved predictions of a result, with its data; nothing if they are not saved. */
  async answers(id: string | undefined): Promise<(Opened & { answers: SavedAnswers }) | undefined> {
    if (id === undefined) return undefined;
    const store = await this.#open().catch(() => undefined);
    const opened = await store?.open(id);
    return opened?.answers && { ...opened, answers: opened.answers };
  }

  /** A run is about to be trained. */
  begin(device: DeviceChoice | undefined): void {
    this.saveState = this.recovered = undefined;
    this.device = device;
    this.#recoveries = 0;
  }

  /**
   * The worker or its GPU is lost: the state that the run resumes from, which is the beginning if nothing was saved.
   *
   * @throws the problem, if it would happen again
   */
  async recover(record: RunRecord, thrown: unknown): Promise<{ view: RunView; saved: boolean }> {
    const why = asProblem(thrown);
    const store = await this.#open().catch(() => undefined);
    const opened = await store?.open(record.id).catch(() => undefined);
    const saved = opened?.table !== undefined;
    const view = (saved && opened?.checkpoint && opened.view) || emptyRun(record.config.prompt.method);
    const step = view.step?.step ?? 0;
    if (this.recovered && step > this.recovered.step) this.#recoveries = 0;
    if (!endsWorker(why) || comesAgain(why) || this.#recoveries >= MAX_RECOVERIES) throw why;
    this.#recoveries += 1;
    this.recovered = { why, step, times: (this.recovered?.times ?? 0) + 1 };
    this.session.announcement = `${why.code === "device" ? "The GPU was lost." : why.message} The run resumes automatically.`;
    await new Promise((resolve) => setTimeout(resolve, RECOVERY_DELAY));
    return { view, saved };
  }

  /** Records why a run failed. One that another worker can resume stays paused. */
  async note(id: string, why: Problem): Promise<void> {
    const store = await this.#open().catch(() => undefined);
    await store?.change(id, endsWorker(why) ? { state: "paused", problem: why } : { problem: why }).catch(() => undefined);
  }

  async setState(id: string | undefined, state: RunState): Promise<void> {
    const store = id === undefined ? undefined : await this.#open().catch(() => undefined);
    await store?.change(id as string, { state }).catch(() => undefined);
  }

  /** Deletes a run that was cancelled; if it was never saved there is nothing to do. */
  async discard(id: string): Promise<void> {
    const store = await this.#open().catch(() => undefined);
    await store?.remove([id]).catch(() => undefined);
    await this.refresh();
  }

  async rename(id: string, name: string): Promise<void> {
    const trimmed = name.trim().slice(0, 200);
    if (trimmed) await this.#try((store) => store.change(id, { name: trimmed }));
    await this.refresh();
  }

  async remove(ids: string[]): Promise<void> {
    const names = this.runs.filter(({ id }) => ids.includes(id)).map(({ name }) => name);
    await this.#try(async (store) => {
      for (const id of ids) {
        const unlock = await lockRun(id);
        if (!unlock) throw problem("busy", "Another tab is training this run.", "Cancel it there first.");
        unlock();
      }
      await store.remove(ids);
      this.session.announcement = `${names.join(", ")}: deleted.`;
    });
    await Promise.all([this.refresh(), this.measure()]);
  }

  toggle(id: string, on: boolean): void {
    this.compared = on ? [...this.compared, id] : this.compared.filter((one) => one !== id);
  }

  /** Reads the curves of the chosen runs. */
  async compare(): Promise<void> {
    const views = await this.#try((store) => Promise.all(this.compared.map((id) => store.open(id))));
    this.views = (views ?? []).flatMap((opened) => (opened?.view ? [{ record: opened.record, view: opened.view }] : []));
  }

  /** A run as a file, or nothing with the problem reported. */
  async pack(id: string, withData: boolean): Promise<RunFile | undefined> {
    return this.#try(() => this.client.call((api) => api.exportRun(id, withData)));
  }

  /** Imports a file that `pack` wrote; other runs are unchanged. */
  async unpack(file: File): Promise<void> {
    await this.#try(async () => {
      const name = await this.client.call((api) => api.importRun(file));
      this.session.announcement = `${name} was imported.`;
    });
    await Promise.all([this.refresh(), this.measure()]);
  }

  /** Runs, encoders, settings, the page itself: nothing stays in this browser. */
  async erase(): Promise<void> {
    await this.#try(async (store) => {
      if ((await lockedRuns()).size > 0) throw problem("busy", "Another tab is training a run.", "Close that tab first.");
      await store.erase();
      await this.forgetPage();
      for (const name of await caches.keys()) if (name.startsWith("softprompt")) await caches.delete(name);
      for (const key of Object.keys(localStorage)) if (key.startsWith("softprompt")) localStorage.removeItem(key);
      await this.session.forgetAll();
      this.session.stage = "library";
      this.session.announcement = "Everything was erased.";
    });
    await Promise.all([this.refresh(), this.measure()]);
  }

  /** The page may be about to close: saves the run as it is now. */
  async saveNow(): Promise<void> {
    if (this.session.stage === "training" && !this.session.failed)
      await this.client.call((api) => api.saveNow()).catch(() => undefined);
  }

  /** Whether a run can be resumed from its checkpoint. */
  canResume(record: RunRecord): boolean {
    return isUnfinished(record) && record.data !== undefined && !this.locked.has(record.id);
  }

  #open(): Promise<RunStore> {
    return (this.#store ??= RunStore.open().catch((thrown: unknown) => {
      this.#store = undefined;
      throw thrown;
    }));
  }

  async #try<R>(job: (store: RunStore) => Promise<R>): Promise<R | undefined> {
    this.session.clear("library");
    this.busy = true;
    try {
      return await job(await this.#open());
    } catch (thrown) {
      this.session.report("library", storeProblem(thrown));
      return undefined;
    } finally {
      this.busy = false;
    }
  }
}
