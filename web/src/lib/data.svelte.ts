/** The data step: joined, pasted and typed tables, and how many tokens the texts have. */
import * as Comlink from "comlink";
import type { RunConfig, TokenCount } from "../contract";
import type { Client } from "./client";
import type { Encoder } from "./encoder.svelte";
import { counted } from "./format";
import { tokensId } from "./identity";
import { asProblem, type Problem } from "./problem";
import type { PageState } from "./page-state";
import { checkSize, joinedName, joinedParts, PASTED, snapshot, TYPED, type Source } from "./source";

/** A count of tokens, and what it is a count of. */
interface Counted {
  of: Blob;
  /** `tokensId` of the rest. */
  id: string;
  count: TokenCount;
}

/** What the data step uses of the page. */
interface Host extends PageState {
  readonly encoder: Pick<Encoder, "now">;
  ensureDefaults(): Promise<RunConfig>;
  openTable(name: string, read: () => Promise<Omit<Source, "name">>, change?: boolean): Promise<void>;
}

export class DataStep {
  /** Shown beside the form for a typed row. */
  rowProblem = $state.raw<Problem>();
  /** The latest count, under way or done. */
  tokens = $state.raw<TokenCount>();
  /** The latest count failed. */
  uncounted = $state(false);
  #counted: Counted | undefined;
  #counts = 0;

  constructor(
    private readonly session: Host,
    private readonly client: Client,
  ) {}

  /** Opens one table, or several as one. */
  async take(files: File[]): Promise<void> {
    const [file] = files;
    if (!file) return;
    if (files.length > 1) return this.#join(undefined, files);
    await this.session.openTable(file.name, async () => ({ bytes: await snapshot(file) }));
  }

  /** Adds the rows of further files to those that are there. What was chosen for these holds for all. */
  async add(files: File[]): Promise<void> {
    try {
      if (files.length) await this.#join(this.session.source, files);
    } catch (thrown) {
      this.session.report("file", thrown);
    }
  }

  /** Takes text as a table, such as cells copied from a spreadsheet. */
  async paste(text: string): Promise<void> {
    await this.session.openTable(PASTED, async () => {
      checkSize("The pasted text", text.length);
      return { bytes: new Blob([text], { type: "text/plain" }) };
    });
  }

  /** Adds a typed row; says whether it was taken. */
  async type(text: string, label: string): Promise<boolean> {
    const { session } = this;
    const { source } = session;
    this.rowProblem = undefined;
    try {
      const config = await session.ensureDefaults();
      const bytes = await this.client.call((api) => api.appendRows(source?.bytes, config, [{ text, label }]));
      const given = { bytes, parts: source?.parts, typed: (source?.typed ?? 0) + 1 };
      await session.openTable(source?.name ?? TYPED, async () => given, true);
      session.announcement = `The row is added: ${counted(session.table?.rows ?? 0, "row")}.`;
      return true;
    } catch (thrown) {
      this.rowProblem = asProblem(thrown);
      return false;
    }
  }

  /** Counts the tokens of the table as it is now, unless that is done already. A problem ends the count. */
  async count(): Promise<void> {
    const { source, config } = this.session;
    const { now } = this.session.encoder;
    if (!source || !config || now.state !== "ready") return;
    const { encoder } = now.info;
    const id = tokensId(encoder, config);
    const known = this.#counted;
    // A count under way is of something else: its answer is not wanted any more.
    const mine = ++this.#counts;
    if (known?.of === source.bytes && known.id === id) return void (this.tokens = known.count);
    const latest = () => mine === this.#counts;
    this.tokens = undefined;
    this.uncounted = false;
    const progress = Comlink.proxy((count: TokenCount) => void (latest() && (this.tokens = count)));
    const count = await this.client.call((api) => api.countTokens(encoder, source.bytes, config, progress)).catch(() => undefined);
    if (!latest()) return;
    this.tokens = count;
    this.uncounted = count === undefined;
    this.#counted = count && { of: source.bytes, id, count };
  }

  /** Ends a count under way. */
  stopCounting(): void {
    this.#counts++;
    void this.client.call((api) => api.stopCounting()).catch(() => undefined);
  }

  async #join(before: Source | undefined, files: File[]): Promise<void> {
    const config = before && this.session.config;
    const names = [...(before ? [before.name] : []), ...files.map((file) => file.name)];
    const parts = before?.parts?.map(({ name }) => name);
    const read = async () => {
      const total = files.reduce((sum, file) => sum + file.size, before?.bytes.size ?? 0);
      for (const file of files) checkSize(file.name, file.size);
      checkSize(`${counted(names.length, "file")} together`, total);
      const taken = await Promise.all(files.map(async (file) => ({ name: file.name, bytes: await snapshot(file) })));
      const sources = [...(before ? [{ name: before.name, bytes: before.bytes }] : []), ...taken];
      const joined = await this.client.call((api) => api.joinTables(sources, config));
      return { bytes: joined.bytes, parts: joinedParts(before, joined.parts), typed: before?.typed };
    };
    await this.session.openTable(joinedName(parts ? [...parts, ...names.slice(1)] : names), read, before !== undefined);
  }
}
