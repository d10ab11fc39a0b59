/** What the worker does about settings and tables: no encoder is needed for it. */
import type { Core, DeviceReport, Edit, Part, PruneConfig, RunConfig, SettingGroup, TableView } from "../contract";
import { bytesOf, stage } from "./job";

/** The crate's settings, and the device that it finds. */
export function settingCalls(core: Core) {
  return {
    async detect(): Promise<DeviceReport> {
      return core.detect_device();
    },

    /** The crate's defaults, and what it says of its settings; `pruning` is what pruning starts with, which is off in them. */
    async defaults(): Promise<{ config: RunConfig; pruning: PruneConfig; description: SettingGroup[] }> {
      const pruned = core.complete_config({ prompt: { prune: {} } });
      const description = core.describe_config();
      return { config: core.default_config(), pruning: pruned.prompt.prune as PruneConfig, description };
    },

    /** Settings from elsewhere, with what they leave out filled in. */
    async complete(given: unknown): Promise<RunConfig> {
      const config = core.complete_config(given);
      core.validate_config(config);
      return config;
    },

    async validate(config: RunConfig): Promise<void> {
      core.validate_config(config);
    },
  };
}

/** Tables: opened, joined, changed. `config` says how a file is read. */
export function tableCalls(core: Core) {
  return {
    async openTable(table: Blob, config: RunConfig): Promise<TableView> {
      const bytes = await bytesOf(table);
      return stage("open table", () => core.open_table(bytes, config));
    },

    /** The sheets of a workbook; none of another file. */
    async sheetsOf(table: Blob): Promise<string[]> {
      return core.sheets_of(await bytesOf(table));
    },

    /** A held-out file, read as in a run. */
    async openBeside(file: Blob, config: RunConfig): Promise<TableView> {
      const bytes = await bytesOf(file);
      return stage("open table", () => core.open_beside(bytes, config));
    },

    /**
     * Several tables with the same columns as one. With `config`, the first one is the table that is open, and it is read under these
     * settings; the header rows and sheets of the others are found by looking.
     */
    async joinTables(sources: { name: string; bytes: Blob }[], config?: RunConfig): Promise<{ bytes: Blob; parts: Part[] }> {
      const files = await Promise.all(sources.map(({ bytes }) => bytesOf(bytes)));
      const names = sources.map(({ name }) => name);
      const { csv, parts } = stage("join tables", () => {
        const alone = config && isNamed(config) && core.join_tables(names.slice(0, 1), files.slice(0, 1), config);
        if (!alone) return core.join_tables(names, files);
        const joined = core.join_tables(names, [alone.csv, ...files.slice(1)]);
        return { csv: joined.csv, parts: joined.parts.map((part, index) => ({ ...part, notes: (index ? part : alone.parts[0]!).notes })) };
      });
      return { bytes: csvBlob(csv), parts };
    },

    /** A table after changes of single rows. */
    async editTable(table: Blob, config: RunConfig, edits: Edit[]): Promise<Blob> {
      return csvBlob(core.edit_table(await bytesOf(table), config, edits));
    },

    /** A table with typed rows behind its last one; without a table, they are all there is. */
    async appendRows(table: Blob | undefined, config: RunConfig, rows: { text: string; label: string }[]): Promise<Blob> {
      return csvBlob(core.append_rows(table && (await bytesOf(table)), config, rows));
    },

    /** Texts of the rows that a run on these files has held out, by their numbers. */
    async rowTexts(table: Blob, heldOut: Blob | undefined, config: RunConfig, rows: number[]): Promise<(string | null)[]> {
      return core.row_texts(await bytesOf(table), heldOut && (await bytesOf(heldOut)), config, Float64Array.from(rows));
    },
  };
}

function csvBlob(csv: Uint8Array): Blob {
  return new Blob([csv as Uint8Array<ArrayBuffer>], { type: "text/csv" });
}

/** Whether the settings say where the table of a file is. */
function isNamed({ data }: RunConfig): boolean {
  return (data.header_row ?? null) !== null || (data.sheet ?? null) !== null;
}
