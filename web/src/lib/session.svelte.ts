/** The state of the page and its actions. Components read it and call it. */
import type { DeviceReport, PruneConfig, RunConfig, TableView } from "../contract";
import { Classify } from "./classify.svelte";
import { Client } from "./client";
import { Comparison } from "./comparison.svelte";
import { DataStep } from "./data.svelte";
import { Encoder } from "./encoder.svelte";
import { describe, settingAt } from "./described.svelte";
import { encoderFolder, isEncoderFolder, picked, type FileWithPath } from "./folder";
import { counted } from "./format";
import { pageDefaults } from "./methods";
import { correctFirst } from "./options";
import type { PageState, ProblemLocation, Stage } from "./page-state";
import { asProblem, problem, settingOf, type Problem } from "./problem";
import { emptyRun, type RunView } from "./run-view";
import { Library } from "./library.svelte";
import { readSettings } from "./settings-file";
import { BY_LOOKING, readingOf, withReading, written, type Reading } from "./reading";
import { snapshot, type Source } from "./source";
import { ShownResult } from "./shown-result.svelte";
import type { RunRecord } from "./store/record";
import type { Opened } from "./store/runs";
import { TableReading } from "./table-reading.svelte";
import { Training } from "./training.svelte";
import { Analysis } from "./analysis.svelte";

export class Session implements PageState {
  stage = $state<Stage>("start");
  /** Reading a file. */
  opening = $state(false);
  device = $state.raw<DeviceReport>();
  /** The page's defaults: the crate's, except for the method. Below, the settings as the user has changed them. */
  defaults = $state.raw<RunConfig>();
  /** The defaults of pruning, used when it is switched on. */
  pruning = $state.raw<PruneConfig>();
  config = $state.raw<RunConfig>();
  source = $state.raw<Source>();
  table = $state.raw<TableView>();
  heldOut = $state.raw<Source>();
  /** A workbook that was refused, and its sheets: another one may be a table. */
  refused = $state.raw<{ source: Source; sheets: string[]; sheet: string | null }>();
  run = $state.raw<RunView>(emptyRun());
  /** The run failed; its curves and its best evaluation are still shown. */
  failed = $state(false);
  /** Options that hold text that is not a value, by their paths, in the order in which they are shown. */
  wrongDrafts = $state.raw<string[]>([]);
  /** The first wrong option is about to be gone to. */
  correcting = $state(false);
  problems = $state.raw<Partial<Record<ProblemLocation, Problem>>>({});
  /** For screen readers. */
  announcement = $state("");

  /** The saved run that is shown. */
  record = $state.raw<RunRecord>();

  readonly #client: Client = new Client(() => {
    this.result.workerGone();
    this.encoder.forget();
  });
  readonly encoder = new Encoder(
    this.#client,
    () => (this.config?.device === "gpu" && this.device?.gpu ? this.device.largest_buffer : undefined),
    () => this.comparison.encoderChanged(),
  );
  readonly comparison: Comparison = new Comparison(this, this.#client);
  readonly reading: TableReading = new TableReading(this, this.#client);
  readonly data: DataStep = new DataStep(this, this.#client);
  readonly classify: Classify = new Classify(this, this.#client);
  readonly library: Library = new Library(this, this.#client);
  readonly analysis: Analysis = new Analysis(this, this.#client);
  readonly training: Training = new Training(this, this.#client);
  readonly result: ShownResult = new ShownResult(this, this.#client);

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

  /** Opens what was dropped or picked: tables, the folder of an encoder, or an adapter. */
  async take(files: File[], given: FileWithPath[] = picked(files)): Promise<void> {
    if (isEncoderFolder(given)) return this.takeEncoder(given);
    const [file] = files;
    if (file && files.length === 1 && /\.zip$/i.test(file.name)) return this.classify.open(file);
    await this.data.take(files);
  }

  async takeSample(): Promise<void> {
    // The encoder is loaded while the table is being read.
    void this.loadEncoder();
    await this.openTable("snips.csv", async () => {
      const response = await fetch("sample/snips.csv");
      if (!response.ok)
        throw problem("io", `The sample data could not be loaded (status ${response.status}).`, "Reload the page, or use your own file.");
      return { bytes: await response.blob() };
    });
  }

  async setHeldOut(file: File | undefined): Promise<void> {
    this.clear("heldOut");
    if (!file) return void (this.heldOut = undefined);
    try {
      const bytes = await snapshot(file);
      const config = this.config as RunConfig;
      await this.#client.call((api) => api.openBeside(bytes, config));
      this.heldOut = { name: file.name, bytes };
    } catch (thrown) {
      this.report("heldOut", thrown);
    }
  }

  /** Sets a changed config and lets the crate validate it. */
  async setConfig(config: RunConfig): Promise<void> {
    this.config = config;
    this.reading.follow();
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
    this.clear("settings");
    void this.setConfig(withReading(defaults, readingOf(config)));
  }

  /** Loads a settings file of the page or of the command line; the columns stay those of the table. */
  async loadSettings(file: File): Promise<boolean> {
    this.clear("settings");
    try {
      const given = await readSettings(file);
      const config = await this.#client.call((api) => api.complete(given));
      await this.setConfig(await this.reading.fitted(config));
      this.announcement = [`The settings in ${file.name} were loaded.`, ...this.reading.lost].join(" ");
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
  async takeEncoder(given: FileWithPath[]): Promise<void> {
    const folder = encoderFolder(given);
    const { chosen } = this.encoder;
    if (await this.encoder.choose(chosen, folder)) this.announcement = `The encoder ${folder.name} is ready.`;
  }

  /** To the data and the options. A result stays until the next run has started. */
  back(): void {
    this.stage = this.source ? "ready" : "start";
  }

  showResult(): void {
    this.stage = "result";
  }

  /** Clears data and result. The encoder and the options stay. */
  startOver(): void {
    this.training.drop();
    this.source = this.table = this.heldOut = this.record = undefined;
    this.run = emptyRun();
    this.comparison.forget();
    this.failed = false;
    this.problems = {};
    if (this.config) this.config = withReading(this.config, BY_LOOKING);
    this.reading.restart();
    this.stage = "start";
  }

  get draftsWrong(): boolean {
    return this.wrongDrafts.length > 0;
  }

  /** Labels of the options that have to be corrected, in quotation marks. */
  get toCorrect(): string[] {
    const paths = [...this.wrongDrafts, ...(this.wrongSetting ? [this.wrongSetting] : [])];
    return [...new Set(paths)].map((path) => `“${settingAt(path)?.label ?? path}”`);
  }

  /** Goes to the option that has to be corrected first. */
  correct(): void {
    if (this.stage !== "ready") this.back();
    this.correcting = true;
    this.announcement = correctFirst(this.toCorrect);
  }

  /** The setting that the crate refuses, if any. */
  get wrongSetting(): string | undefined {
    return this.problems.options && settingOf(this.problems.options);
  }

  /** The run that is shown is saved. */
  get isSaved(): boolean {
    const { record, library } = this;
    if (this.stage === "training") return library.saveState?.state === "saved";
    return library.runs.some(({ id, adapterBytes }) => id === record?.id && adapterBytes !== undefined);
  }

  /** Leaving now would lose a run or a result. */
  get hasUnsaved(): boolean {
    const shown = (this.stage === "training" && !this.failed) || (this.run.done !== undefined && !this.result.downloaded);
    return this.comparison.running || (shown && !this.isSaved);
  }

  /** Opens the data and the settings of a saved run; returns whether the data are saved. */
  async showData({ record, table, heldOut }: Opened): Promise<boolean> {
    this.source = this.table = this.heldOut = undefined;
    this.comparison.forget();
    this.problems = {};
    this.config = record.config;
    this.reading.restart();
    if (!table) return false;
    try {
      await this.ensureDefaults();
      this.table = await this.reading.read(table, record.config, heldOut !== undefined);
      this.source = { name: record.file, bytes: table };
      if (heldOut) this.heldOut = { name: record.heldOutFile ?? "held-out rows", bytes: heldOut };
      return true;
    } catch (thrown) {
      this.report("library", thrown);
      return false;
    }
  }

  /** Everything was erased: the page is as new. */
  async forgetAll(): Promise<void> {
    this.startOver();
    this.config = this.defaults;
    this.#client.replace();
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

  /** Another table in place of the open one, with the same columns, read in the given way; the result stays. */
  async replaceTable(bytes: Blob, reading: Reading): Promise<void> {
    const { source, config } = this;
    if (!source || !config) return;
    const changed = withReading(config, reading);
    this.table = await this.reading.read(bytes, changed, this.heldOut !== undefined);
    this.reading.restart();
    this.source = { ...source, bytes };
    this.config = changed;
  }

  /**
   * Opens a table. `change` says that it is the one before with other rows, written by the page: then its columns and its held-out file
   * stay, and a problem is thrown. Otherwise it is reported beside the file.
   */
  async openTable(name: string, read: () => Promise<Omit<Source, "name">>, change = false, sheet: string | null = null): Promise<void> {
    if (this.opening) return;
    this.opening = true;
    this.clear("file");
    this.refused = undefined;
    let source: Source | undefined;
    try {
      const [given, config] = await Promise.all([read(), this.ensureDefaults()]);
      source = { name, ...given };
      const guessing = withReading(config, change ? written(readingOf(config)) : { ...BY_LOOKING, sheet });
      this.table = await this.reading.read(given.bytes, guessing, change && this.heldOut !== undefined);
      this.reading.restart();
      this.source = source;
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
      if (source) await this.#offerSheets(source, sheet);
    } finally {
      this.opening = false;
    }
  }

  /** The table could not be opened: if it is a workbook with several sheets, one of them can be chosen. */
  async #offerSheets(source: Source, sheet: string | null): Promise<void> {
    const sheets = await this.#client.call((api) => api.sheetsOf(source.bytes)).catch(() => []);
    if (sheets.length > 1) this.refused = { source, sheets, sheet };
  }

  /** Opens another sheet of the workbook that was refused. */
  async openSheet(sheet: string): Promise<void> {
    const source = this.refused?.source;
    if (source) await this.openTable(source.name, async () => source, false, sheet);
  }

  async control(job: Parameters<Client["call"]>[0], location: ProblemLocation = "run"): Promise<void> {
    try {
      await this.#client.call(job);
    } catch (thrown) {
      this.report(location, thrown);
    }
  }

  report(location: ProblemLocation, thrown: unknown): void {
    this.problems = { ...this.problems, [location]: asProblem(thrown) };
  }

  clear(...locations: ProblemLocation[]): void {
    if (!locations.some((location) => this.problems[location])) return;
    const left = { ...this.problems };
    for (const location of locations) delete left[location];
    this.problems = left;
  }
}
