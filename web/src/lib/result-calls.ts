/** The worker's calls for the result of the run that it holds. */
import type { PredictedRows, Nearest, Prediction, Run, ResultSummary } from "../contract";

/**
 * @param run the run that was trained; it throws where there is none
 * @param turn waits until the run is not at work, then does the job
 */
export function resultCalls(run: () => Run, turn: <R>(job: () => R | Promise<R>) => Promise<R>) {
  return {
    async understand(): Promise<ResultSummary> {
      return turn(() => run().understand());
    },

    async mistakes(from: number, most: number): Promise<PredictedRows> {
      return turn(() => run().mistakes(from, most));
    },

    async cell(truth: number, predicted: number, from: number, most: number): Promise<PredictedRows> {
      return turn(() => run().cell(truth, predicted, from, most));
    },

    async nearest(): Promise<Nearest> {
      return turn(() => run().nearest());
    },

    async report(file: string): Promise<string> {
      return turn(() => run().report(file));
    },

    async predict(texts: string[]): Promise<Prediction[]> {
      return turn(() => run().predict(texts));
    },
  };
}
