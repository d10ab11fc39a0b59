/** What each run of a comparison may take: a kind, a number as it is typed, and the word that the crate reads. */
import { counted } from "./format";
import { numberOf } from "./options";

export type SpendKind = "options" | "steps" | "seconds" | "flops";

export interface Spend {
  kind: SpendKind;
  /** The number, in the unit of the kind. */
  text: string;
}

interface Offer {
  kind: SpendKind;
  label: string;
  help: string;
  /** What is typed at first, and its unit. */
  start: string;
  unit: string;
}

/** In the order in which they are offered. */
export const SPENDS: Offer[] = [
  { kind: "options", label: "As long as the options say", help: "Methods whose steps cost less are done earlier.", start: "", unit: "" },
  { kind: "steps", label: "A number of steps", help: "Every method takes as many.", start: "100", unit: "steps" },
  {
    kind: "seconds",
    label: "A time",
    help: "In steps; measuring held-out rows comes on top. Two short runs of each method tell how many steps fit.",
    start: "30",
    unit: "seconds",
  },
  {
    kind: "flops",
    label: "A number of operations",
    help: "Of the encoder, in steps; measuring held-out rows comes on top. Two short runs of each method tell how many steps fit.",
    start: "1",
    unit: "TFLOP",
  },
];

export function offerOf(kind: SpendKind): Offer {
  return SPENDS.find((offer) => offer.kind === kind) ?? (SPENDS[0] as Offer);
}

/** The number, in the unit of the kind; nothing where the text is no such number. */
function valueOf({ kind, text }: Spend): number | undefined {
  const limits = { minimum: null, above: 0, maximum: null, below: null };
  const found = numberOf(text, { type: kind === "steps" ? "integer" : "decimal", limits });
  return "wrong" in found ? undefined : found.value;
}

/** The crate's word for it, such as `steps:100`; none where the options decide, `wrong` where the text is no such number. */
export function wordOf(spend: Spend): { word?: string } | { wrong: string } {
  const { kind } = spend;
  if (kind === "options") return {};
  const value = valueOf(spend);
  if (value === undefined) return { wrong: kind === "steps" ? "Give a whole number above 0." : "Give a number above 0." };
  return { word: `${kind}:${kind === "flops" ? value * 1e12 : value}` };
}

/** `100 steps`, `1.5 TFLOP`; nothing where the options decide or the text is wrong. */
export function spendText(spend: Spend): string | undefined {
  const value = spend.kind === "options" ? undefined : valueOf(spend);
  if (value === undefined) return undefined;
  if (spend.kind === "flops") return `${value} TFLOP`;
  return counted(value, spend.kind === "steps" ? "step" : "second");
}
