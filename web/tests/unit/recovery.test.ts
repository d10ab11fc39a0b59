/** How often a run resumes by itself after its worker or its GPU is lost. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { RunConfig } from "../../src/contract";
import type { Client } from "../../src/lib/client";
import { Library } from "../../src/lib/library.svelte";
import { problem } from "../../src/lib/problem";
import type { Session } from "../../src/lib/session.svelte";
import { newRecord } from "../../src/lib/store/record";
import { RunStore } from "../../src/lib/store/runs";

const record = newRecord("run", { prompt: { method: "prompt" } } as RunConfig, "rows.csv", undefined, "tiny");
const lost = problem("panic", "The worker was lost.", "");

/** A library whose run is saved at a step, or not at all. */
function library() {
  const saved = { step: 0 };
  const open = async () => (saved.step ? { table: {}, checkpoint: {}, view: { step: { step: saved.step } } } : undefined);
  vi.spyOn(RunStore, "open").mockResolvedValue({ open } as unknown as RunStore);
  const found = new Library({ announcement: "" } as unknown as Session, {} as Client);
  /** Whether the run resumes after a loss. */
  const resumes = async (why = lost): Promise<boolean> => {
    const answer = found.recover(record, why).then(() => true, (thrown) => (expect(thrown).toEqual(why), false));
    await vi.runAllTimersAsync();
    return answer;
  };
  return { found, saved, resumes };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

test("a run that is lost again and again at one step is given up", async () => {
  const { found, saved, resumes } = library();
  for (const at of [0, 40]) {
    saved.step = at;
    found.begin(undefined);
    expect([await resumes(), await resumes(), await resumes(), await resumes(), await resumes()]).toEqual([true, true, true, false, false]);
    expect(found.recovered).toMatchObject({ step: at, times: 3 });
  }
});

test("a run that makes progress in between resumes as often as it is lost", async () => {
  const { found, saved, resumes } = library();
  found.begin(undefined);
  for (let step = 1; step <= 9; step++) {
    saved.step = step;
    expect(await resumes()).toBe(true);
  }
  expect(found.recovered).toMatchObject({ step: 9, times: 9 });
});

test("what would happen again, or is no loss, is not tried again", async () => {
  const { found, resumes } = library();
  found.begin(undefined);
  expect(await resumes(problem("device_memory", "No memory.", ""))).toBe(false);
  expect(await resumes(problem("config", "optim.lr: 0 is too small", ""))).toBe(false);
});
