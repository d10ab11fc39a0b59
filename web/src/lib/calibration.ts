/** Calibration in words. */
import type { ResultSummary } from "../contract";
import { points } from "./format";

/** Expected calibration error up to which a classifier is well calibrated, and up to which it is only somewhat off. */
const GOOD = 0.05;
const FAIR = 0.12;

/** The calibration in a sentence. */
export function calibrationText({ error, excess }: ResultSummary["calibration"]): string {
  if (error <= GOOD)
    return `Well calibrated: the probabilities differ from the accuracy by only ${points(error)} on average.`;
  const size = error <= FAIR ? "Somewhat" : "Strongly";
  // One-sided where nearly all of the error goes one way.
  if (Math.abs(excess) < error / 2) return "Poorly calibrated in both directions: use the probabilities to rank predictions, not as estimates of accuracy.";
  return excess > 0
    ? `${size} overconfident: the mean probability is ${points(excess)} above the accuracy.`
    : `${size} underconfident: the mean probability is ${points(excess)} below the accuracy.`;
}
