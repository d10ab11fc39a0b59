/** The state of a comparison, and its actions. */
import * as Comlink from "comlink";
import type { CompareEvent, ComparisonPlan, RunConfig } from "../contract";
import type { Client } from "./client";
import { bestOf, doneText, emptyComparison, end, MAJORITY, resultsOf, take, type CompareView } from "./compare-view";
import type { Encoder as PageEncoder } from "./encoder.svelte";
import type { Encoder } from "./encoder-files";
import { percent } from "./format";
import type { ComparisonInputs } from "./identity";
import { forgetCells, saveCell, savedCells, type CellStorage } from "./saved-cells";
import type { PageState } from "./page-state";
import { budgetOption, budgetArgument, type Budget, type BudgetKind } from "./budget";
import { variantName, variants, withVariant } from "./variants";

/** Milliseconds between two updates of the view. */
const REFRESH = 100;
/** More would be days of computing. */
const MOST_SEEDS = 100;

/** What a comparison uses of the page. */
interface Host extends PageState {
  readonly encoder: Pick<PageEncoder, "now" | "chosen" | "ensure">;
  readonly training: { trainWith(config: RunConfig): Promise<void> };
  validate(): Promise<boolean>;
}

export class Comparison {
  view = $state.raw<CompareView>(emptyComparison());
  /** Names of the variants to compare, in the order of the list. */
  chosen = $state.raw<string[]>(["prompt", "late", "efficient"]);
  /** Number of seeds, as typed. */
  seedsText = $state("3");
  /** Budget of each run. */
  budget = $state.raw<Budget>({ kind: "options", text: "" });
  running = $state(false);
  paused = $state(false);
  stopping = $state(false);
  /** It failed; finished cells are still shown. */
  failed = $state(false);
  /** Cells of this plan that were finished before the page was left. */
  saved = $state(0);
  /** The plan of the latest comparison. */
  plan: ({ config: RunConfig; encoder: { name: string; sha256?: string } } & ComparisonPlan) | undefined;
  /** Counts the refreshes: the result of an earlier one is ignored. */
  #refreshes = 0;

  constructor(
    private readonly session: Host,
    private readonly client: Client,
  ) {}

  /** Number of seeds; none if the text is no such number. */
  get seeds(): number | undefined {
    const value = Number(this.seedsText.trim() || Number.NaN);
    return Number.isInteger(value) && value >= 1 && value <= MOST_SEEDS ? value : undefined;
  }

  get ready(): boolean {
    return this.chosen.length > 0 && this.seeds !== undefined && !("wrong" in budgetArgument(this.budget));
  }

  async choose(): Promise<void> {
    if (this.session.draftsWrong || !(await this.session.validate())) return this.session.correct();
    this.session.stage = "choosing";
    await this.refresh();
  }

  toggle(name: string, on: boolean): void {
    this.chosen = variants().map((variant) => variant.name).filter((one) => (one === name ? on : this.chosen.includes(one)));
    void this.refresh();
  }

  setSeeds(text: string): void {
    this.seedsText = text;
    void this.refresh();
  }

  setBudget(kind: BudgetKind, text = budgetOption(kind).start): void {
    this.budget = { kind, text };
    void this.refresh();
  }

  /** Counts the saved cells of this plan. */
  async refresh(): Promise<void> {
    const mine = ++this.#refreshes;
    const { source, heldOut, config, encoder } = this.session;
    const { variants, seeds, budget } = this.#planned();
    const id = source && config && (await this.#identify(encoder.chosen, source.bytes, heldOut?.bytes, config, budget));
    if (mine !== this.#refreshes) return;
    const cells = id ? savedCells(browserStorage(), id) : [];
    this.saved = cells.filter(({ name, seed }) => seeds.includes(seed) && [...variants, "probe"].includes(name)).length;
  }

  again(): void {
    this.#refreshes++;
    forgetCells(browserStorage());
    this.saved = 0;
  }

  async start(): Promise<void> {
    const { session } = this;
    const { source, config } = session;
    if (!source || !config || !this.ready || this.running) return;
    const plan = this.#planned();
    const heldOut = session.heldOut?.bytes;
    this.plan = undefined;
    const view = emptyComparison();
    this.view = view;
    this.running = true;
    this.paused = this.stopping = this.failed = false;
    session.clear("comparison");
    session.stage = "comparing";
    session.announcement = "Preparing the comparison.";

    let timer: ReturnType<typeof setTimeout> | undefined;
    const show = () => {
      clearTimeout(timer);
      timer = undefined;
      this.view = { ...view };
    };
    let id: string | undefined;
    const onEvent = (event: CompareEvent) => {
      take(view, event);
      if (event.event === "cell_done") {
        if (id) saveCell(browserStorage(), id, event.result);
        const { name, seed, accuracy } = event.result;
        if (name !== MAJORITY)
          session.announcement = `${variantName(name)}, seed ${seed}: held-out accuracy ${percent(accuracy)}. ${doneText(view)}.`;
      }
      timer ??= setTimeout(show, REFRESH);
    };
    try {
      const { encoder } = await session.encoder.ensure();
      const sha256 = encoder.files.find(({ name }) => name === "model.safetensors")?.sha256;
      this.plan = { config, encoder: { name: encoder.id, sha256 }, ...plan };
      id = await this.#identify(encoder, source.bytes, heldOut, config, plan.budget);
      const done = id ? savedCells(browserStorage(), id) : [];
      await this.client.occupy(
        () => true,
        (api) => api.compare(encoder, source.bytes, heldOut, config, plan, done, Comlink.proxy(onEvent)),
      );
      const best = bestOf(view.rows);
      session.announcement = best
        ? `Comparison finished: ${variantName(best.name)} is best, with a held-out accuracy of ${percent(best.accuracy.mean)}.`
        : "Comparison finished.";
    } catch (thrown) {
      this.failed = true;
      if (session.encoder.now.state !== "failed") session.report("comparison", thrown);
    } finally {
      end(view);
      this.running = this.paused = this.stopping = false;
      show();
    }
  }

  async pause(): Promise<void> {
    this.paused = true;
    this.session.announcement = "Paused.";
    await this.session.control((api) => api.pause(), "comparison");
  }

  async resume(): Promise<void> {
    this.paused = false;
    this.session.announcement = "Comparison resumed.";
    await this.session.control((api) => api.resume(), "comparison");
  }

  /** Stops it; the current cell is discarded. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.paused = false;
    await this.session.control((api) => api.stop(), "comparison");
  }

  /** Trains a variant with the seed and the settings of the page, and with the number of steps that the budget allowed. */
  async use(name: string): Promise<void> {
    const { config, pruning } = this.session;
    if (!config) return;
    const steps = this.plan?.budget && resultsOf(this.view).find((cell) => cell.name === name)?.steps;
    const optim = steps ? { ...config.optim, steps } : config.optim;
    await this.session.training.trainWith(withVariant({ ...config, optim }, name, pruning));
  }

  /** The table and the cells, as the command line writes them. */
  json(): string {
    return JSON.stringify({ ...this.plan, rows: this.view.rows, cells: resultsOf(this.view) }, undefined, 2);
  }

  /** The encoder was changed: the results of the previous one no longer apply. */
  encoderChanged(): void {
    // A comparison that failed because of its encoder stays on the screen, with the problem.
    if (this.session.stage !== "comparing") this.forget();
    if (this.session.stage === "choosing") void this.refresh();
  }

  /** The data were changed: the results no longer apply. */
  forget(): void {
    if (this.running) return;
    this.#refreshes++;
    this.view = emptyComparison();
    this.failed = false;
    this.saved = 0;
  }

  #planned(): ComparisonPlan {
    const first = this.session.config?.seed ?? 0;
    const argument = budgetArgument(this.budget);
    const seeds = Array.from({ length: this.seeds ?? 0 }, (_, index) => first + index);
    return { variants: this.chosen, seeds, budget: "text" in argument ? argument.text : undefined };
  }

  /** The key of the results, besides variant and seed. */
  async #identify(
    encoder: Encoder,
    table: Blob,
    heldOut: Blob | undefined,
    config: RunConfig,
    budget: string | undefined,
  ): Promise<string | undefined> {
    const compared: ComparisonInputs = { program: PROGRAM, encoder, table, heldOut, config, budget };
    return this.client.call((api) => api.identify(compared)).catch(() => undefined);
  }
}

/** The browser's storage; some forbid it. */
function browserStorage(): CellStorage | undefined {
  try {
    return localStorage;
  } catch {
    return undefined;
  }
}
