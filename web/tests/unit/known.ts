import type { SavedAnswers } from "../../src/lib/store/answers";

/** Of a run with one right answer of each class and two wrong ones. */
export const known = (): SavedAnswers => ({
  summary: {
    rows: 4,
    mistakes: 2,
    accuracy: { low: 0.3, high: 0.7 },
    macro_f1: { low: 0.2, high: 0.8 },
    calibration: { error: 0.1, excess: 0.05, bins: [{ low: 0, high: 1, count: 4, confidence: 0.6, accuracy: 0.5 }] },
  },
  labels: ["a", "b"],
  rows: [9, 3, 2, 5],
  truth: [0, 1, 0, 1],
  predicted: [1, 0, 0, 1],
  probability: [0.9, 0.6, 0.8, 0.7],
  truthProbability: [0.1, 0.4, 0.8, 0.7],
  nearest: { rows: [{ member: 1, row: 1, tokens: [{ token: "##my secret", cosine: 0.5 }] }] },
  report:
    '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n' +
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">\n` +
    "<title>report</title></head><body><p>a text of the user</p></body></html>",
});
