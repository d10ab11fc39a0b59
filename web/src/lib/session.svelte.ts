/** The state of the page and everything the user can do, apart from how it looks. Components read it and call it. */
import * as Comlink from "comlink";
import type { DeviceChoice, DeviceReport, Prediction, PruneConfig, RunConfig, RunEvent, TableView } from "../contract";
import { Classify } from "./classify.svelte";
import { Client } from "./client";
import { Comparison } from "./comparison.svelte";
import { DataStep } from "./data.svelte";
import { Encoder } from "./encoder.svelte";
import { describe } from "./described.svelte";
import { encoderFolder, isEncoderFolder, picked, type Given } from "./folder";
import { counted, percent, sentence } from "./format";
import { methodName, pageDefaults } from "./methods";
import { asProblem, problem, settingOf, type Problem } from "./problem";
import { emptyRun, stageText, take, type RunView } from "./run-view";
import { holdRun } from "./locks";
import { Library } from "./library.svelte";
import { readSettings } from "./settings-file";
import { chosenColumns, columnName, snapshot, type Source } from "./source";
import type { Kept } from "./store/keeper";
import { newRecord, type RunRecord } from "./store/record";
import type { Opened } from "./store/runs";
import { Understanding } from "./understanding.svelte";

export type Stage = "start" | "ready" | "training" | "result" | "choosing" | "comparing" | "classifying" | "library";

/** Where a problem is shown: beside what caused it. */
export type Place =
  | "page"
  | "file"
  | "heldOut"
  | "columns"
  | "options"
  | "settings"
  | "run"
  | "adapter"
  | "predict"
  | "understanding"
  | "fixes"
  | "report"
  | "comparison"
  | "open"
  | "library";

/** Milliseconds between two looks at the events of a run. */
const REFRESH = 100;
/** Milliseconds that a cancelled run has to let go before its worker is replaced. */
const PATIENCE = 5000;

/** A run that is to be trained: one that begins has its data here, one that is kept has them in the store. */
type Pursued = { record: RunRecord; view?: RunView } & ({ kept: false; table: Blob; heldOut?: Blob } | { kept: true });

export class Session {
  stage = $state<Stage>("start");
  /** Reading a file. */
  opening = $state(false);
  device = $state.raw<DeviceReport>();
  /** What the page starts with: the crate's defaults, but for the method. And what the user made of them. */
  defaults = $state.raw<RunConfig>();
  /** What pruning starts with when it is switched on. */
  pruning = $state.raw<PruneConfig>();
  config = $state.raw<RunConfig>();
  source = $state.raw<Source>();
  table = $state.raw<TableView>();
  heldOut = $state.raw<Source>();
  run = $state.raw<RunView>(emptyRun());
  paused = $state(false);
  stopping = $state(false);
  /** The run ended with a problem; what it had reached is still shown. */
  failed = $state(false);
  /** The result has been taken home. */
  downloaded = $state(false);
  /** An option holds text that is not a value. */
  draftsWrong = $state(false);
  problems = $state.raw<Partial<Record<Place, Problem>>>({});
  /** For screen readers. */
  announcement = $state("");

  /** The kept run that is shown, and whether the worker holds it too. */
  record = $state.raw<RunRecord>();
  #inWorker = false;
  /** The kept run whose adapter the worker has got ready. */
  #loaded: string | undefined;

  readonly #client: Client = new Client(() => {
    this.#inWorker = false;
    this.#loaded = undefined;
    this.encoder.forget();
  });
  readonly encoder = new Encoder(this.#client, () =>
    this.config?.device === "gpu" && this.device?.gpu ? this.device.largest_buffer : undefined,
  );
  readonly comparison: Comparison = new Comparison(this, this.#client);
  readonly data: DataStep = new DataStep(this, this.#client);
  readonly classify: Classify = new Classify(this, this.#client);
  readonly library: Library = new Library(this, this.#client);
  readonly understanding: Understanding = new Understanding(this, this.#client);
  /** The result that the run being prepared will replace, and where it is kept. */
  #before: { run: RunView; record: RunRecord | undefined } | undefined;
  /** Counts the runs: what arrives from an earlier one is dropped. */
  #runs = 0;

  /** Asks the crate for its defaults and the browser for its GPU. */
  async open(): Promise<void> {
    this.clear("page");
    try {
      await this.ensureDefaults();
      this.device = await this.#client.call((api) => api.detect());
    } catch (thrown) {
      this.report("page", thrown);
    }
  }

  /** Takes what was dropped or picked: tables, the folder of an encoder, or an adapter. */
  async take(files: File[], given: Given[] = picked(files)): Promise<void> {
    if (isEncoderFolder(given)) return this.takeEncoder(given);
    const [file] = files;
    if (file && files.length === 1 && /\.zip$/i.test(file.name)) return this.classify.open(file);
    await this.data.take(files);
  }

  async takeSample(): Promise<void> {
    // This table is a good one: the encoder comes while it is being read.
    void this.loadEncoder();
    await this.openTable("snips.csv", async () => {
      const response = await fetch("sample/snips.csv");
      if (!response.ok)
        throw problem("io", `The sample did not load (status ${response.status}).`, "Reload the page, or use a file of yours.");
      return { bytes: await response.blob() };
    });
  }

  /** Reads the table again with another text or label column. */
  async setColumn(which: "text" | "label", index: number): Promise<void> {
    const { table, source, config } = this;
    if (!table || !source || !config) return;
    const { text, label } = chosenColumns(table, which, index);
    const data = { ...config.data, text_column: columnName(table, text), label_column: columnName(table, label) };
    const changed = { ...config, data };
    this.clear("columns");
    try {
      this.table = await this.#client.call((api) => api.openTable(source.bytes, changed));
      this.config = changed;
    } catch (thrown) {
      this.report("columns", thrown);
    }
  }

  async setHeldOut(file: File | undefined): Promise<void> {
    this.clear("heldOut");
    if (!file) return void (this.heldOut = undefined);
    try {
      const bytes = await snapshot(file);
      const config = this.config as RunConfig;
      await this.#client.call((api) => api.openTable(bytes, config));
      this.heldOut = { name: file.name, bytes };
    } catch (thrown) {
      this.report("heldOut", thrown);
    }
  }

  /** Takes a changed config and lets the crate judge it. */
  async setConfig(config: RunConfig): Promise<void> {
    this.config = config;
    await this.validate();
  }

  async validate(): Promise<boolean> {
    const config = this.config as RunConfig;
    try {
      await this.#client.call((api) => api.validate(config));
      if (config === this.config) this.clear("options");
      return true;
    } catch (thrown) {
      if (config === this.config) this.report("options", thrown);
      return false;
    }
  }

  resetOptions(): void {
    const { defaults, config } = this;
    if (!defaults || !config) return;
    const { text_column, label_column } = config.data;
    this.clear("settings");
    void this.setConfig({ ...defaults, data: { ...defaults.data, text_column, label_column } });
  }

  /** Takes settings from a file, as they were downloaded or as the command line reads them; the columns stay those of the table. */
  async loadSettings(file: File): Promise<boolean> {
    this.clear("settings");
    try {
      const given = await readSettings(file);
      const config = await this.#client.call((api) => api.complete(given));
      const { text_column = null, label_column = null } = this.config?.data ?? {};
      await this.setConfig({ ...config, data: { ...config.data, text_column, label_column } });
      this.announcement = `The settings of ${file.name} are taken.`;
      return true;
    } catch (thrown) {
      this.report("settings", thrown);
      return false;
    }
  }

  /** Loads the encoder, once for a worker. */
  async loadEncoder(): Promise<void> {
    await this.encoder.ensure().catch(() => undefined);
  }

  /** Takes the user's own files as the encoder. */
  async takeEncoder(given: Given[]): Promise<void> {
    const folder = encoderFolder(given);
    const { chosen } = this.encoder;
    if (await this.encoder.choose(chosen, folder)) this.announcement = `The encoder ${folder.name} is ready.`;
  }

  async train(): Promise<void> {
    const { source } = this;
    if (!source || this.draftsWrong || this.encoder.change?.state === "loading" || !(await this.validate())) return;
    const record = newRecord(
      this.library.freeName(source.name),
      this.config as RunConfig,
      source.name,
      this.heldOut?.name,
      this.encoder.chosen.id,
    );
    void this.library.persist();
    await this.#follow({ record, table: source.bytes, heldOut: this.heldOut?.bytes, kept: false });
  }

  /** Goes on with a run that was interrupted; on another device where one is named, which may come to another result. */
  async goOn(id: string, device?: DeviceChoice): Promise<void> {
    const opened = await this.library.load(id);
    if (!opened || !(await this.showData(opened)) || !(await this.#bringEncoder(opened.record.encoder))) return;
    // Without a checkpoint it begins again.
    const view = opened.checkpoint && opened.view;
    await this.#follow({ record: opened.record, view, kept: true }, device);
  }

  /** Sees to it that the encoder in use is the one of that name; says whether it is. */
  async #bringEncoder(id: string): Promise<boolean> {
    if (this.encoder.chosen.id === id) return true;
    await this.encoder.look();
    const found = this.encoder.kept.find(({ encoder }) => encoder.id === id);
    if (found && (await this.encoder.choose(found.encoder))) return true;
    const why = problem("model", `This run was made with the encoder ${id}.`, "Choose that encoder, then go on.");
    this.report("library", why);
    return false;
  }

  /** Trains a run to its end, and goes on by itself where the worker or its GPU is lost on the way. */
  async #follow(from: Pursued, device?: DeviceChoice): Promise<void> {
    const { record } = from;
    const mine = ++this.#runs;
    const before = this.run;
    let view = from.view ?? emptyRun(record.config.prompt.method);
    /** Whether the store has the run: then the worker takes it from there. */
    let { kept } = from;
    this.#before = before.done && { run: before, record: this.record };
    this.run = { ...view };
    this.record = record;
    this.library.begin(device);
    this.clear("run", "adapter", "predict");
    this.paused = this.stopping = this.failed = this.#inWorker = false;
    this.stage = "training";
    this.announcement = kept ? "Training goes on where it was." : "Training is being prepared.";

    let timer: ReturnType<typeof setTimeout> | undefined;
    const refresh = () => {
      clearTimeout(timer);
      timer = undefined;
      this.run = { ...view };
    };
    /** What arrives from a worker that is gone is dropped. */
    const listen = (shown: RunView) => (event: RunEvent) => {
      if (mine !== this.#runs || shown !== view) return;
      take(shown, event);
      if (event.event === "started") {
        this.#before = undefined;
        this.#inWorker = true;
        this.downloaded = false;
      }
      if (event.event === "chosen") this.announcement = `${methodName(event.method)} was chosen. ${sentence(event.reason)}`;
      if (event.event === "stage") this.announcement = `${stageText(event)}.`;
      if (event.event === "eval") this.announcement = `Step ${event.step}: held-out accuracy ${percent(event.accuracy)}.`;
      timer ??= setTimeout(refresh, REFRESH);
    };
    const onKept = Comlink.proxy((kept: Kept) => {
      if (mine === this.#runs) this.library.kept = kept;
    });
    const letGo = await holdRun(record.id);
    try {
      if (!letGo) throw problem("busy", "Another tab is training this run.", "Go on there, or close that tab and try again.");
      for (;;) {
        try {
          await this.encoder.ensure();
          const onEvent = Comlink.proxy(listen(view));
          await this.#client.occupy(
            () => mine === this.#runs,
            (api) =>
              kept || from.kept
                ? api.goOn(record.id, device, onEvent, onKept)
                : api.train(from.table, from.heldOut, record.config, onEvent, record, onKept),
          );
          break;
        } catch (thrown) {
          if (mine !== this.#runs) return;
          ({ view, kept } = await this.library.rescue(record, thrown));
          if (mine !== this.#runs) return;
          refresh();
          if (this.paused || this.stopping) this.paused = this.stopping = false;
        }
      }
      if (mine !== this.#runs) return;
      if (!view.done) throw problem("internal", "The run ended without a result.", "Start it again.");
      refresh();
      // Before it is shown: nothing on the page moves afterwards.
      await this.understanding.load();
      if (mine !== this.#runs) return;
      this.stage = "result";
      this.announcement = `Training is over: held-out accuracy ${percent(view.done.accuracy)}.`;
    } catch (thrown) {
      if (mine !== this.#runs) return;
      refresh();
      this.paused = this.stopping = false;
      this.failed = true;
      // A problem of the encoder is shown where the encoder is.
      if (this.encoder.now.state !== "failed") this.report("run", thrown);
      await this.library.note(record.id, asProblem(thrown));
      if (!view.started) this.#leaveRun();
    } finally {
      letGo?.();
      void this.library.look();
    }
  }

  /** Trains with other settings, as a comparison has found them. */
  async trainWith(config: RunConfig): Promise<void> {
    await this.setConfig(config);
    this.stage = "ready";
    await this.train();
  }

  async pause(): Promise<void> {
    this.paused = true;
    this.announcement = "Paused.";
    await this.control((api) => api.pause());
    await this.library.setState(this.record?.id, "paused");
  }

  async resume(): Promise<void> {
    this.paused = false;
    this.announcement = "Training goes on.";
    await this.control((api) => api.resume());
    await this.library.setState(this.record?.id, "running");
  }

  /** Ends the run now, with the best so far. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.paused = false;
    await this.control((api) => api.stop());
  }

  /** Lets the run go; data and options stay. */
  async cancel(): Promise<void> {
    const running = !this.failed && this.encoder.now.state === "ready";
    // What went wrong can be tried again from the list of runs; what is cancelled is not wanted any more.
    const given = this.failed ? undefined : this.record;
    this.#runs++;
    this.#leaveRun();
    this.announcement = "Training was cancelled.";
    // A step that takes long (or a GPU that hangs) must not hold the next run up.
    if (running) await this.#client.cancel(PATIENCE);
    if (given) await this.library.discard(given.id);
  }

  /** To the data and the options. A result stays until the next run has started. */
  back(): void {
    this.stage = this.source ? "ready" : "start";
  }

  showResult(): void {
    this.stage = "result";
  }

  /** Forgets data and result. The encoder and the options stay. */
  startOver(): void {
    this.#runs++;
    this.source = this.table = this.heldOut = this.record = undefined;
    this.run = emptyRun();
    this.comparison.forget();
    this.failed = false;
    this.problems = {};
    if (this.config) this.config = { ...this.config, data: { ...this.config.data, text_column: null, label_column: null } };
    this.stage = "start";
  }

  /** The adapter's zip, or nothing with the problem reported. */
  async adapter(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    this.clear("adapter");
    try {
      const zip = (await this.keptAdapter()) ?? (await this.#client.call((api) => api.adapter()));
      this.downloaded = true;
      return zip as Uint8Array<ArrayBuffer>;
    } catch (thrown) {
      this.report("adapter", thrown);
      return undefined;
    }
  }

  /** The zip of the run that is shown where the worker does not hold that run: it was kept. */
  async keptAdapter(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const zip = this.#inWorker ? undefined : await this.library.adapter(this.record?.id);
    return zip as Uint8Array<ArrayBuffer> | undefined;
  }

  async predict(text: string): Promise<Prediction | undefined> {
    this.clear("predict");
    try {
      const by = await this.classifiesBy();
      const [prediction] = await this.#client.call((api) => (by === "adapter" ? api.classify([text]) : api.predict([text])));
      return prediction;
    } catch (thrown) {
      this.report("predict", thrown);
      return undefined;
    }
  }

  /** What the worker classifies with: the run that it holds, or an adapter. A kept run is got ready as the latter. */
  async classifiesBy(): Promise<"run" | "adapter"> {
    const { record } = this;
    if (this.stage === "classifying") return "adapter";
    if (this.#inWorker || !record) return "run";
    if (this.#loaded === record.id) return "adapter";
    const zip = await this.library.adapter(record.id);
    if (!zip) throw problem("storage", "What this run learned is not kept any more.", "Train it again.");
    await this.encoder.ensure();
    await this.#client.call((api) => api.loadAdapter(zip, record.device ?? "auto"));
    this.#loaded = record.id;
    return "adapter";
  }

  /** The worker has the run that is shown; otherwise it is known from what is kept. */
  get holdsRun(): boolean {
    return this.#inWorker;
  }

  /** The setting that the crate refuses, if any. */
  get wrongSetting(): string | undefined {
    return this.problems.options && settingOf(this.problems.options);
  }

  /** The run that is shown is in the list of runs, and stays there when the page goes. */
  get isKept(): boolean {
    const { record, library } = this;
    if (this.stage === "training") return library.kept?.state === "kept";
    return library.runs.some(({ id, adapterBytes }) => id === record?.id && adapterBytes !== undefined);
  }

  /** Leaving now would lose a run or a result. */
  get hasUnsaved(): boolean {
    const shown = (this.stage === "training" && !this.failed) || (this.run.done !== undefined && !this.downloaded);
    return this.comparison.running || (shown && !this.isKept);
  }

  /** Opens the result of a kept run, without the worker that trained it. */
  async showKept(id: string): Promise<void> {
    const opened = await this.library.load(id);
    if (!opened?.view?.done) return;
    await this.showData(opened);
    this.#runs++;
    this.#inWorker = false;
    this.#loaded = undefined;
    this.run = opened.view;
    this.record = opened.record;
    this.library.begin(undefined);
    this.failed = this.downloaded = false;
    this.clear("run", "adapter", "predict");
    // Before it is shown, as after a training. Of runs of earlier versions only the figures are kept.
    if (opened.answers) await this.understanding.load(opened);
    else this.understanding.forget();
    this.stage = "result";
  }

  /** Takes the data and the settings of a kept run for those of the page; says whether the data are there. */
  async showData({ record, table, heldOut }: Opened): Promise<boolean> {
    this.source = this.table = this.heldOut = undefined;
    this.comparison.forget();
    this.problems = {};
    this.config = record.config;
    if (!table) return false;
    try {
      await this.ensureDefaults();
      this.table = await this.#client.call((api) => api.openTable(table, record.config));
      this.source = { name: record.file, bytes: table };
      if (heldOut) this.heldOut = { name: record.heldOutFile ?? "held-out rows", bytes: heldOut };
      return true;
    } catch (thrown) {
      this.report("library", thrown);
      return false;
    }
  }

  /** Nothing is left of what the page has kept: it is as new. */
  async forgetAll(): Promise<void> {
    this.startOver();
    this.config = this.defaults;
    this.#client.replace();
  }

  /** Back to the options; if the run never started, the result of the one before it is still there. */
  #leaveRun(): void {
    this.run = this.#before?.run ?? emptyRun();
    this.record = this.#before?.record;
    this.#before = undefined;
    this.back();
  }

  /** The settings as they are, or the defaults where nothing was set yet. */
  async ensureDefaults(): Promise<RunConfig> {
    if (!this.defaults) {
      const { config, pruning, description } = await this.#client.call((api) => api.defaults());
      describe(description);
      this.pruning = pruning;
      this.defaults = pageDefaults(config);
    }
    return (this.config ??= this.defaults);
  }

  /** Another table in place of the open one, with the same columns; the result stays. */
  async replaceTable(bytes: Blob): Promise<void> {
    const { source, config } = this;
    if (!source || !config) return;
    this.table = await this.#client.call((api) => api.openTable(bytes, config));
    this.source = { ...source, bytes };
  }

  /**
   * Opens a table. A problem is thrown where `change` says that the table is the one before with other rows, so that columns and
   * held-out rows are kept; otherwise it is reported beside the file.
   */
  async openTable(name: string, read: () => Promise<Omit<Source, "name">>, change = false): Promise<void> {
    if (this.opening) return;
    this.opening = true;
    this.clear("file");
    try {
      const [given, config] = await Promise.all([read(), this.ensureDefaults()]);
      const data = change ? config.data : { ...config.data, text_column: null, label_column: null };
      const guessing = { ...config, data };
      this.table = await this.#client.call((api) => api.openTable(given.bytes, guessing));
      this.source = { name, ...given };
      this.config = guessing;
      this.record = undefined;
      if (!change) this.heldOut = undefined;
      this.run = emptyRun();
      this.comparison.forget();
      this.problems = {};
      this.stage = "ready";
      this.announcement = `${name} is open: ${counted(this.table.rows, "row")}.`;
      void this.loadEncoder();
    } catch (thrown) {
      if (change) throw thrown;
      this.report("file", thrown);
    } finally {
      this.opening = false;
    }
  }

  async control(job: Parameters<Client["call"]>[0], place: Place = "run"): Promise<void> {
    try {
      await this.#client.call(job);
    } catch (thrown) {
      this.report(place, thrown);
    }
  }

  report(place: Place, thrown: unknown): void {
    this.problems = { ...this.problems, [place]: asProblem(thrown) };
  }

  clear(...places: Place[]): void {
    if (!places.some((place) => this.problems[place])) return;
    const left = { ...this.problems };
    for (const place of places) delete left[place];
    this.problems = left;
  }
}
