/** What happens where a run is asked for while an option cannot be used. */
import { describe, expect, it } from "vitest";
import type { Client } from "../../src/lib/client";
import { Comparison } from "../../src/lib/comparison.svelte";
import type { Session } from "../../src/lib/session.svelte";
import { Training } from "../../src/lib/training.svelte";

/** A page with a table; the options are wrong as typed, or refused by the crate. */
function setUp(draftsWrong: boolean, accepted: boolean) {
  const seen = { corrected: 0 };
  const session = {
    stage: "ready",
    source: { name: "rows.csv", bytes: new Blob([""]) },
    encoder: { change: undefined },
    draftsWrong,
    validate: () => Promise.resolve(accepted),
    correct: () => void seen.corrected++,
    library: { persist: () => Promise.reject(new Error("a run begins")), freeName: () => "rows" },
  };
  return { seen, session: session as unknown as Session };
}

describe("an option that cannot be used", () => {
  it.each([
    [true, true],
    [false, false],
  ])("is gone to instead of a run or a comparison (drafts wrong: %s, accepted: %s)", async (draftsWrong, accepted) => {
    const { seen, session } = setUp(draftsWrong, accepted);
    await new Training(session, {} as Client).train();
    expect(seen.corrected).toBe(1);
    await new Comparison(session, {} as Client).choose();
    expect(seen.corrected).toBe(2);
    expect(session.stage).toBe("ready");
  });
});
