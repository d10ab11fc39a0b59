/** Navigation in a confusion matrix: rows are labels, columns are predicted classes. */

const STEPS: Record<string, [number, number]> = {
  ArrowRight: [0, 1],
  ArrowLeft: [0, -1],
  ArrowDown: [1, 0],
  ArrowUp: [-1, 0],
};

/** The next cell with rows in it in the direction of an arrow key; sideways it continues in the next line. None for other keys. */
export function nextCell(counts: number[][], [row, column]: [number, number], key: string): [number, number] | undefined {
  const step = STEPS[key];
  if (!step) return undefined;
  const size = counts.length;
  if (step[0] === 0) {
    for (let at = row * size + column + step[1]; at >= 0 && at < size * size; at += step[1]) {
      const [line, cell] = [Math.floor(at / size), at % size];
      if (counts[line]?.[cell]) return [line, cell];
    }
    return undefined;
  }
  // Up and down: of the next line that has any, the nearest one.
  for (let line = row + step[0]; line >= 0 && line < size; line += step[0]) {
    let nearest: number | undefined;
    counts[line]?.forEach((value, cell) => {
      if (value > 0 && (nearest === undefined || Math.abs(cell - column) < Math.abs(nearest - column))) nearest = cell;
    });
    if (nearest !== undefined) return [line, nearest];
  }
  return undefined;
}

/** The largest cells off the diagonal, the largest first. */
export function topConfusions(counts: number[][], most: number): { actual: number; predicted: number; rows: number }[] {
  return counts
    .flatMap((row, actual) => row.map((rows, predicted) => ({ actual, predicted, rows })))
    .filter(({ actual, predicted, rows }) => rows > 0 && actual !== predicted)
    .sort((a, b) => b.rows - a.rows)
    .slice(0, most);
}
