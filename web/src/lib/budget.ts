/** The budget of each run of a comparison: a kind, a number as it is typed, and the argument that the crate reads. */
import { counted } from "./format";
import { numberOf } from "./options";

export type BudgetKind = "options" | "steps" | "seconds" | "flops";

export interface Budget {
  kind: BudgetKind;
  /** The number, in the unit of the kind. */
  text: string;
}

interface BudgetOption {
  kind: BudgetKind;
  label: string;
  help: string;
  /** What is typed at first, and its unit. */
  start: string;
  unit: string;
}

/** In the order in which they are offered. */
export const BUDGETS: BudgetOption[] = [
  { kind: "options", label: "Steps or epochs from the options", help: "Methods with cheaper steps finish earlier.", start: "", unit: "" },
  { kind: "steps", label: "Number of steps", help: "The same for every method.", start: "100", unit: "steps" },
  {
    kind: "seconds",
    label: "Training time",
    help: "Evaluations are not counted. Two short runs of each method measure how many steps fit.",
    start: "30",
    unit: "seconds",
  },
  {
    kind: "flops",
    label: "Number of FLOPs",
    help: "Operations of the encoder in training; evaluations are not counted. Two short runs of each method measure how many steps fit.",
    start: "1",
    unit: "TFLOP",
  },
];

export function budgetOption(kind: BudgetKind): BudgetOption {
  return BUDGETS.find((option) => option.kind === kind) ?? (BUDGETS[0] as BudgetOption);
}

/** The number, in the unit of the kind; nothing where the text is no such number. */
function valueOf({ kind, text }: Budget): number | undefined {
  const limits = { minimum: null, above: 0, maximum: null, below: null };
  const found = numberOf(text, { type: kind === "steps" ? "integer" : "decimal", limits });
  return "wrong" in found ? undefined : found.value;
}

/** The budget as the crate reads it, such as `steps:100`; none where the options decide, `wrong` where the text is no such number. */
export function budgetArgument(budget: Budget): { text?: string } | { wrong: string } {
  const { kind } = budget;
  if (kind === "options") return {};
  const value = valueOf(budget);
  if (value === undefined) return { wrong: kind === "steps" ? "Enter a whole number above 0." : "Enter a number above 0." };
  return { text: `${kind}:${kind === "flops" ? value * 1e12 : value}` };
}

/** `100 steps`, `1.5 TFLOP`; nothing where the options decide or the text is wrong. */
export function budgetText(budget: Budget): string | undefined {
  const value = budget.kind === "options" ? undefined : valueOf(budget);
  if (value === undefined) return undefined;
  if (budget.kind === "flops") return `${value} TFLOP`;
  return counted(value, budget.kind === "steps" ? "step" : "second");
}
