/** The frozen encoder as the page sees it: which one, and whether the worker has loaded it. */
import * as Comlink from "comlink";
import type { EncoderInfo } from "../worker";
import type { Client } from "./client";
import type { HubEncoder } from "./encoder-calls";
import { DEFAULT_ENCODER, shortName, type Encoder as Which, type Progress } from "./encoder-files";
import { isEncoder, sameEncoder, type CachedEncoder } from "./encoder-cache";
import type { EncoderFolder } from "./folder";
import { encoderId } from "./identity";
import { asProblem, problem, type Problem } from "./problem";

export type EncoderState =
  | { state: "absent" }
  | { state: "loading"; progress?: Progress }
  | { state: "ready"; info: EncoderInfo }
  | { state: "failed"; problem: Problem };

/** Another encoder being loaded; the one in use stays until that has succeeded. */
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
  /** The cached encoders; empty until `refresh`. */
  cached = $state.raw<CachedEncoder[]>([]);
  /** The current or finished loading; events of an earlier one are ignored. */
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

  /** Whether an encoder is being downloaded or loaded. */
  get busy(): boolean {
    return this.now.state === "loading" || this.change?.state === "loading";
  }

  /**
   * The encoder, loaded now if it is not there.
   *
   * @throws a problem, which is in `now` too
   */
  async ensure(): Promise<EncoderInfo> {
    // An encoder chosen in the meantime takes precedence.
    if (this.#changing && !(await this.#changing)) {
      const failed = this.change?.state === "failed" ? this.change.problem : undefined;
      throw failed ?? problem("cancelled", "The download was stopped.", "Train again to resume it.");
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
   * Changes the encoder; returns whether that succeeded. If not, the previous one stays, and `change` holds the problem.
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
    const report = (change: Change | undefined) => {
      if (this.change !== latest) return false;
      if (change) latest = change;
      this.change = change;
      return true;
    };
    this.change = latest;
    // The worker cancels the current download, which is no longer needed.
    if (this.now.state === "loading") {
      this.#current = this.#loading = undefined;
      this.now = { state: "absent" };
    }
    try {
      const loading = this.#load(which, folder, (progress) => void report({ state: "loading", name, progress }));
      const info = await loading;
      if (!report(undefined)) return false;
      this.#current = this.#loading = loading;
      this.now = { state: "ready", info };
      this.#take(info.encoder);
      this.#folder = info.cached ? undefined : folder;
      remember(info.encoder);
      void this.refresh();
      return true;
    } catch (thrown) {
      const found = asProblem(thrown);
      report(found.code === "cancelled" ? undefined : { state: "failed", name, problem: found });
      void this.refresh();
      return false;
    }
  }

  #load(which: Which, folder: EncoderFolder | undefined, onProgress: (progress: Progress) => void): Promise<EncoderInfo> {
    const page = document.baseURI;
    // What the worker must clone is plain: a state's proxy is not.
    const files = folder && { name: folder.name, files: [...folder.files] };
    return this.client.call((api) => api.loadEncoder(page, which, files, Comlink.proxy(onProgress), this.limit()));
  }

  /** Stops a download; the downloaded part stays in the cache. */
  async cancel(): Promise<void> {
    await this.client.call((api) => api.cancelEncoder());
  }

  /** Forgets why a choice failed. */
  dismiss(): void {
    if (this.change?.state === "failed") this.change = undefined;
  }

  /**
   * Looks an encoder up on the hub by its name.
   * @throws a problem
   */
  lookUp(text: string): Promise<HubEncoder> {
    return this.client.call((api) => api.lookUpEncoder(document.baseURI, text, this.limit()));
  }

  /** Reads the list of cached encoders. */
  async refresh(): Promise<void> {
    this.cached = await this.client.call((api) => api.cachedEncoders(document.baseURI)).catch(() => []);
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
    await this.refresh();
  }

  #take(encoder: Which): void {
    const another = encoderId(encoder) !== encoderId(this.chosen);
    this.chosen = encoder;
    if (another) this.changed();
  }

  /** The worker that held it was replaced. */
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
