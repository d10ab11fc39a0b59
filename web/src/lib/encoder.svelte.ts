/** The frozen encoder as the page sees it: which one, loaded once for a worker, from wherever it can be had. */
import * as Comlink from "comlink";
import type { EncoderInfo } from "../worker";
import type { Client } from "./client";
import type { Offer } from "./encoder-calls";
import { DEFAULT_ENCODER, shortName, type Encoder as Which, type Progress } from "./encoder-files";
import { isEncoder, sameEncoder, type KeptEncoder } from "./encoder-store";
import type { EncoderFolder } from "./folder";
import { encoderId } from "./identity";
import { asProblem, problem, type Problem } from "./problem";

export type EncoderState =
  | { state: "absent" }
  | { state: "loading"; progress?: Progress }
  | { state: "ready"; info: EncoderInfo }
  | { state: "failed"; problem: Problem };

/** Another encoder on its way into the place of the one in use, which stays until that has worked. */
export type Change =
  | { state: "loading"; name: string; progress?: Progress }
  | { state: "failed"; name: string; problem: Problem };

/** Where the choice is remembered; the files themselves are in the cache. */
const REMEMBERED = "softprompt-encoder";

export class Encoder {
  /** The encoder that is trained with. */
  chosen = $state.raw<Which>(remembered());
  now = $state.raw<EncoderState>({ state: "absent" });
  change = $state.raw<Change>();
  /** What this browser has; empty until `look`. */
  kept = $state.raw<KeptEncoder[]>([]);
  /** The loading under way, or done; what an earlier one still reports is dropped. */
  #loading: Promise<EncoderInfo> | undefined;
  #changing: Promise<boolean> | undefined;
  /** The user's files, where the browser had no room for them. */
  #folder: EncoderFolder | undefined;

  /**
   * @param limit bytes of the largest weight that the GPU takes, where the user wants the GPU
   * @param changed called when another encoder has taken the place of the one before
   */
  constructor(
    private readonly client: Client,
    private readonly limit: () => number | undefined = () => undefined,
    private readonly changed: () => void = () => undefined,
  ) {}

  /** Whether a download or the loading of a chosen encoder is under way. */
  get busy(): boolean {
    return this.now.state === "loading" || this.change?.state === "loading";
  }

  /**
   * The encoder, loaded now if it is not there.
   *
   * @throws a problem, which is in `now` too
   */
  async ensure(): Promise<EncoderInfo> {
    // What was chosen meanwhile is what is meant.
    if (this.#changing && !(await this.#changing)) {
      const failed = this.change?.state === "failed" ? this.change.problem : undefined;
      throw failed ?? problem("cancelled", "The download was stopped.", "Train again to go on with it.");
    }
    return (this.#loading ??= this.#ensure());
  }

  async #ensure(): Promise<EncoderInfo> {
    this.now = { state: "loading" };
    const loading = this.#load(this.chosen, this.#folder, (progress) => {
      if (this.now.state === "loading") this.now = { state: "loading", progress };
    });
    const mine = () => this.#current === loading;
    this.#current = loading;
    try {
      const info = await loading;
      if (mine()) this.now = { state: "ready", info };
      return info;
    } catch (thrown) {
      if (mine()) {
        this.#loading = undefined;
        const found = asProblem(thrown);
        this.now = found.code === "cancelled" ? { state: "absent" } : { state: "failed", problem: found };
      }
      throw thrown;
    }
  }

  #current: Promise<EncoderInfo> | undefined;

  /**
   * Takes another encoder; says whether that worked. Where it does not, the one before stays, and `change` says why.
   *
   * @param folder the user's own files
   */
  choose(which: Which, folder?: EncoderFolder): Promise<boolean> {
    const name = folder?.name ?? shortName(which);
    const changing = this.#choose(which, folder, name);
    this.#changing = changing;
    void changing.finally(() => {
      if (this.#changing === changing) this.#changing = undefined;
    });
    return changing;
  }

  async #choose(which: Which, folder: EncoderFolder | undefined, name: string): Promise<boolean> {
    const mine: Change = { state: "loading", name };
    let latest: Change = mine;
    const tell = (change: Change | undefined) => {
      if (this.change !== latest) return false;
      if (change) latest = change;
      this.change = change;
      return true;
    };
    this.change = latest;
    // A download under way is given up by the worker; it is not what is wanted any more.
    if (this.now.state === "loading") {
      this.#current = this.#loading = undefined;
      this.now = { state: "absent" };
    }
    try {
      const loading = this.#load(which, folder, (progress) => void tell({ state: "loading", name, progress }));
      const info = await loading;
      if (!tell(undefined)) return false;
      this.#current = this.#loading = loading;
      this.now = { state: "ready", info };
      this.#take(info.encoder);
      this.#folder = info.kept ? undefined : folder;
      remember(info.encoder);
      void this.look();
      return true;
    } catch (thrown) {
      const found = asProblem(thrown);
      tell(found.code === "cancelled" ? undefined : { state: "failed", name, problem: found });
      void this.look();
      return false;
    }
  }

  #load(which: Which, folder: EncoderFolder | undefined, told: (progress: Progress) => void): Promise<EncoderInfo> {
    const page = document.baseURI;
    // What the worker must clone is plain: a state's proxy is not.
    const files = folder && { name: folder.name, files: [...folder.files] };
    return this.client.call((api) => api.loadEncoder(page, which, files, Comlink.proxy(told), this.limit()));
  }

  /** Stops a download; what has come is kept. */
  async cancel(): Promise<void> {
    await this.client.call((api) => api.cancelEncoder());
  }

  /** Forgets why a choice failed. */
  dismiss(): void {
    if (this.change?.state === "failed") this.change = undefined;
  }

  /**
   * What the hub has under a name.
   * @throws a problem
   */
  lookUp(text: string): Promise<Offer> {
    return this.client.call((api) => api.lookUpEncoder(document.baseURI, text, this.limit()));
  }

  /** Looks which encoders this browser has. */
  async look(): Promise<void> {
    this.kept = await this.client.call((api) => api.keptEncoders(document.baseURI)).catch(() => []);
  }

  /** Removes an encoder's files; one that is in use stays in memory until the page is closed. */
  async remove(which: Which): Promise<void> {
    await this.client.call((api) => api.removeEncoder(document.baseURI, which));
    if (sameEncoder(which, this.chosen) && this.now.state !== "ready") {
      this.#loading = undefined;
      this.now = { state: "absent" };
      this.#take(DEFAULT_ENCODER);
    }
    if (sameEncoder(which, remembered())) remember(DEFAULT_ENCODER);
    await this.look();
  }

  #take(encoder: Which): void {
    const another = encoderId(encoder) !== encoderId(this.chosen);
    this.chosen = encoder;
    if (another) this.changed();
  }

  /** The worker that held it is gone. */
  forget(): void {
    this.#current = this.#loading = undefined;
    this.now = { state: "absent" };
  }
}

function remembered(): Which {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(REMEMBERED) ?? "null");
    return isEncoder(found) ? found : DEFAULT_ENCODER;
  } catch {
    return DEFAULT_ENCODER;
  }
}

function remember(which: Which): void {
  try {
    if (which.id === DEFAULT_ENCODER.id && !which.revision) localStorage.removeItem(REMEMBERED);
    else localStorage.setItem(REMEMBERED, JSON.stringify(which));
  } catch {
    // Then the next visit begins with the default.
  }
}
