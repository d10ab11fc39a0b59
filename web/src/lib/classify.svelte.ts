/** An imported adapter, and files that are classified with it or with the result of a run. */
import * as Comlink from "comlink";
import type { AdapterInfo, DeviceChoice, FileView } from "../contract";
import type { FileReading, LabelledFile, Labels } from "./classifying";
import type { Client } from "./client";
import type { Encoder } from "./encoder.svelte";
import { percent } from "./format";
import { asProblem, problem, type Problem } from "./problem";
import { isEncoderOf } from "./identity";
import type { PageState } from "./page-state";
import { snapshot } from "./source";

/** Bytes; the crate reads no larger adapter. */
const LARGEST_ADAPTER = 256 * 2 ** 20;

/** The file under way, done or failed. `view` says how it is read, once that is known: it can be changed. */
export type FileState =
  | { state: "none"; view?: undefined }
  | { state: "running"; name: string; labels?: Labels; view?: FileView }
  | { state: "done"; name: string; labelled: LabelledFile; view: FileView }
  | { state: "failed"; problem: Problem; view?: FileView };

/** What classifying uses of the page. */
interface Host extends PageState {
  readonly encoder: Encoder;
  readonly result: {
    readonly inWorker: boolean;
    downloaded: boolean;
    load(key: unknown, zip: Uint8Array, device: DeviceChoice): Promise<AdapterInfo>;
    classifiesBy(): Promise<"run" | "adapter">;
    savedAdapter(): Promise<Uint8Array<ArrayBuffer> | undefined>;
  };
}

export class Classify {
  info = $state.raw<AdapterInfo>();
  name = $state("");
  opening = $state(false);
  file = $state.raw<FileState>({ state: "none" });
  /** The open zip: the worker that holds the adapter may be replaced. */
  zip: Uint8Array<ArrayBuffer> | undefined;
  #given: File | undefined;
  /** What the user has chosen about its reading; the rest is found by looking. */
  reading = $state.raw<FileReading>({});
  /** Counts the files: events of an earlier one are ignored. */
  #files = 0;

  constructor(
    private readonly session: Host,
    private readonly client: Client,
  ) {}

  /** Opens an adapter's zip, to be used without a table and without training. */
  async open(file: File): Promise<void> {
    if (this.opening) return;
    this.opening = true;
    this.session.clear("open", "file");
    try {
      if (file.size > LARGEST_ADAPTER)
        throw problem(
          "adapter",
          `${file.name} is ${(file.size / 1e6).toFixed(0)} MB; an adapter is a few megabytes at most.`,
          "Choose the zip file of an adapter.",
        );
      const zip = new Uint8Array(await (await snapshot(file)).arrayBuffer());
      await this.openZip(file.name, zip);
    } catch (thrown) {
      this.session.report(this.session.stage === "start" ? "open" : "file", thrown);
    } finally {
      this.opening = false;
    }
  }

  /** @throws a problem */
  async openZip(name: string, zip: Uint8Array<ArrayBuffer>): Promise<void> {
    // A broken zip is reported before 90 MB of encoder are downloaded.
    await this.client.call((api) => api.adapterInfo(zip));
    const info = await this.session.result.load(zip, zip, this.session.config?.device ?? "auto");
    this.forgetFile();
    this.zip = zip;
    this.info = info;
    this.name = name;
    this.session.stage = "classifying";
    this.session.announcement = `${name} is open: ${info.labels.length} classes.`;
  }

  /** Classifies a file with the classifier on the screen. `reading` says how it is read, where it was chosen for this file before. */
  async label(given: File, reading: FileReading = {}): Promise<void> {
    const mine = ++this.#files;
    // Of the same file, what is known of it stays.
    const before = given === this.#given ? this.file.view : undefined;
    this.#given = given;
    this.reading = reading;
    const { name } = given;
    this.file = { state: "running", name, view: before };
    this.session.announcement = `${name} is being classified.`;
    const onProgress = (labels: Labels) => {
      if (mine === this.#files) this.file = { state: "running", name, labels, view: labels.view };
    };
    try {
      const bytes = await snapshot(given);
      const by = await this.session.result.classifiesBy();
      const done = await this.client.call((api) => api.labelFile(bytes, name, reading, by, Comlink.proxy(onProgress)));
      if (mine !== this.#files || !done) return;
      this.file = { state: "done", name, labelled: done, view: done.view };
      const { judged, right, rows } = done.progress;
      const accuracy = judged ? ` Accuracy ${percent(right / judged)}.` : "";
      this.session.announcement = `${name} is classified: ${rows} rows.${accuracy}`;
    } catch (thrown) {
      if (mine === this.#files) this.file = { state: "failed", problem: asProblem(thrown), view: before && asked(before, reading) };
    }
  }

  /** The same file again, read in another way: another column as the texts, another header row (0: none, null: found by looking). */
  async readAgain(change: { column?: number; headerRow?: number | null }): Promise<void> {
    if (!this.#given) return;
    const { column, headerRow } = change;
    const next = { ...this.reading };
    if (column !== undefined) next.column = String(column + 1);
    if (headerRow !== undefined) next.headerRow = headerRow ?? undefined;
    await this.label(this.#given, next);
  }

  /** The same file again, from another sheet. The column and the header row were chosen for the sheet before. */
  async readSheet(sheet: string): Promise<void> {
    if (this.#given) await this.label(this.#given, { sheet });
  }

  /** Cancels the current file, or clears the previous one. */
  forgetFile(): void {
    this.#files++;
    this.#given = undefined;
    this.reading = {};
    if (this.file.state === "running") void this.session.control((api) => api.stopLabelling(), "page");
    this.file = { state: "none" };
  }

  /** The adapter on the screen, and, if the encoder is loaded, the approximate size of its web page. */
  async describe(): Promise<{ info: AdapterInfo; page?: number } | undefined> {
    try {
      const opened = await this.#zipOnScreen();
      const loaded = this.session.encoder.now.state === "ready";
      return await this.client.call(async (api) => {
        const zip = opened ?? (await api.adapter());
        return { info: await api.adapterInfo(zip), page: loaded ? await api.standaloneSize() : undefined };
      });
    } catch {
      // The downloads report the problem when one is requested.
      return undefined;
    }
  }

  /** The adapter on the screen as a single-file web page; or nothing, with the problem reported. */
  async webPage(onProgress: (done: number, of: number) => void): Promise<Blob | undefined> {
    this.session.clear("adapter");
    this.session.announcement = "Building the web page.";
    try {
      const opened = await this.#zipOnScreen();
      await this.#needEncoder();
      const page = await this.client.call((api) => api.standalone(opened, Comlink.proxy(onProgress)));
      this.session.result.downloaded = true;
      this.session.announcement = "The web page is ready.";
      return page;
    } catch (thrown) {
      this.session.report("adapter", thrown);
      return undefined;
    }
  }

  /** The web page contains the encoder of the saved run: another one would give other predictions. */
  async #needEncoder(): Promise<void> {
    const { stage, result, record, encoder } = this.session;
    if (stage === "classifying" || result.inWorker || !record) return;
    if (!isEncoderOf(record, encoder.chosen))
      throw problem("model", `This run was trained with the encoder ${record.encoder}.`, "Choose that encoder, then try again.");
    await encoder.ensure();
  }

  /** Nothing if the worker holds the run. */
  async #zipOnScreen(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return this.session.stage === "classifying" ? this.zip : this.session.result.savedAdapter();
  }

  /** Back to the start. */
  close(): void {
    this.forgetFile();
    this.info = this.zip = undefined;
    this.session.clear("predict", "open");
    this.session.back();
  }
}

/** A file that could not be read as asked, with what was asked: another choice must be possible. */
function asked(before: FileView, { headerRow, sheet }: FileReading): FileView {
  const header_row = headerRow === undefined ? before.header_row : headerRow || null;
  return { ...before, header_row, sheet: sheet ?? before.sheet };
}
