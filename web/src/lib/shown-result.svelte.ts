/** The result that is shown: its adapter, and classifying with it. The worker holds the run that it has trained; a kept one comes from the store. */
import type { AdapterInfo, DeviceChoice, Prediction } from "../contract";
import type { Client } from "./client";
import { problem } from "./problem";
import type { Session } from "./session.svelte";

export class ShownResult {
  /** It has been taken home. */
  downloaded = $state(false);
  /** The worker has the run that is shown; otherwise it is known from what is kept. */
  inWorker = false;
  /** The adapter that the worker has got ready: it holds one, whoever asked for it. */
  #loaded: unknown;

  constructor(
    private readonly session: Session,
    private readonly client: Client,
  ) {}

  /** The worker was replaced: it knows nothing. */
  workerGone(): void {
    this.inWorker = false;
    this.#loaded = undefined;
  }

  /** The adapter's zip, or nothing with the problem reported. */
  async adapter(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    this.session.clear("adapter");
    try {
      const zip = (await this.keptAdapter()) ?? (await this.client.call((api) => api.adapter()));
      this.downloaded = true;
      return zip as Uint8Array<ArrayBuffer>;
    } catch (thrown) {
      this.session.report("adapter", thrown);
      return undefined;
    }
  }

  /** The zip of the run that is shown where the worker does not hold that run: it was kept. */
  async keptAdapter(): Promise<Uint8Array<ArrayBuffer> | undefined> {
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

  /** Gets an adapter ready in the worker, in place of the one before. `key` tells it from all others. */
  async load(key: unknown, zip: Uint8Array, device: DeviceChoice): Promise<AdapterInfo> {
    this.#loaded = undefined;
    await this.session.encoder.ensure();
    const info = await this.client.call((api) => api.loadAdapter(zip, device));
    this.#loaded = key;
    return info;
  }

  /** What the worker classifies with: the run that it holds, or an adapter, which is got ready where it is not. */
  async classifiesBy(): Promise<"run" | "adapter"> {
    const { record, classify, config } = this.session;
    if (this.session.stage === "classifying") {
      if (classify.zip && this.#loaded !== classify.zip) await this.load(classify.zip, classify.zip, config?.device ?? "auto");
      return "adapter";
    }
    if (this.inWorker || !record) return "run";
    if (this.#loaded === record.id) return "adapter";
    const zip = await this.session.library.adapter(record.id);
    if (!zip) throw problem("storage", "What this run learned is not kept any more.", "Train it again.");
    await this.load(record.id, zip, record.device ?? "auto");
    return "adapter";
  }

  /** Opens the result of a kept run, without the worker that trained it. */
  async showKept(id: string): Promise<void> {
    const opened = await this.session.library.load(id);
    if (!opened?.view?.done) return;
    await this.session.showData(opened);
    this.session.training.drop();
    this.inWorker = false;
    this.#loaded = undefined;
    this.session.run = opened.view;
    this.session.record = opened.record;
    this.session.library.begin(undefined);
    this.session.failed = this.downloaded = false;
    this.session.clear("run", "adapter", "predict");
    // Before it is shown, as after a training. Of runs of earlier versions only the figures are kept.
    if (opened.answers) await this.session.understanding.load(opened);
    else this.session.understanding.forget();
    this.session.stage = "result";
  }
}
