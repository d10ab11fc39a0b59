/** Training, from the button to the result: pausing and stopping, and going on by itself where the worker or its GPU is lost. */
import * as Comlink from "comlink";
import type { DeviceChoice, RunConfig, RunEvent } from "../contract";
import type { Client } from "./client";
import { percent, sentence } from "./format";
import { encoderId, isEncoderOf } from "./identity";
import { holdRun } from "./locks";
import { methodName } from "./methods";
import { asProblem, problem } from "./problem";
import { emptyRun, stageText, take, type RunView } from "./run-view";
import type { Session } from "./session.svelte";
import type { Kept } from "./store/keeper";
import { newRecord, type RunRecord } from "./store/record";

/** Milliseconds between two looks at the events of a run. */
const REFRESH = 100;
/** Milliseconds that a cancelled run has to let go before its worker is replaced. */
const PATIENCE = 5000;

/** A run that is to be trained: one that begins has its data here, one that is kept has them in the store. */
type Pursued = { record: RunRecord; view?: RunView } & ({ kept: false; table: Blob; heldOut?: Blob } | { kept: true });

export class Training {
  paused = $state(false);
  stopping = $state(false);
  /** The result that the run being prepared will replace, and where it is kept. */
  #before: { run: RunView; record: RunRecord | undefined } | undefined;
  /** Counts the runs: what arrives from an earlier one is dropped. */
  #runs = 0;

  constructor(
    private readonly session: Session,
    private readonly client: Client,
  ) {}

  /** What still arrives from the run is not wanted any more. */
  drop(): void {
    this.#runs++;
  }

  async train(): Promise<void> {
    const { session } = this;
    const { source } = session;
    if (!source || session.draftsWrong || session.encoder.change?.state === "loading" || !(await session.validate())) return;
    const record = newRecord(
      session.library.freeName(source.name),
      session.config as RunConfig,
      source.name,
      session.heldOut?.name,
      session.encoder.chosen.id,
      encoderId(session.encoder.chosen),
    );
    void session.library.persist();
    await this.#follow({ record, table: source.bytes, heldOut: session.heldOut?.bytes, kept: false });
  }

  /** Goes on with a run that was interrupted; on another device where one is named, which may come to another result. */
  async goOn(id: string, device?: DeviceChoice): Promise<void> {
    const opened = await this.session.library.load(id);
    if (!opened || !(await this.session.showData(opened)) || !(await this.#bringEncoder(opened.record))) return;
    // Without a checkpoint it begins again.
    const view = opened.checkpoint && opened.view;
    await this.#follow({ record: opened.record, view, kept: true }, device);
  }

  /** Sees to it that the encoder in use is the one of the run; says whether it is. */
  async #bringEncoder(record: RunRecord): Promise<boolean> {
    if (isEncoderOf(record, this.session.encoder.chosen)) return true;
    await this.session.encoder.look();
    const found = this.session.encoder.kept.find(({ encoder }) => isEncoderOf(record, encoder));
    if (found && (await this.session.encoder.choose(found.encoder))) return true;
    const why = problem("model", `This run was made with the encoder ${record.encoder}${record.encoder === this.session.encoder.chosen.id ? ", with other files" : ""}.`, "Choose that encoder, then go on.");
    this.session.report("library", why);
    return false;
  }

  /** Trains a run to its end, and goes on by itself where the worker or its GPU is lost on the way. */
  async #follow(from: Pursued, device?: DeviceChoice): Promise<void> {
    const { session } = this;
    const { record } = from;
    const mine = ++this.#runs;
    const before = session.run;
    let view = from.view ?? emptyRun(record.config.prompt.method);
    /** Whether the store has the run: then the worker takes it from there. */
    let { kept } = from;
    this.#before = before.done && { run: before, record: session.record };
    session.run = { ...view };
    session.record = record;
    session.library.begin(device);
    session.clear("run", "adapter", "predict");
    this.paused = this.stopping = session.failed = session.result.inWorker = false;
    session.stage = "training";
    session.announcement = kept ? "Training goes on where it was." : "Training is being prepared.";

    let timer: ReturnType<typeof setTimeout> | undefined;
    const refresh = () => {
      clearTimeout(timer);
      timer = undefined;
      session.run = { ...view };
    };
    /** What arrives from a worker that is gone is dropped. */
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
    const onKept = Comlink.proxy((kept: Kept) => {
      if (mine === this.#runs) session.library.kept = kept;
    });
    const letGo = await holdRun(record.id);
    try {
      if (!letGo) throw problem("busy", "Another tab is training this run.", "Go on there, or close that tab and try again.");
      for (;;) {
        try {
          await session.encoder.ensure();
          const onEvent = Comlink.proxy(listen(view));
          await this.client.occupy(
            () => mine === this.#runs,
            (api) =>
              kept || from.kept
                ? api.goOn(record.id, device, onEvent, onKept)
                : api.train(from.table, from.heldOut, record.config, onEvent, record, onKept),
          );
          break;
        } catch (thrown) {
          if (mine !== this.#runs) return;
          ({ view, kept } = await session.library.rescue(record, thrown));
          if (mine !== this.#runs) return;
          refresh();
          if (this.paused || this.stopping) this.paused = this.stopping = false;
        }
      }
      if (mine !== this.#runs) return;
      if (!view.done) throw problem("internal", "The run ended without a result.", "Start it again.");
      refresh();
      // Before it is shown: nothing on the page moves afterwards.
      await session.understanding.load();
      if (mine !== this.#runs) return;
      session.stage = "result";
      session.announcement = `Training is over: held-out accuracy ${percent(view.done.accuracy)}.`;
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
      letGo?.();
      void session.library.look();
    }
  }

  /** Trains with other settings, as a comparison has found them. */
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
    this.session.announcement = "Training goes on.";
    await this.session.control((api) => api.resume());
    await this.session.library.setState(this.session.record?.id, "running");
  }

  /** Ends the run now, with the best so far. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.paused = false;
    await this.session.control((api) => api.stop());
  }

  /** Lets the run go; data and options stay. */
  async cancel(): Promise<void> {
    const running = !this.session.failed && this.session.encoder.now.state === "ready";
    // What went wrong can be tried again from the list of runs; what is cancelled is not wanted any more.
    const given = this.session.failed ? undefined : this.session.record;
    this.#runs++;
    this.#leaveRun();
    this.session.announcement = "Training was cancelled.";
    // A step that takes long (or a GPU that hangs) must not hold the next run up.
    if (running) await this.client.cancel(PATIENCE);
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
