import { describe, expect, it } from "vitest";
import { Pull } from "../../src/lib/pull";

/** Events 1 to `length`; notes whether two calls ever overlap. */
function counter(length: number, each: () => Promise<void> = () => Promise.resolve()) {
  const state = { at: 0, busy: false, overlapped: false };
  const exclusive = async <R>(value: () => R): Promise<R> => {
    state.overlapped ||= state.busy;
    state.busy = true;
    await each();
    state.busy = false;
    return value();
  };
  return {
    state,
    next: () => exclusive(() => (state.at < length ? ++state.at : undefined)),
    other: () => exclusive(() => "answer"),
  };
}

const turn = (ms = 5) => new Promise<void>((resolve) => setTimeout(resolve, ms));

describe("pulling a run", () => {
  it("hands over every event in order, and ends", async () => {
    const seen: number[] = [];
    await new Pull().run(counter(5).next, (event) => seen.push(event));
    expect(seen).toEqual([1, 2, 3, 4, 5]);
  });

  it("does not pull while paused, and goes on where it was", async () => {
    const pull = new Pull();
    const { state, next } = counter(50, turn);
    const seen: number[] = [];
    const over = pull.run(next, (event) => {
      seen.push(event);
      if (event === 3) pull.pause();
    });
    await turn(80);
    expect(state.at).toBe(3);
    pull.resume();
    await over;
    expect(seen).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
  });

  it("lets other calls in between two events, never during one", async () => {
    const pull = new Pull();
    const { state, next, other } = counter(20, turn);
    const over = pull.run(next, () => undefined);
    await turn(12);
    expect(await pull.exclusive(other)).toBe("answer");
    expect(state.at).toBeLessThan(20);
    await over;
    expect(state.overlapped).toBe(false);
  });

  it("stops at once when cancelled, also while paused", async () => {
    const pull = new Pull();
    const { state, next } = counter(50);
    const over = pull.run(next, (event) => event === 2 && pull.pause());
    await turn(30);
    pull.cancel();
    await over;
    expect(state.at).toBe(2);
    expect(pull.cancelled).toBe(true);
  });

  it("hears a message between two events that never wait for a timer", async () => {
    const pull = new Pull();
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => pull.cancel();
    const { state, next } = counter(100_000);
    await pull.run(next, (event) => event === 10 && port2.postMessage("cancel"));
    port1.close();
    expect(state.at).toBeLessThan(1000);
  });

  it("passes a failure on after the events before it, and keeps taking calls", async () => {
    const pull = new Pull();
    const arrived: number[] = [];
    let at = 0;
    const next = async () => {
      if (++at > 2) throw new Error("diverged");
      return at;
    };
    const emit = async (event: number) => {
      await turn(20);
      arrived.push(event);
    };
    await expect(pull.run(next, emit)).rejects.toThrow("diverged");
    expect(arrived).toEqual([1, 2]);
    expect(await pull.exclusive(() => "alive")).toBe("alive");
  });

  it("is over only when the last event has arrived", async () => {
    const arrived: number[] = [];
    await new Pull().run(counter(3).next, async (event) => {
      await turn(20);
      arrived.push(event);
    });
    expect(arrived).toEqual([1, 2, 3]);
  });
});
