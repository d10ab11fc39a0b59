import { describe, expect, it } from "vitest";
import { calibrationText } from "../../src/lib/calibration";

const text = (error: number, excess: number) => calibrationText({ error, excess, bins: [] });

describe("calibration in words", () => {
  it("says what the error means, and which way it goes", () => {
    expect(text(0.03, 0.03)).toContain("at their word");
    expect(text(0.1, 0.09)).toBe("It is somewhat too sure: on average it says 9.0 points more than it is right.");
    expect(text(0.2, 0.2)).toContain("much too sure");
    expect(text(0.2, -0.18)).toBe("It is much too modest: on average it is right 18.0 points more often than it says.");
    expect(text(0.2, 0.01)).toContain("both directions");
  });
});
