/** Training, from the button to the result: pausing, stopping, and resuming automatically when the worker or its GPU is lost. */
import * as Comlink from "comlink";
import type { DeviceChoice, RunConfig, RunEvent } from "../contract";
import type { Client } from "./client";
import type { Encoder } from "./encoder.svelte";
import { percent, sentence } from "./format";
import { encoderId, isEncoderOf } from "./identity";
import { lockRun } from "./locks";
import { methodName } from "./methods";
import { asProblem, problem, type Problem } from "./problem";
import { emptyRun, stageText, take, type RunView } from "./run-view";
import type { PageState } from "./page-state";
import type { SaveState } from "./store/run-saver";
import { newRecord, type RunRecord, type RunState } from "./store/record";
import type { Opened } from "./store/runs";

/** Milliseconds between two updates of the view. */
const REFRESH = 100;
/** Milliseconds that a cancelled run has to end before its worker is replaced. */
const CANCEL_TIMEOUT = 5000;

/** A run to be trained: a new one has its data here, a saved one has them in the store. */
type PendingRun = { record: RunRecord; view?: RunView } & ({ saved: false; table: Blob; heldOut?: Blob } | { saved: true });

/** What training uses of the page. */
interface Host extends PageState {
  readonly encoder: Encoder;
  readonly result: { inWorker: boolean; downloaded: boolean };
  readonly analysis: { load(): Promise<void> };
  readonly library: {
    saveState: SaveState | undefined;
    freeName(file: string): string;
    persist(): Promise<void>;
    begin(device: DeviceChoice | undefined): void;
    load(id: string): Promise<Opened | undefined>;
    recover(record: RunRecord, thrown: unknown): Promise<{ view: RunView; saved: boolean }>;
    note(id: string, why: Problem): Promise<void>;
    setState(id: string | undefined, state: RunState): Promise<void>;
    discard(id: string): Promise<void>;
    refresh(): Promise<void>;
  };
  validate(): Promise<boolean>;
  setConfig(config: RunConfig): Promise<void>;
  showData(opened: Opened): Promise<boolean>;
}

export class Training {
  paused = $state(false);
  stopping = $state(false);
  /** The result that the run being prepared will replace, and its record. */
  #before: { run: RunView; record: RunRecord | undefined } | undefined;
  /** Counts the runs: events of an earlier one are ignored. */
  #runs = 0;

  constructor(
    private readonly session: Host,
    private readonly client: Client,
  ) {}

  /** Ignores further events of the current run. */
  drop(): void {
    this.#runs++;
  }

  async train(): Promise<void> {
    const { session } = this;
    const { source } = session;
    if (!source || session.encoder.change?.state === "loading") return;
    if (session.draftsWrong || !(await session.validate())) return session.correct();
    const record = newRecord(
      session.library.freeName(source.name),
      session.config as RunConfig,
      source.name,
      session.heldOut?.name,
      session.encoder.chosen.id,
      encoderId(session.encoder.chosen),
    );
    void session.library.persist();
    await this.#runToEnd({ record, table: source.bytes, heldOut: session.heldOut?.bytes, saved: false });
  }

  /** Resumes an interrupted run from its checkpoint; on another `device` the result may differ. */
  async resumeRun(id: string, device?: DeviceChoice): Promise<void> {
    const opened = await this.session.library.load(id);
    if (!opened || !(await this.session.showData(opened)) || !(await this.#bringEncoder(opened.record))) return;
    // Without a checkpoint it starts from the beginning.
    const view = opened.checkpoint && opened.view;
    await this.#runToEnd({ record: opened.record, view, saved: true }, device);
  }

  /** Switches to the encoder of the run; returns whether that succeeded. */
  async #bringEncoder(record: RunRecord): Promise<boolean> {
    if (isEncoderOf(record, this.session.encoder.chosen)) return true;
    await this.session.encoder.refresh();
    const found = this.session.encoder.cached.find(({ encoder }) => isEncoderOf(record, encoder));
    if (found && (await this.session.encoder.choose(found.encoder))) return true;
    const why = problem("model", `This run was trained with the encoder ${record.encoder}${record.encoder === this.session.encoder.chosen.id ? ", with other files" : ""}.`, "Choose that encoder, then resume the run.");
    this.session.report("library", why);
    return false;
  }

  /** Trains a run to its end, and resumes it automatically if the worker or its GPU is lost. */
  async #runToEnd(from: PendingRun, device?: DeviceChoice): Promise<void> {
    const { session } = this;
    const { record } = from;
    const mine = ++this.#runs;
    const before = session.run;
    let view = from.view ?? emptyRun(record.config.prompt.method);
    /** Whether the run is saved: then the worker reads it from the store. */
    let { saved } = from;
    this.#before = before.done && { run: before, record: session.record };
    session.run = { ...view };
    session.record = record;
    session.library.begin(device);
    session.clear("run", "adapter", "predict");
    this.paused = this.stopping = session.failed = session.result.inWorker = false;
    session.stage = "training";
    session.announcement = saved ? "The run resumes from its checkpoint." : "Preparing the run.";

    let timer: ReturnType<typeof setTimeout> | undefined;
    const refresh = () => {
      clearTimeout(timer);
      timer = undefined;
      session.run = { ...view };
    };
    /** Events of a worker that was replaced are ignored. */
    const listen = (shown: RunView) => (event: RunEvent) => {
      if (mine !== this.#runs || shown !== view) return;
      take(shown, event);
      if (event.event === "started") {
        this.#before = undefined;
        session.result.inWorker = true;
        session.result.downloaded = false;
      }
      if (event.event === "chosen") session.announcement = `${methodName(event.method)} was chosen. ${sentence(event.reason)}`;
      if (event.event === "stage") session.announcement = `${stageText(event)}.`;
      if (event.event === "eval") session.announcement = `Step ${event.step}: held-out accuracy ${percent(event.accuracy)}.`;
      timer ??= setTimeout(refresh, REFRESH);
    };
    const onSaveState = Comlink.proxy((state: SaveState) => {
      if (mine === this.#runs) session.library.saveState = state;
    });
    const unlock = await lockRun(record.id);
    try {
      if (!unlock) throw problem("busy", "Another tab is training this run.", "Use that tab, or close it and try again.");
      for (;;) {
        try {
          await session.encoder.ensure();
          const onEvent = Comlink.proxy(listen(view));
          await this.client.occupy(
            () => mine === this.#runs,
            (api) =>
              saved || from.saved
                ? api.resumeRun(record.id, device, onEvent, onSaveState)
                : api.train(from.table, from.heldOut, record.config, onEvent, record, onSaveState),
          );
          break;
        } catch (thrown) {
          if (mine !== this.#runs) return;
          ({ view, saved } = await session.library.recover(record, thrown));
          if (mine !== this.#runs) return;
          refresh();
          if (this.paused || this.stopping) this.paused = this.stopping = false;
        }
      }
      if (mine !== this.#runs) return;
      if (!view.done) throw problem("internal", "The run ended without a result.", "Start it again.");
      view.stoppedByUser = this.stopping;
      refresh();
      // Before it is shown: nothing on the page moves afterwards.
      await session.analysis.load();
      if (mine !== this.#runs) return;
      session.stage = "result";
      session.announcement = `Training finished: held-out accuracy ${percent(view.done.accuracy)}.`;
    } catch (thrown) {
      if (mine !== this.#runs) return;
      refresh();
      this.paused = this.stopping = false;
      session.failed = true;
      // A problem of the encoder is shown where the encoder is.
      if (session.encoder.now.state !== "failed") session.report("run", thrown);
      await session.library.note(record.id, asProblem(thrown));
      if (!view.started) this.#leaveRun();
    } finally {
      unlock?.();
      void session.library.refresh();
    }
  }

  /** Trains with other settings, such as those of a comparison. */
  async trainWith(config: RunConfig): Promise<void> {
    await this.session.setConfig(config);
    this.session.stage = "ready";
    await this.train();
  }

  async pause(): Promise<void> {
    this.paused = true;
    this.session.announcement = "Paused.";
    await this.session.control((api) => api.pause());
    await this.session.library.setState(this.session.record?.id, "paused");
  }

  async resume(): Promise<void> {
    this.paused = false;
    this.session.announcement = "Training resumed.";
    await this.session.control((api) => api.resume());
    await this.session.library.setState(this.session.record?.id, "running");
  }

  /** Stops the run with the best result so far. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.paused = false;
    await this.session.control((api) => api.stop());
  }

  /** Cancels the run; data and options stay. */
  async cancel(): Promise<void> {
    const running = !this.session.failed && this.session.encoder.now.state === "ready";
    // A failed run can be resumed from the list of runs; a cancelled one is deleted.
    const given = this.session.failed ? undefined : this.session.record;
    this.#runs++;
    this.#leaveRun();
    this.session.announcement = "Training was cancelled.";
    // A slow step (or a GPU that hangs) must not delay the next run.
    if (running) await this.client.cancel(CANCEL_TIMEOUT);
    if (given) await this.session.library.discard(given.id);
  }

  /** Back to the options; if the run never started, the result of the one before it is still there. */
  #leaveRun(): void {
    this.session.run = this.#before?.run ?? emptyRun();
    this.session.record = this.#before?.record;
    this.#before = undefined;
    this.session.back();
  }
}
