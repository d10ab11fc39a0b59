/** Numbers in a readable form, with their units. */

const grouped = new Intl.NumberFormat("en");

/** 12345 -> "12,345" */
export function count(value: number): string {
  return grouped.format(value);
}

/** (1, "row") -> "1 row", (2, "class", "classes") -> "2 classes" */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** A share as percent with one decimal: 0.9257 -> "92.6%". */
export function percent(share: number): string {
  return Number.isFinite(share) ? `${(share * 100).toFixed(1)}%` : "–";
}

/** The difference of two shares: 0.0857 -> "8.6 points". */
export function points(difference: number): string {
  return `${Math.abs(difference * 100).toFixed(1)} points`;
}

/** With its sign: 0.0123 -> "+1.2", -0.0004 -> "0.0". */
export function signedPoints(difference: number): string {
  const rounded = Math.round(difference * 1000) / 10;
  return `${rounded > 0 ? "+" : rounded < 0 ? "−" : ""}${Math.abs(rounded).toFixed(1)}`;
}

/** Floating-point operations: 1.234e12 -> "1.23 TFLOP". */
export function operations(value: number): string {
  if (!Number.isFinite(value) || value <= 0) return "–";
  const units = ["", "k", "M", "G", "T", "P", "E"];
  const power = Math.min(Math.floor(Math.log10(value) / 3), units.length - 1);
  return `${Number((value / 10 ** (3 * Math.max(power, 0))).toPrecision(3))} ${units[Math.max(power, 0)]}FLOP`;
}

/** Decimal, as download dialogs count: 90868376 -> "90.9 MB". */
export function bytes(value: number): string {
  if (value < 1000) return counted(value, "byte");
  if (value < 1e6) return `${(value / 1e3).toFixed(value < 1e5 ? 1 : 0)} kB`;
  return value < 1e9 ? `${(value / 1e6).toFixed(1)} MB` : `${(value / 1e9).toFixed(1)} GB`;
}

/** 82 -> "1 min 22 s". Under ten seconds with one decimal. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return "–";
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return whole % 60 ? `${minutes} min ${whole % 60} s` : `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
}

/** Remaining time, rounded: 82 -> "about 1 min", 7.2 -> "a few seconds". */
export function timeLeft(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return "–";
  if (seconds < 10) return "a few seconds";
  if (seconds < 55) return `about ${Math.round(seconds / 5) * 5} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `about ${minutes} min`;
  return `about ${duration(Math.round(minutes / 10) * 600)}`;
}

/** 1234.5 -> "1,235 tokens/s", 51234 -> "51.2k tokens/s", 103721 -> "104k tokens/s": never longer, so that nothing moves. */
export function speed(tokensPerSecond: number): string {
  if (!Number.isFinite(tokensPerSecond)) return "–";
  const thousands = `${(tokensPerSecond / 1e3).toFixed(tokensPerSecond < 99_950 ? 1 : 0)}k`;
  return `${tokensPerSecond < 1e4 ? count(Math.round(tokensPerSecond)) : thousands} tokens/s`;
}

/** Three digits that mean something: 1.94612 -> "1.95", 0.04217 -> "0.042". */
export function loss(value: number): string {
  return Number.isFinite(value) ? value.toFixed(value < 0.1 ? 3 : 2) : "–";
}

/**
 * The crate's messages start small and end open; the page shows sentences: "use 1 or more" -> "Use 1 or more." The name of a file
 * stays as it is.
 */
export function sentence(text: string): string {
  const trimmed = text.trim();
  if (trimmed === "") return "";
  const named = /^\S+\.[a-z0-9]{2,11}(?=[\s:,]|$)/i.test(trimmed);
  return (named ? trimmed[0]! : trimmed[0]!.toUpperCase()) + trimmed.slice(1) + (/[.!?…]$/.test(trimmed) ? "" : ".");
}

const day = new Intl.DateTimeFormat("en", {
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  hour12: false,
});

/** Milliseconds since 1970, as a date and a time of day: "21 Nov 2026, 14:05" or as the browser puts it. */
export function moment(milliseconds: number): string {
  return Number.isFinite(milliseconds) ? day.format(milliseconds) : "–";
}
