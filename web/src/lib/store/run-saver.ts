/**
 * Saves a run while it is trained; part of the worker. It builds the same view as the page from the same events, and writes
 * each checkpoint with the view of exactly that step.
 */
import type { Run, RunEvent } from "../../contract";
import type { Problem } from "../problem";
import { emptyRun, take, type RunView } from "../run-view";
import type { SavedAnswers } from "./answers";
import { storeProblem } from "./failure";
import type { RunRecord } from "./record";
import { identified, type Opened, type RunStore } from "./runs";

/** Up to which step the run is saved, and why not further. */
export type SaveState = { state: "saved"; step: number } | { state: "unsaved"; step: number; problem: Problem };

/** Milliseconds after which a checkpoint is due, if no evaluation comes before. */
const EVERY = 30_000;
/** Checkpoints take at most this share of the time: frequent evaluations do not each write one. */
const SHARE = 0.02;

export class RunSaver {
  /** Step of the latest checkpoint. */
  #savedStep = 0;
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
    private readonly onState: (state: SaveState) => unknown,
  ) {}

  /** For a new run; its data are saved at once. */
  static async begin(
    open: () => Promise<RunStore>,
    record: RunRecord,
    table: Blob,
    heldOut: Blob | undefined,
    onState: (state: SaveState) => unknown,
  ): Promise<RunSaver> {
    const view = emptyRun(record.config.prompt.method);
    try {
      const store = await open();
      const [rows, others] = [await identified(table), heldOut && (await identified(heldOut))];
      await store.add(record, rows, others, view);
      onState({ state: "saved", step: 0 });
      return new RunSaver(store, record.id, record.file, view, onState);
    } catch (thrown) {
      onState({ state: "unsaved", step: 0, problem: storeProblem(thrown) });
      return new RunSaver(undefined, record.id, record.file, view, onState);
    }
  }

  /** For a run that is resumed. */
  static resume(store: RunStore, { record, view, checkpoint }: Opened, onState: (state: SaveState) => unknown): RunSaver {
    const known = checkpoint ? view : undefined;
    const saver = new RunSaver(store, record.id, record.file, known ?? emptyRun(record.config.prompt.method), onState);
    onState({ state: "saved", step: (saver.#savedStep = known?.step?.step ?? 0) });
    return saver;
  }

  /** Saves as soon as possible, because the page may be about to close. While the run has pending events it waits for them. */
  async now(run: Run): Promise<void> {
    this.#due = true;
    this.#notBefore = 0;
    await this.#save(run);
  }

  /** To be called with each event before the next one is pulled; nothing else may call the run meanwhile. */
  async after(event: RunEvent, run: Run): Promise<void> {
    take(this.view, event);
    this.#due ||= event.event === "eval" || performance.now() - this.#last >= EVERY;
    await this.#save(run);
  }

  async #save(run: Run): Promise<void> {
    const now = performance.now();
    if (!this.store || !this.#due || this.#writing || now < this.#notBefore) return;
    const checkpoint = await run.checkpoint();
    if (!checkpoint) return;
    const device = run.device();
    // Not waited for.
    const written = this.store.saveCheckpoint(this.id, device === "auto" ? undefined : device, this.view, checkpoint);
    const step = this.view.step?.step ?? 0;
    this.#due = false;
    this.#last = performance.now();
    const took = this.#last - now;
    this.#notBefore = this.#last + took / SHARE;
    this.spent.milliseconds += took;
    this.spent.checkpoints += 1;
    this.#writing = written
      .then(
        () => void this.onState({ state: "saved", step: (this.#savedStep = step) }),
        (thrown: unknown) => void this.onState({ state: "unsaved", step: this.#savedStep, problem: storeProblem(thrown) }),
      )
      .finally(() => (this.#writing = undefined));
  }

  /** Saves a finished run with its adapter and its predictions, or a failed one with its problem. */
  async finish(stopped: boolean, adapter: Uint8Array | undefined, problem?: Problem, answers?: SavedAnswers): Promise<void> {
    if (!this.store) return;
    await this.#writing;
    try {
      const state = problem ? "failed" : stopped ? "stopped" : "done";
      await this.store.finish(this.id, state, this.view, adapter, problem, answers);
      this.onState({ state: "saved", step: this.view.step?.step ?? 0 });
    } catch (thrown) {
      this.onState({ state: "unsaved", step: this.#savedStep, problem: storeProblem(thrown) });
    }
  }
}
