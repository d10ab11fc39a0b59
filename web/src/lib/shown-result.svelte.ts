/** The result that is shown: its adapter, and classifying with it. The worker holds the run that it has trained; a saved run is read from the store. */
import type { AdapterInfo, DeviceChoice, Prediction } from "../contract";
import type { Client } from "./client";
import type { Encoder } from "./encoder.svelte";
import { problem } from "./problem";
import type { Opened } from "./store/runs";
import type { PageState } from "./page-state";

/** What a result uses of the page. */
interface Host extends PageState {
  readonly encoder: Pick<Encoder, "ensure">;
  readonly library: {
    adapter(id: string | undefined): Promise<Uint8Array | undefined>;
    load(id: string): Promise<Opened | undefined>;
    begin(device: DeviceChoice | undefined): void;
  };
  readonly classify: { readonly zip: Uint8Array<ArrayBuffer> | undefined };
  readonly analysis: { load(saved: Opened): Promise<void>; forget(): void };
  readonly training: { drop(): void };
  showData(opened: Opened): Promise<boolean>;
}

export class ShownResult {
  /** The adapter or its web page was downloaded. */
  downloaded = $state(false);
  /** The worker holds the run that is shown; otherwise it is a saved one. */
  inWorker = false;
  /** Key of the adapter that the worker has loaded: it holds one. */
  #loaded: unknown;

  constructor(
    private readonly session: Host,
    private readonly client: Client,
  ) {}

  /** The worker was replaced: the new one is empty. */
  workerGone(): void {
    this.inWorker = false;
    this.#loaded = undefined;
  }

  /** The adapter's zip, or nothing with the problem reported. */
  async adapter(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    this.session.clear("adapter");
    try {
      const zip = (await this.savedAdapter()) ?? (await this.client.call((api) => api.adapter()));
      this.downloaded = true;
      return zip as Uint8Array<ArrayBuffer>;
    } catch (thrown) {
      this.session.report("adapter", thrown);
      return undefined;
    }
  }

  /** The saved zip of the run that is shown, if the worker does not hold that run. */
  async savedAdapter(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const zip = this.inWorker ? undefined : await this.session.library.adapter(this.session.record?.id);
    return zip as Uint8Array<ArrayBuffer> | undefined;
  }

  async predict(text: string): Promise<Prediction | undefined> {
    this.session.clear("predict");
    try {
      const by = await this.classifiesBy();
      const [prediction] = await this.client.call((api) => (by === "adapter" ? api.classify([text]) : api.predict([text])));
      return prediction;
    } catch (thrown) {
      this.session.report("predict", thrown);
      return undefined;
    }
  }

  /** Loads an adapter in the worker, in place of the previous one. `key` identifies it. */
  async load(key: unknown, zip: Uint8Array, device: DeviceChoice): Promise<AdapterInfo> {
    this.#loaded = undefined;
    await this.session.encoder.ensure();
    const info = await this.client.call((api) => api.loadAdapter(zip, device));
    this.#loaded = key;
    return info;
  }

  /** What the worker classifies with: the run that it holds, or an adapter, which is loaded first if necessary. */
  async classifiesBy(): Promise<"run" | "adapter"> {
    const { record, classify, config } = this.session;
    if (this.session.stage === "classifying") {
      if (classify.zip && this.#loaded !== classify.zip) await this.load(classify.zip, classify.zip, config?.device ?? "auto");
      return "adapter";
    }
    if (this.inWorker || !record) return "run";
    if (this.#loaded === record.id) return "adapter";
    const zip = await this.session.library.adapter(record.id);
    if (!zip) throw problem("storage", "The adapter of this run is no longer saved.", "Train it again.");
    await this.load(record.id, zip, record.device ?? "auto");
    return "adapter";
  }

  /** Opens the result of a saved run, without the worker that trained it. */
  async showSaved(id: string): Promise<void> {
    const opened = await this.session.library.load(id);
    if (!opened?.view?.done) return;
    await this.session.showData(opened);
    this.session.training.drop();
    this.inWorker = false;
    this.#loaded = undefined;
    this.session.run = { ...opened.view, stoppedByUser: opened.record.state === "stopped" };
    this.session.record = opened.record;
    this.session.library.begin(undefined);
    this.session.failed = this.downloaded = false;
    this.session.clear("run", "adapter", "predict");
    // Before it is shown, as after training. Runs of earlier versions have saved only the metrics.
    if (opened.answers) await this.session.analysis.load(opened);
    else this.session.analysis.forget();
    this.session.stage = "result";
  }
}
