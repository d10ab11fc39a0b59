/** Prints the figures of a bench as one table, in the order in which they were first noted. */
import type { FullConfig, FullResult, Reporter, Suite, TestCase, TestResult } from "@playwright/test/reporter";
import { FIGURE, type Figure } from "./figures";

export default class Table implements Reporter {
  readonly #figures = new Map<string, Figure[]>();
  #failed = 0;

  onBegin(_: FullConfig, suite: Suite) {
    console.log(`Measuring: ${suite.allTests().length} runs, one after the other`);
  }

  onTestEnd(test: TestCase, result: TestResult) {
    const ok = result.status === "passed";
    console.log(`  ${test.title}: ${ok ? `${(result.duration / 1000).toFixed(0)} s` : "could not be measured"}`);
    if (!ok) {
      this.#failed += 1;
      for (const { message } of result.errors) console.log(message);
      return;
    }
    for (const { type, description } of result.annotations) {
      if (type !== FIGURE || !description) continue;
      const figure = JSON.parse(description) as Figure;
      this.#figures.set(figure.what, [...(this.#figures.get(figure.what) ?? []), figure]);
    }
  }

  onEnd(_: FullResult) {
    console.log("\n| what | runs | median | least | greatest | longest task |\n|---|--:|--:|--:|--:|--:|");
    for (const [what, figures] of this.#figures) {
      const values = figures.map(({ value }) => value).sort((a, b) => a - b);
      const [{ unit }] = figures as [Figure];
      const shown = [median(values), values[0]!, values.at(-1)!].map((value) => `${value.toFixed(2)} ${unit}`);
      console.log(`| ${[what, values.length, ...shown, task(figures)].join(" | ")} |`);
    }
    console.log("\nLongest task: of the page's own thread in any of the runs; a person notices from 50 ms on.");
    if (this.#failed) console.log(`${this.#failed} could not be measured.`);
  }

  printsToStdio() {
    return true;
  }
}

const median = (sorted: number[]) => (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;

function task(figures: Figure[]): string {
  const longest = figures.flatMap(({ longest }) => (longest === undefined ? [] : [longest]));
  if (longest.length === 0) return "";
  return Math.max(...longest) === 0 ? "none over 50 ms" : `${Math.max(...longest)} ms`;
}
