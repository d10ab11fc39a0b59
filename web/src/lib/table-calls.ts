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

/** Tables: opened, joined, changed. */
export function tableCalls(core: Core) {
  return {
    async openTable(table: Blob, config: RunConfig): Promise<TableView> {
      const bytes = await bytesOf(table);
      return stage("open table", () => core.open_table(bytes, config));
    },

    /** Several tables with the same columns as one. */
    async joinTables(sources: { name: string; bytes: Blob }[]): Promise<{ bytes: Blob; parts: Part[] }> {
      const files = await Promise.all(sources.map(({ bytes }) => bytesOf(bytes)));
      const names = sources.map(({ name }) => name);
      const { csv, parts } = stage("join tables", () => core.join_tables(names, files));
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
