/** Calibration in words. */
import type { Understanding } from "../contract";
import { points } from "./format";

/** Expected calibration error up to which a probability can be taken at its word, and up to which roughly. */
const GOOD = 0.05;
const FAIR = 0.12;

/** What the figures say, in a sentence or two. */
export function calibrationText({ error, excess }: Understanding["calibration"]): string {
  if (error <= GOOD)
    return `The probabilities can be taken at their word: from how often it is right they are only ${points(error)} away.`;
  const size = error <= FAIR ? "somewhat" : "much";
  // One-sided where nearly all of the error goes one way.
  if (Math.abs(excess) < error / 2) return "The probabilities are off in both directions: take them as an order, not as shares.";
  return excess > 0
    ? `It is ${size} too sure: on average it says ${points(excess)} more than it is right.`
    : `It is ${size} too modest: on average it is right ${points(excess)} more often than it says.`;
}
