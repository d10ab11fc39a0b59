import { describe, expect, it, vi } from "vitest";
import type { TokenCount } from "../../src/contract";
import { Counting } from "../../src/lib/counting";

/** A counter that takes `turns` turns. */
function counter(turns: number) {
  let done = 0;
  const next = vi.fn((): TokenCount => ({ done: ++done, texts: turns, tokens: done * 3, limit: 8, long: 0, cut: 0, unknown: 0, empty: 0, notes: [] }));
  return { next, free: vi.fn() };
}

describe("a count in the worker", () => {
  it("goes on to the end, and lets others have their turn between", async () => {
    const counting = new Counting();
    const pulled = counter(3);
    let others = 0;
    const timer = setInterval(() => others++);
    const count = await counting.run(pulled, counting.begin(), () => undefined);
    clearInterval(timer);
    expect(count).toMatchObject({ done: 3, tokens: 9 });
    expect(pulled.next).toHaveBeenCalledTimes(3);
    expect(pulled.free).toHaveBeenCalledOnce();
    expect(others).toBeGreaterThan(0);
  });

  it("ends where another begins, where it is stopped, and where it fails", async () => {
    const counting = new Counting();
    const first = counter(1000);
    const running = counting.run(first, counting.begin(), () => undefined);
    const second = counter(2);
    expect(await counting.run(second, counting.begin(), () => undefined)).toMatchObject({ done: 2 });
    expect(await running).toBeUndefined();
    expect(first.next.mock.calls.length).toBeLessThan(10);
    expect(first.free).toHaveBeenCalledOnce();

    const stopped = counter(1000);
    const ending = counting.run(stopped, counting.begin(), () => undefined);
    counting.stop();
    expect(await ending).toBeUndefined();
    const broken = counter(2);
    broken.next.mockImplementation(() => {
      throw new Error("broken");
    });
    await expect(counting.run(broken, counting.begin(), () => undefined)).rejects.toThrow("broken");
    expect(broken.free).toHaveBeenCalledOnce();
  });
});
