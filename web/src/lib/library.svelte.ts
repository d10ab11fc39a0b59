/** The runs that are kept in this browser, as the page sees them. */
import type { DeviceChoice } from "../contract";
import type { Client } from "./client";
import { heldRuns, holdRun } from "./locks";
import { asProblem, comesAgain, endsWorker, problem, type Problem } from "./problem";
import { emptyRun, type RunView } from "./run-view";
import type { Session } from "./session.svelte";
import { storeProblem } from "./store/failure";
import type { Kept } from "./store/keeper";
import { freeName, type RunFile } from "./store/portable";
import { isUnfinished, type RunRecord, type RunState } from "./store/record";
import type { KeptAnswers } from "./store/answers";
import { interrupted, RunStore, type Opened } from "./store/runs";

/** Times that a run goes on by itself without having come further. */
const MOST_RESCUES = 3;
/** Milliseconds before it does: a GPU that was lost needs a moment. */
const BREATH = 1500;

/** Milliseconds that the page waits for the list at its start. */
const PATIENCE = 400;

/** A run that went on by itself after something was lost. */
export interface Rescue {
  /** What was lost. */
  why: Problem;
  /** Step from which it went on. */
  step: number;
  times: number;
}

export interface Usage {
  /** Bytes, of everything that the page keeps: runs, data and encoders. */
  used: number;
  /** Bytes that the browser allows. */
  quota: number;
  /** Whether the browser promised not to clear it by itself. */
  persisted: boolean;
}

export class Library {
  /** It is known what is kept. */
  looked = $state(false);
  runs = $state.raw<RunRecord[]>([]);
  /** Runs that nobody trains any more and that can go on. */
  unfinished = $state.raw<RunRecord[]>([]);
  /** Runs that are being trained, here or in another tab. */
  held = $state.raw<ReadonlySet<string>>(new Set());
  /** Records of another version of the page. */
  unreadable = $state(0);
  usage = $state.raw<Usage>();
  /** Whether the run under way is kept, and up to where. */
  kept = $state.raw<Kept>();
  /** The latest rescue of the run under way. */
  rescued = $state.raw<Rescue>();
  /** The device that it was told to go on with. */
  device = $state.raw<DeviceChoice>();
  /** Ids of runs that are compared. */
  compared = $state.raw<string[]>([]);
  /** What is known of them, in the same order. */
  views = $state.raw<{ record: RunRecord; view: RunView }[]>([]);
  busy = $state(false);
  /** Lets go of the page itself, which the service worker keeps. */
  forgetPage: () => Promise<void> = async () => undefined;

  #store: Promise<RunStore> | undefined;
  /** Rescues since the run came further. */
  #rescues = 0;

  constructor(
    private readonly session: Session,
    private readonly client: Client,
  ) {}

  /** Reads what is kept. Where nothing can be kept there is nothing, and the run under way says why. */
  async look(): Promise<void> {
    const late = setTimeout(() => (this.looked = true), PATIENCE);
    try {
      const store = await this.#open();
      const [{ runs, unreadable }, held] = await Promise.all([store.list(), heldRuns()]);
      this.runs = runs;
      this.held = held;
      this.unreadable = unreadable;
      this.unfinished = interrupted(runs, held);
      this.compared = this.compared.filter((id) => runs.some((run) => run.id === id));
    } catch (thrown) {
      if (this.session.stage === "library") this.session.report("library", storeProblem(thrown));
    }
    clearTimeout(late);
    this.looked = true;
  }

  async show(): Promise<void> {
    this.session.clear("library");
    this.compared = [];
    this.views = [];
    this.session.stage = "library";
    await Promise.all([this.look(), this.measure()]);
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

  /** Asks the browser not to clear by itself what is kept here. */
  async persist(): Promise<void> {
    try {
      if (!(await navigator.storage.persisted())) await navigator.storage.persist();
    } catch {
      // It stays the browser's to clear.
    }
  }

  /** A name for a run on this file that no other one has. */
  freeName(file: string): string {
    return freeName(this.runs, file);
  }

  /** Everything that is kept of a run, or nothing with the problem reported. */
  async load(id: string): Promise<Opened | undefined> {
    return this.#try(async (store) => {
      const opened = await store.open(id);
      if (!opened) throw problem("storage", "This run is not kept any more.", "It may have been deleted in another tab.");
      return opened;
    });
  }

  async adapter(id: string | undefined): Promise<Uint8Array | undefined> {
    if (id === undefined) return undefined;
    const store = await this.#open().catch(() => undefined);
    return (await store?.open(id))?.adapter;
  }

  /** What is known of a result beyond its figures, with its data; nothing where it is not kept. */
  async answers(id: string | undefined): Promise<(Opened & { answers: KeptAnswers }) | undefined> {
    if (id === undefined) return undefined;
    const store = await this.#open().catch(() => undefined);
    const opened = await store?.open(id);
    return opened?.answers && { ...opened, answers: opened.answers };
  }

  /** A run is about to be trained. */
  begin(device: DeviceChoice | undefined): void {
    this.kept = this.rescued = undefined;
    this.device = device;
    this.#rescues = 0;
  }

  /**
   * The worker or its GPU is gone: what the run goes on from, which is the beginning where nothing was kept.
   *
   * @throws the problem, where it would only come again
   */
  async rescue(record: RunRecord, thrown: unknown): Promise<{ view: RunView; kept: boolean }> {
    const why = asProblem(thrown);
    const store = await this.#open().catch(() => undefined);
    const opened = await store?.open(record.id).catch(() => undefined);
    const kept = opened?.table !== undefined;
    const view = (kept && opened?.checkpoint && opened.view) || emptyRun(record.config.prompt.method);
    const step = view.step?.step ?? 0;
    if (this.rescued && step > this.rescued.step) this.#rescues = 0;
    if (!endsWorker(why) || comesAgain(why) || this.#rescues >= MOST_RESCUES) throw why;
    this.#rescues += 1;
    this.rescued = { why, step, times: (this.rescued?.times ?? 0) + 1 };
    this.session.announcement = `${why.code === "device" ? "The GPU was lost." : why.message} The training goes on by itself.`;
    await new Promise((resolve) => setTimeout(resolve, BREATH));
    return { view, kept };
  }

  /** Why a run did not go on. One that another worker could still train stays open. */
  async note(id: string, why: Problem): Promise<void> {
    const store = await this.#open().catch(() => undefined);
    await store?.change(id, endsWorker(why) ? { state: "paused", problem: why } : { problem: why }).catch(() => undefined);
  }

  async setState(id: string | undefined, state: RunState): Promise<void> {
    const store = id === undefined ? undefined : await this.#open().catch(() => undefined);
    await store?.change(id as string, { state }).catch(() => undefined);
  }

  /** A run that was cancelled; if it was never kept there is nothing to do. */
  async discard(id: string): Promise<void> {
    const store = await this.#open().catch(() => undefined);
    await store?.remove([id]).catch(() => undefined);
    await this.look();
  }

  async rename(id: string, name: string): Promise<void> {
    const trimmed = name.trim().slice(0, 200);
    if (trimmed) await this.#try((store) => store.change(id, { name: trimmed }));
    await this.look();
  }

  async remove(ids: string[]): Promise<void> {
    const names = this.runs.filter(({ id }) => ids.includes(id)).map(({ name }) => name);
    await this.#try(async (store) => {
      for (const id of ids) {
        const letGo = await holdRun(id);
        if (!letGo) throw problem("busy", "Another tab is training this run.", "Cancel it there first.");
        letGo();
      }
      await store.remove(ids);
      this.session.announcement = `${names.join(", ")}: deleted.`;
    });
    await Promise.all([this.look(), this.measure()]);
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

  /** Takes in a file that `pack` wrote; what is in the list stays whatever the file holds. */
  async unpack(file: File): Promise<void> {
    await this.#try(async () => {
      const name = await this.client.call((api) => api.importRun(file));
      this.session.announcement = `${name} is in the list now.`;
    });
    await Promise.all([this.look(), this.measure()]);
  }

  /** Runs, encoders, settings, the page itself: nothing stays in this browser. */
  async erase(): Promise<void> {
    await this.#try(async (store) => {
      if ((await heldRuns()).size > 0) throw problem("busy", "Another tab is training a run.", "Close that tab first.");
      await store.erase();
      await this.forgetPage();
      for (const name of await caches.keys()) if (name.startsWith("softprompt")) await caches.delete(name);
      for (const key of Object.keys(localStorage)) if (key.startsWith("softprompt")) localStorage.removeItem(key);
      await this.session.forgetAll();
      this.session.stage = "library";
      this.session.announcement = "Everything is erased.";
    });
    await Promise.all([this.look(), this.measure()]);
  }

  /** The page may be about to go: the run is kept as it is now. */
  async hurry(): Promise<void> {
    if (this.session.stage === "training" && !this.session.failed)
      await this.client.call((api) => api.keepNow()).catch(() => undefined);
  }

  /** Whether a run can go on from where it is kept. */
  canGoOn(record: RunRecord): boolean {
    return isUnfinished(record) && record.data !== undefined && !this.held.has(record.id);
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
