/** The page's connection to the worker: starts it when first needed, and replaces a worker that has failed. */
import * as Comlink from "comlink";
import type { Api } from "../worker";
import { whenGone } from "./locks";
import { asProblem, endsWorker, problem, type Problem } from "./problem";
import { newId } from "./store/record";

export class Client {
  #worker: Worker | undefined;
  #api: Comlink.Remote<Api> | undefined;
  /** Rejects when the worker itself ends: its script did not load, it was killed, or it was replaced. */
  #ended: Promise<never> | undefined;
  #end: (why: Problem) => void = () => undefined;
  /** Resolves when no cancellation is pending. */
  #settled: Promise<void> = Promise.resolve();

  /** Settles (never rejects) when the worker has released the latest run or comparison. */
  #occupied: Promise<unknown> = Promise.resolve();

  /** @param onReplaced called when a worker was replaced: the encoder and the run that it held are lost. */
  constructor(private readonly onReplaced: () => void) {}

  /**
   * One call of the worker. It waits for `cancel`.
   * @throws a problem
   */
  async call<R>(job: (api: Comlink.Remote<Api>) => Promise<R>): Promise<R> {
    await this.#settled;
    return this.#call(job);
  }

  /**
   * A call that occupies the worker, a run or a comparison: it waits until the previous one has ended, and is not made if it is
   * no longer `wanted` by then.
   */
  async occupy<R>(wanted: () => boolean, job: (api: Comlink.Remote<Api>) => Promise<R>): Promise<R | undefined> {
    await this.#occupied;
    if (!wanted()) return undefined;
    const call = this.call(job);
    this.#occupied = call.catch(() => undefined);
    return call;
  }

  /** Cancels what occupies the worker; a worker that takes longer than `timeout` milliseconds to stop is replaced. */
  cancel(timeout: number): Promise<void> {
    const late = setTimeout(() => this.replace(), timeout);
    const over = () => clearTimeout(late);
    return (this.#settled = this.#call((api) => Promise.all([api.cancel(), this.#occupied])).then(over, over));
  }

  async #call<R>(job: (api: Comlink.Remote<Api>) => Promise<R>): Promise<R> {
    const api = this.#start();
    const ended = this.#ended as Promise<never>;
    try {
      return await Promise.race([job(api), ended]);
    } catch (thrown) {
      const found = asProblem(thrown);
      if (endsWorker(found) && this.#api === api) this.replace();
      throw found;
    }
  }

  /** Terminates the worker; pending calls fail as `cancelled`. The next call starts a fresh one. */
  replace(): void {
    this.#worker?.terminate();
    this.#worker = this.#api = undefined;
    this.#end(problem("cancelled", "Cancelled.", ""));
    this.onReplaced();
  }

  #start(): Comlink.Remote<Api> {
    if (this.#api) return this.#api;
    const name = `softprompt ${newId()}`;
    const worker = new Worker(new URL("../worker.ts", import.meta.url), { type: "module", name });
    this.#worker = worker;
    this.#ended = new Promise((_, reject) => (this.#end = reject));
    this.#ended.catch(() => undefined);
    const end = this.#end;
    worker.addEventListener("error", (event) => end(workerDied(event.message)));
    const api = (this.#api = Comlink.wrap<Api>(worker));
    // A worker that the browser terminates sends no message, but its lock is released.
    void api
      .alive()
      .then(() => whenGone(name))
      .then(
        () => {
          end(workerKilled());
          if (this.#api === api) this.replace();
        },
        () => undefined,
      );
    return api;
  }
}

function workerKilled(): Problem {
  return problem(
    "panic",
    "The browser stopped the worker, perhaps because memory ran out.",
    "Close other tabs and programs, then try again.",
  );
}

function workerDied(message: string | undefined): Problem {
  const trap = /RuntimeError: (.*)/.exec(message ?? "")?.[1];
  if (trap) return asProblem({ name: "RuntimeError", message: trap });
  return problem(
    "panic",
    `The worker failed${message ? ` (${message})` : ": its files did not load"}.`,
    "Your data is still here: try again, or reload the page.",
  );
}
