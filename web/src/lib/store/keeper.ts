/**
 * Keeps a run while it is trained; lives in the worker, beside the run. It builds the same view as the page from the same events, so
 * that what is written is a checkpoint and exactly what had been told by then.
 */
import type { Run, RunEvent } from "../../contract";
import type { Problem } from "../problem";
import { emptyRun, take, type RunView } from "../run-view";
import type { KeptAnswers } from "./answers";
import { storeProblem } from "./failure";
import type { RunRecord } from "./record";
import { identified, type Opened, type RunStore } from "./runs";

/** What the page is told: up to which step the run is kept, and why not further. */
export type Kept = { state: "kept"; step: number } | { state: "not"; step: number; problem: Problem };

/** Milliseconds after which a checkpoint is due, if no evaluation comes before. */
const EVERY = 30_000;
/** Checkpoints take at most this share of the time: many evaluations of few steps are not kept each. */
const SHARE = 0.02;

export class Keeper {
  /** Step of the latest checkpoint. */
  #kept = 0;
  #due = false;
  #last = performance.now();
  #notBefore = 0;
  #writing: Promise<void> | undefined;
  /** Milliseconds that training waited for checkpoints, and their number. */
  readonly spent = { milliseconds: 0, checkpoints: 0 };

  private constructor(
    private readonly store: RunStore | undefined,
    private readonly id: string,
    /** Name of the data. */
    readonly file: string,
    readonly view: RunView,
    private readonly tell: (kept: Kept) => unknown,
  ) {}

  /** Of a run that begins; its data are kept from now on. */
  static async begin(
    open: () => Promise<RunStore>,
    record: RunRecord,
    table: Blob,
    heldOut: Blob | undefined,
    tell: (kept: Kept) => unknown,
  ): Promise<Keeper> {
    const view = emptyRun(record.config.prompt.method);
    try {
      const store = await open();
      const [rows, others] = [await identified(table), heldOut && (await identified(heldOut))];
      await store.add(record, rows, others, view);
      tell({ state: "kept", step: 0 });
      return new Keeper(store, record.id, record.file, view, tell);
    } catch (thrown) {
      tell({ state: "not", step: 0, problem: storeProblem(thrown) });
      return new Keeper(undefined, record.id, record.file, view, tell);
    }
  }

  /** Of a run that goes on. */
  static goOn(store: RunStore, { record, view, checkpoint }: Opened, tell: (kept: Kept) => unknown): Keeper {
    const known = checkpoint ? view : undefined;
    const keeper = new Keeper(store, record.id, record.file, known ?? emptyRun(record.config.prompt.method), tell);
    tell({ state: "kept", step: (keeper.#kept = known?.step?.step ?? 0) });
    return keeper;
  }

  /** A checkpoint is due now, because the page may be about to go. While the run has more to tell it comes after that. */
  async now(run: Run): Promise<void> {
    this.#due = true;
    this.#notBefore = 0;
    await this.#keep(run);
  }

  /** To be called with each event before the next one is pulled; the run is not asked for anything else meanwhile. */
  async after(event: RunEvent, run: Run): Promise<void> {
    take(this.view, event);
    this.#due ||= event.event === "eval" || performance.now() - this.#last >= EVERY;
    await this.#keep(run);
  }

  async #keep(run: Run): Promise<void> {
    const now = performance.now();
    if (!this.store || !this.#due || this.#writing || now < this.#notBefore) return;
    const checkpoint = await run.checkpoint();
    if (!checkpoint) return;
    const device = run.device();
    // Not waited for.
    const written = this.store.keep(this.id, device === "auto" ? undefined : device, this.view, checkpoint);
    const step = this.view.step?.step ?? 0;
    this.#due = false;
    this.#last = performance.now();
    const took = this.#last - now;
    this.#notBefore = this.#last + took / SHARE;
    this.spent.milliseconds += took;
    this.spent.checkpoints += 1;
    this.#writing = written
      .then(
        () => void this.tell({ state: "kept", step: (this.#kept = step) }),
        (thrown: unknown) => void this.tell({ state: "not", step: this.#kept, problem: storeProblem(thrown) }),
      )
      .finally(() => (this.#writing = undefined));
  }

  /** The run is over, with this adapter and what is known of the result; or it failed with nothing better. */
  async finish(stopped: boolean, adapter: Uint8Array | undefined, problem?: Problem, answers?: KeptAnswers): Promise<void> {
    if (!this.store) return;
    await this.#writing;
    try {
      const state = problem ? "failed" : stopped ? "stopped" : "done";
      await this.store.finish(this.id, state, this.view, adapter, problem, answers);
      this.tell({ state: "kept", step: this.view.step?.step ?? 0 });
    } catch (thrown) {
      this.tell({ state: "not", step: this.#kept, problem: storeProblem(thrown) });
    }
  }
}
