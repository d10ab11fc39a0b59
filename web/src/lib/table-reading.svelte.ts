/** Reading a table, and reading it again when a setting that decides how it is read has changed. */
import type { RunConfig, TableView } from "../contract";
import type { Client } from "./client";
import { counted, sentence } from "./format";
import { problem } from "./problem";
import { carried, changedKeys, columnAt, isNoSplit, readingOf, withReading, type Reading } from "./reading";
import { chosenColumns, columnName, columnTitle, type Source } from "./source";

/** What of the session is read and changed here. */
export interface Page {
  config: RunConfig | undefined;
  source: Source | undefined;
  table: TableView | undefined;
  heldOut: Source | undefined;
  announcement: string;
  problems: Partial<Record<Place, { code: string }>>;
  comparison: { forget(): void };
  clear(place: Place): void;
  report(place: Place, thrown: unknown): void;
}

/** Where a problem is shown. */
type Place = "columns" | "heldOut" | "options";

/** Milliseconds that a typed setting must have rested: a large table takes seconds to read. */
const REST = 300;

export class TableReading {
  /** What the user had chosen and the latest reading could not keep. */
  lost = $state.raw<string[]>([]);
  /** A table is being read again. */
  busy = $state(false);
  #heldOut = $state.raw<{ of: Blob; table: TableView }>();
  /** Under which settings each table was read, and whether beside a held-out file. */
  readonly #readings = new WeakMap<TableView, { reading: Reading; beside: boolean }>();
  /** Counts the readings: the answer of an earlier one is dropped. */
  #latest = 0;
  /** What the latest reading is under: a change that comes meanwhile keeps it. */
  #wanted: Reading | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly page: Page,
    private readonly client: Pick<Client, "call">,
  ) {}

  /** What the held-out file is, once it was looked at. */
  get heldOut(): TableView | undefined {
    return this.#heldOut?.of === this.page.heldOut?.bytes ? this.#heldOut?.table : undefined;
  }

  /**
   * @param beside whether there is a held-out file: then the split column is not used, as in a run
   * @throws a problem (`data`)
   */
  async read(bytes: Blob, config: RunConfig, beside: boolean): Promise<TableView> {
    const reading = readingOf(config);
    const used = beside ? withReading(config, { split_column: "" }) : config;
    const table = await this.client.call((api) => api.openTable(bytes, used));
    this.#readings.set(table, { reading, beside });
    return table;
  }

  /** The settings under which a table was read. */
  under(table: TableView): Reading | undefined {
    return this.#readings.get(table)?.reading;
  }

  /** Another table is there: what was said of the one before is over. */
  restart(): void {
    this.#latest++;
    this.#wanted = undefined;
    clearTimeout(this.#timer);
    this.busy = false;
    this.lost = [];
  }

  /** The row with the names of the columns; 0: no row has them; null: found by looking. */
  async setHeader(row: number | null): Promise<void> {
    await this.#change({ header_row: row });
  }

  async setSheet(sheet: string): Promise<void> {
    // A row of one sheet says nothing about another one.
    const named = (this.page.config?.data.header_row ?? null) !== null;
    const lost = named ? ["The header row was chosen for the other sheet; it is detected again."] : [];
    await this.#change({ sheet, header_row: null }, { lost });
  }

  async setMerging(on: boolean): Promise<void> {
    await this.#change({ merge_labels: on });
  }

  /** @param column as in the settings: null where it is found by looking, `none` for a random split */
  async setSplit(column: string | null): Promise<void> {
    await this.#change({ split_column: column }, { place: "heldOut" });
  }

  /** The column of the texts or of the labels. One that was only guessed and stays the same remains a guess. */
  async setColumn(which: "text" | "label", index: number): Promise<void> {
    const { table, config } = this.page;
    if (!table || !config) return;
    const { text, label } = chosenColumns(table, which, index);
    const both = { text_column: columnName(table, text), label_column: columnName(table, label) };
    const other = which === "text" ? "label_column" : "text_column";
    const stays = (which === "text" ? label : text) === table[other];
    // A column has one role.
    const split = columnAt(table, config.data.split_column ?? null);
    const free = split === text || split === label ? { split_column: null } : {};
    const guessed = stays && config.data[other] === null ? { ...both, [other]: null } : both;
    const good = (view: TableView) => view.text_column === text && view.label_column === label;
    await this.#change({ ...guessed, ...free }, { good, otherwise: { ...both, ...free } });
  }

  /** The settings were changed elsewhere: reads the table again if it concerns that. */
  follow(): void {
    clearTimeout(this.#timer);
    const { table, config } = this.page;
    const before = table && this.under(table);
    if (!before || !config || changedKeys(before, readingOf(config)).length === 0) return;
    this.#timer = setTimeout(() => {
      const now = this.page.config;
      if (now && this.page.table === table) void this.#change(readingOf(now), { place: "options" });
    }, REST);
  }

  /**
   * Settings from elsewhere for the table that is open: its text and label column stay. What else they name is taken where the file can
   * be read so; what they leave open stays as it is.
   */
  async fitted(given: RunConfig): Promise<RunConfig> {
    const { config, source, table } = this.page;
    if (!config || !source || !table) return given;
    this.lost = [];
    const [own, theirs] = [readingOf(config), readingOf(given)];
    const { text_column, label_column } = own;
    const wanted = {
      text_column,
      label_column,
      header_row: theirs.header_row ?? own.header_row,
      sheet: theirs.sheet ?? own.sheet,
      merge_labels: theirs.merge_labels,
      split_column: theirs.split_column ?? own.split_column,
    };
    const taken = withReading(given, wanted);
    if (changedKeys(own, wanted).length === 0) return taken;
    try {
      await this.#again(table, source, taken, own, wanted);
      return taken;
    } catch {
      this.lost = ["The settings name a header row, a sheet or a split column that this file does not have. The file is read as before."];
      return withReading(given, own);
    }
  }

  /**
   * Looks at the held-out file: it is read under the settings of the table, but for a sheet that it does not have. The table is read again
   * where there is such a file now and was none before, or the reverse: its split column counts no more, or again.
   */
  async lookAtHeldOut(): Promise<void> {
    const { heldOut, config, table } = this.page;
    const read = table && this.#readings.get(table);
    if (read && table.columns.length > 2 && read.beside !== (heldOut !== undefined)) await this.#change({});
    if (!heldOut || !config) return;
    try {
      const table = await this.client.call((api) => api.openBeside(heldOut.bytes, config));
      if (this.page.heldOut !== heldOut) return;
      this.#heldOut = { of: heldOut.bytes, table };
      this.page.clear("heldOut");
    } catch (thrown) {
      if (this.page.heldOut === heldOut) this.page.report("heldOut", thrown);
    }
  }

  /**
   * Reads the table under changed settings, and takes both. A problem is reported, and the table stays as it was.
   *
   * @param way where a problem is shown, and the like
   */
  async #change(
    change: Partial<Reading>,
    { place = "columns", good, otherwise, lost = [] }: Way = {},
  ): Promise<void> {
    const { page } = this;
    const { table, source, config } = page;
    if (!table || !source || !config) return;
    clearTimeout(this.#timer);
    const mine = ++this.#latest;
    const current = () => mine === this.#latest && page.source === source;
    const before = this.under(table) ?? readingOf(config);
    const base = this.#wanted ?? before;
    this.#wanted = { ...base, ...change };
    this.busy = true;
    page.clear(place);
    try {
      let found = await this.#again(table, source, config, before, { ...base, ...change });
      if (otherwise && !good?.(found.table)) found = await this.#again(table, source, config, before, { ...base, ...otherwise });
      if (!current()) return;
      this.#take({ ...found, lost: [...lost, ...found.lost] }, before);
    } catch (thrown) {
      if (current()) page.report(place, thrown);
    } finally {
      if (mine === this.#latest) {
        this.busy = false;
        this.#wanted = undefined;
      }
    }
  }

  #take({ table, reading, lost }: Found, before: Reading): void {
    const { page } = this;
    // Settings that do not concern the reading may have changed meanwhile.
    page.config = withReading(page.config as RunConfig, reading);
    page.table = table;
    this.lost = lost;
    if (changedKeys(before, reading).length) page.comparison.forget();
    // A typed row that the file does not have is not asked for any more.
    if (page.problems.options?.code === "data") page.clear("options");
    page.announcement = [`The table was read again: ${counted(table.rows, "row")}.`, ...lost].join(" ");
  }

  /** The table under other settings. @throws a problem */
  async #again(table: TableView, source: Source, config: RunConfig, before: Reading, wanted: Reading): Promise<Found> {
    let reading = wanted;
    let lost: string[] = [];
    const keys = changedKeys(before, wanted);
    const beside = this.page.heldOut !== undefined;
    if (keys.includes("header_row") || keys.includes("sheet")) {
      const bare = { ...wanted, text_column: null, label_column: null, split_column: null };
      const after = await this.read(source.bytes, withReading(config, bare), beside);
      ({ reading, lost } = carried(wanted, table, after, keys.includes("sheet")));
    }
    const view = await this.read(source.bytes, withReading(config, reading), beside);
    const refused = keys.includes("split_column") && !beside ? refusedSplit(view, reading) : undefined;
    if (refused) throw refused;
    return { table: view, reading, lost };
  }
}

/** How a change is made. */
interface Way {
  /** Where a problem is shown. */
  place?: Place;
  /** Whether a table can be taken; otherwise it is read under `otherwise`. */
  good?: (table: TableView) => boolean;
  otherwise?: Partial<Reading>;
  /** What the change itself drops. */
  lost?: string[];
}

interface Found {
  table: TableView;
  reading: Reading;
  lost: string[];
}

/** The crate reads a table whatever its split column is, and says why one cannot be used. */
function refusedSplit(table: TableView, { split_column }: Reading) {
  if (split_column === null || isNoSplit(split_column, table) || table.split) return undefined;
  const index = columnAt(table, split_column);
  const title = index === undefined ? split_column : columnTitle(table, index);
  const why = table.split_problem;
  return problem("data", `Column “${title}” does not define the split. ${why ? sentence(why) : ""}`.trim(), "Choose another column, or a random split.");
}
