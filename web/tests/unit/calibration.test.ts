import { describe, expect, it } from "vitest";
import { calibrationText } from "../../src/lib/calibration";

const text = (error: number, excess: number) => calibrationText({ error, excess, bins: [] });

describe("calibration in words", () => {
  it("says what the error means, and which way it goes", () => {
    expect(text(0.03, 0.03)).toContain("Well calibrated");
    expect(text(0.1, 0.09)).toBe("Somewhat overconfident: the mean probability is 9.0 points above the accuracy.");
    expect(text(0.2, 0.2)).toContain("Strongly overconfident");
    expect(text(0.2, -0.18)).toBe("Strongly underconfident: the mean probability is 18.0 points below the accuracy.");
    expect(text(0.2, 0.01)).toContain("both directions");
  });
});
