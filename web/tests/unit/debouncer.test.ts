import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Debouncer } from "../../src/lib/debouncer";

/** Answers after so many milliseconds; notes what was asked, answered and whether two calls overlapped. */
function slow(milliseconds: number) {
  const seen = { asked: [] as string[], answered: [] as string[], overlapped: false };
  let busy = false;
  const latest = new Debouncer<string, string>(
    200,
    async (question) => {
      seen.overlapped ||= busy;
      busy = true;
      seen.asked.push(question);
      await new Promise((resolve) => setTimeout(resolve, milliseconds));
      busy = false;
      return question.toUpperCase();
    },
    (answer) => seen.answered.push(answer),
  );
  return { latest, seen };
}

describe("the latest question", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("is asked once a burst is over", async () => {
    const { latest, seen } = slow(10);
    for (const text of ["a", "ab", "abc"]) {
      latest.submit(text);
      await vi.advanceTimersByTimeAsync(150);
    }
    expect(seen.asked).toEqual([]);
    await vi.advanceTimersByTimeAsync(100);
    expect(seen).toEqual({ asked: ["abc"], answered: ["ABC"], overlapped: false });
  });

  it("waits for the answer before it, which is dropped, and nothing queues up", async () => {
    const { latest, seen } = slow(1000);
    latest.submit("first");
    await vi.advanceTimersByTimeAsync(250);
    for (const text of ["second", "third", "fourth"]) {
      latest.submit(text);
      await vi.advanceTimersByTimeAsync(210);
    }
    await vi.advanceTimersByTimeAsync(5000);
    expect(seen).toEqual({ asked: ["first", "fourth"], answered: ["FOURTH"], overlapped: false });
  });

  it("is asked at once when that is wanted", async () => {
    const { latest, seen } = slow(10);
    latest.submit("now", true);
    await vi.advanceTimersByTimeAsync(20);
    expect(seen.answered).toEqual(["NOW"]);
  });

  it("can be forgotten, before and while it is answered", async () => {
    const { latest, seen } = slow(100);
    latest.submit("one");
    latest.cancel();
    latest.submit("two");
    await vi.advanceTimersByTimeAsync(250);
    latest.cancel();
    await vi.advanceTimersByTimeAsync(1000);
    expect(seen).toEqual({ asked: ["two"], answered: [], overlapped: false });
  });
});
