/** The frozen encoder as the page sees it: loaded once for a worker, from wherever it can be had. */
import * as Comlink from "comlink";
import type { EncoderInfo } from "../worker";
import type { Client } from "./client";
import type { Progress } from "./encoder-files";
import { asProblem, type Problem } from "./problem";

export type EncoderState =
  | { state: "absent" }
  | { state: "loading"; progress?: Progress }
  | { state: "ready"; info: EncoderInfo }
  | { state: "failed"; problem: Problem };

export class Encoder {
  now = $state.raw<EncoderState>({ state: "absent" });
  /** The loading under way, or done; what an earlier one still reports is dropped. */
  #loading: Promise<EncoderInfo> | undefined;

  constructor(private readonly client: Client) {}

  /**
   * The encoder, loaded now if it is not there. Files that the user chose go before a download that is under way.
   *
   * @throws a problem, which is in `now` too
   */
  ensure(chosen?: File[]): Promise<EncoderInfo> {
    if (this.#loading && !(chosen && this.now.state === "loading")) return this.#loading;
    this.now = { state: "loading" };
    const page = document.baseURI;
    const mine = (job: () => void) => this.#loading === loading && job();
    const onProgress = Comlink.proxy((progress: Progress) =>
      mine(() => {
        if (this.now.state === "loading") this.now = { state: "loading", progress };
      }),
    );
    const loading = this.client
      .call((api) => api.loadEncoder(page, chosen, onProgress))
      .then(
        (info) => {
          mine(() => (this.now = { state: "ready", info }));
          return info;
        },
        (thrown: unknown) => {
          mine(() => {
            this.#loading = undefined;
            this.now = { state: "failed", problem: asProblem(thrown) };
          });
          throw thrown;
        },
      );
    this.#loading = loading;
    return loading;
  }

  /** The worker that held it is gone. */
  forget(): void {
    this.#loading = undefined;
    this.now = { state: "absent" };
  }
}
