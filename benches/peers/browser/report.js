/** From measured steps to a table. */

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * One row for each contender on each set. `over` holds, for each of our two paths, the median over the rounds of this
 * contender's time divided by ours in the same round: both have had the same batch then, and the same load of the machine.
 */
export function summary({ steps }) {
  const measured = steps.filter((step) => step.warm);
  const rows = [];
  for (const set of new Set(measured.map((step) => step.set))) {
    const ofSet = measured.filter((step) => step.set === set);
    for (const contender of new Set(ofSet.map((step) => step.contender))) {
      const own = ofSet.filter((step) => step.contender === contender);
      const seconds = own.map((step) => step.seconds);
      const over = {};
      for (const base of ["ours-webgpu", "ours-cpu"]) {
        const ratios = own.flatMap((step) => {
          const other = ofSet.find((candidate) => candidate.contender === base && candidate.step === step.step);
          return other ? [step.seconds / other.seconds] : [];
        });
        if (ratios.length > 0) over[base] = median(ratios);
      }
      rows.push({
        set,
        contender,
        steps: own.length,
        median: median(seconds),
        min: Math.min(...seconds),
        max: Math.max(...seconds),
        over,
      });
    }
  }
  return rows;
}

/** A Markdown table. */
export function table({ summary }) {
  const lines = [
    "| set | contender | steps | median s | min s | max s | / ours-webgpu | / ours-cpu |",
    "|---|---|--:|--:|--:|--:|--:|--:|",
  ];
  const ratio = (value) => (value === undefined ? "" : value.toFixed(2));
  for (const { set, contender, steps, median, min, max, over } of summary) {
    const times = [median, min, max].map((seconds) => seconds.toFixed(3));
    lines.push(`| ${[set, contender, steps, ...times, ratio(over["ours-webgpu"]), ratio(over["ours-cpu"])].join(" | ")} |`);
  }
  return `${lines.join("\n")}\n`;
}
