/** The state of a comparison and everything the user can do with it. */
import * as Comlink from "comlink";
import type { CompareEvent, ComparisonPlan, RunConfig } from "../contract";
import type { Client } from "./client";
import { bestOf, doneRuns, emptyComparison, end, MAJORITY, resultsOf, runsOf, take, type CompareView } from "./compare-view";
import type { Encoder } from "./encoder-files";
import { percent } from "./format";
import type { Compared } from "./identity";
import { forgetCells, keepCell, keptCells, type Shelf } from "./kept-cells";
import type { Session } from "./session.svelte";
import { offerOf, wordOf, type Spend, type SpendKind } from "./spend";
import { variantName, variants, withVariant } from "./variants";

/** Milliseconds between two looks at the events. */
const REFRESH = 100;
/** More would be days of computing. */
const MOST_SEEDS = 100;

export class Comparison {
  view = $state.raw<CompareView>(emptyComparison());
  /** Names of variants that are compared, as they are offered. */
  chosen = $state.raw<string[]>(["prompt", "late", "efficient"]);
  /** How many seeds, as it is typed. */
  seedsText = $state("3");
  /** What each run may take. */
  spend = $state.raw<Spend>({ kind: "options", text: "" });
  running = $state(false);
  paused = $state(false);
  stopping = $state(false);
  /** It ended with a problem; finished cells are still shown. */
  failed = $state(false);
  /** Cells of this plan that were finished before the page was left. */
  kept = $state(0);
  /** What the latest comparison was about. */
  plan: ({ config: RunConfig; encoder: { name: string; sha256?: string } } & ComparisonPlan) | undefined;
  /** Counts the looks: what an earlier one finds is dropped. */
  #looks = 0;

  constructor(
    private readonly session: Session,
    private readonly client: Client,
  ) {}

  /** How many seeds; none where the text is no such number. */
  get seeds(): number | undefined {
    const value = Number(this.seedsText.trim() || Number.NaN);
    return Number.isInteger(value) && value >= 1 && value <= MOST_SEEDS ? value : undefined;
  }

  get ready(): boolean {
    return this.chosen.length > 0 && this.seeds !== undefined && !("wrong" in wordOf(this.spend));
  }

  async choose(): Promise<void> {
    if (this.session.draftsWrong || !(await this.session.validate())) return;
    this.session.stage = "choosing";
    await this.look();
  }

  toggle(name: string, on: boolean): void {
    this.chosen = variants().map((variant) => variant.name).filter((one) => (one === name ? on : this.chosen.includes(one)));
    void this.look();
  }

  setSeeds(text: string): void {
    this.seedsText = text;
    void this.look();
  }

  setSpend(kind: SpendKind, text = offerOf(kind).start): void {
    this.spend = { kind, text };
    void this.look();
  }

  /** Counts the cells that need not be run again. */
  async look(): Promise<void> {
    const mine = ++this.#looks;
    const { source, heldOut, config, encoder } = this.session;
    const { variants, seeds, budget } = this.#planned();
    const id = source && config && (await this.#identify(encoder.chosen, source.bytes, heldOut?.bytes, config, budget));
    if (mine !== this.#looks) return;
    const cells = id ? keptCells(shelf(), id) : [];
    this.kept = cells.filter(({ name, seed }) => seeds.includes(seed) && [...variants, "probe"].includes(name)).length;
  }

  again(): void {
    this.#looks++;
    forgetCells(shelf());
    this.kept = 0;
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
    session.announcement = "The comparison is being prepared.";

    let timer: ReturnType<typeof setTimeout> | undefined;
    const refresh = () => {
      clearTimeout(timer);
      timer = undefined;
      this.view = { ...view };
    };
    let id: string | undefined;
    const onEvent = (event: CompareEvent) => {
      take(view, event);
      if (event.event === "cell_done") {
        if (id) keepCell(shelf(), id, event.result);
        const { name, seed, accuracy } = event.result;
        if (name !== MAJORITY)
          session.announcement = `${variantName(name)}, seed ${seed}: held-out accuracy ${percent(accuracy)}. ${doneRuns(view)} of ${runsOf(view).length} runs done.`;
      }
      timer ??= setTimeout(refresh, REFRESH);
    };
    try {
      const { encoder } = await session.encoder.ensure();
      const sha256 = encoder.files.find(({ name }) => name === "model.safetensors")?.sha256;
      this.plan = { config, encoder: { name: encoder.id, sha256 }, ...plan };
      id = await this.#identify(encoder, source.bytes, heldOut, config, plan.budget);
      const done = id ? keptCells(shelf(), id) : [];
      await this.client.occupy(
        () => true,
        (api) => api.compare(encoder, source.bytes, heldOut, config, plan, done, Comlink.proxy(onEvent)),
      );
      const best = bestOf(view.rows);
      session.announcement = best
        ? `The comparison is over: ${variantName(best.name)} is best, with a held-out accuracy of ${percent(best.accuracy.mean)}.`
        : "The comparison is over.";
    } catch (thrown) {
      this.failed = true;
      if (session.encoder.now.state !== "failed") session.report("comparison", thrown);
    } finally {
      end(view);
      this.running = this.paused = this.stopping = false;
      refresh();
    }
  }

  async pause(): Promise<void> {
    this.paused = true;
    this.session.announcement = "Paused.";
    await this.session.control((api) => api.pause(), "comparison");
  }

  async resume(): Promise<void> {
    this.paused = false;
    this.session.announcement = "The comparison goes on.";
    await this.session.control((api) => api.resume(), "comparison");
  }

  /** Ends it; the cell under way is given up. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.paused = false;
    await this.session.control((api) => api.stop(), "comparison");
  }

  /** Trains a variant, with the seed and the settings of the page, and with the steps that the budget has paid for. */
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

  /** Another encoder: what was measured with the one before is not what this one does. */
  encoderChanged(): void {
    // A comparison that failed for its encoder stays on the screen, with what it says of that.
    if (this.session.stage !== "comparing") this.forget();
    if (this.session.stage === "choosing") void this.look();
  }

  /** Other data: what was measured has no place any more. */
  forget(): void {
    if (this.running) return;
    this.#looks++;
    this.view = emptyComparison();
    this.failed = false;
    this.kept = 0;
  }

  #planned(): ComparisonPlan {
    const first = this.session.config?.seed ?? 0;
    const spend = wordOf(this.spend);
    const seeds = Array.from({ length: this.seeds ?? 0 }, (_, index) => first + index);
    return { variants: this.chosen, seeds, budget: "word" in spend ? spend.word : undefined };
  }

  /** The key of the results, besides variant and seed. */
  async #identify(
    encoder: Encoder,
    table: Blob,
    heldOut: Blob | undefined,
    config: RunConfig,
    budget: string | undefined,
  ): Promise<string | undefined> {
    const compared: Compared = { program: PROGRAM, encoder, table, heldOut, config, budget };
    return this.client.call((api) => api.identify(compared)).catch(() => undefined);
  }
}

/** The browser's storage; some forbid it. */
function shelf(): Shelf | undefined {
  try {
    return localStorage;
  } catch {
    return undefined;
  }
}
