/** The page's end of the worker: starts it when first needed, and replaces one that cannot go on. */
import * as Comlink from "comlink";
import type { Api } from "../worker";
import { whenGone } from "./locks";
import { asProblem, endsWorker, problem, type Problem } from "./problem";
import { newId } from "./store/record";

export class Client {
  #worker: Worker | undefined;
  #api: Comlink.Remote<Api> | undefined;
  /** Rejects when the worker itself ends: its script did not load, it was killed, or it was given up. */
  #ended: Promise<never> | undefined;
  #end: (why: Problem) => void = () => undefined;
  /** Resolves when nothing is being brought to an end. */
  #settled: Promise<void> = Promise.resolve();

  /** Settles (never rejects) when the worker has let go of the latest run or comparison. */
  #occupied: Promise<unknown> = Promise.resolve();

  /** @param onReplaced called when a worker was given up, with everything it held: the encoder and the run. */
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
   * A call that takes the worker for itself, a run or a comparison: it waits until the one before has let go, and is not made if it
   * is not `wanted` any more by then.
   */
  async occupy<R>(wanted: () => boolean, job: (api: Comlink.Remote<Api>) => Promise<R>): Promise<R | undefined> {
    await this.#occupied;
    if (!wanted()) return undefined;
    const call = this.call(job);
    this.#occupied = call.catch(() => undefined);
    return call;
  }

  /** Cancels what occupies the worker; a worker that takes longer than `patience` milliseconds to let go is replaced. */
  cancel(patience: number): Promise<void> {
    const late = setTimeout(() => this.replace(), patience);
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

  /** Gives up the worker; calls under way fail as `cancelled`. The next call starts a fresh one. */
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
    // A worker that the browser ends says nothing, but its lock becomes free.
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
    "The browser ended the trainer, perhaps for lack of memory.",
    "Close other tabs and programs, then try again.",
  );
}

function workerDied(message: string | undefined): Problem {
  const trap = /RuntimeError: (.*)/.exec(message ?? "")?.[1];
  if (trap) return asProblem({ name: "RuntimeError", message: trap });
  return problem(
    "panic",
    `The trainer could not go on${message ? ` (${message})` : ": its files did not load"}.`,
    "Your data is still here: try again, or reload the page.",
  );
}
