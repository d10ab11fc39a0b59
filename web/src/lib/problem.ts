/**
 * What can go wrong, as the crate reports it and as the page shows it: what is wrong, and what to do. The code is the crate's own
 * (`data`, `model`, `device`, `device_memory`, `config`, `io`, ...) or the page's: `browser`, `panic`, `internal`.
 */
import type { Problem } from "../contract";

export type { Problem };

export function problem(code: string, message: string, hint: string): Problem {
  return { code, message, hint };
}

/**
 * Whatever was thrown, as a problem. The crate throws problems already; the rest is what a browser throws. Problems are
 * plain objects because those cross from the worker whole, while an `Error` would keep only its message.
 */
export function asProblem(thrown: unknown): Problem {
  if (isProblem(thrown)) {
    const { code, message, hint, row, column } = thrown;
    return { code, message, hint: hint ?? "", ...(row != null && { row }), ...(column != null && { column }) };
  }
  const name = (thrown as { name?: unknown } | null)?.name;
  const message = String((thrown as { message?: unknown } | null)?.message ?? thrown);
  if (name === "CompileError" || name === "LinkError")
    return problem(
      "browser",
      `This browser cannot run the trainer (${message}).`,
      "Use a browser from 2023 or later: the trainer needs WebAssembly with SIMD.",
    );
  // A panic of the crate ends its memory: the worker has to be replaced.
  if (name === "RuntimeError")
    return problem(
      "panic",
      `The trainer stopped with an internal error (${message}).`,
      "Your data is still here: start the training again. If it stops again, the memory may be too small: choose a smaller batch size.",
    );
  // Wasm memory, or a buffer of JavaScript's own.
  if (name === "RangeError" && /memory|allocation|array buffer/i.test(message))
    return problem(
      "memory",
      `The browser has not enough memory for this (${message}).`,
      "Close other tabs and programs, or choose a smaller batch size, then try again.",
    );
  return problem("internal", message, "Try again. If it stays, reload the page.");
}

function isProblem(thrown: unknown): thrown is Problem {
  const value = thrown as Partial<Problem> | null;
  return typeof value === "object" && value !== null && typeof value.code === "string" && typeof value.message === "string";
}

/** Whether the worker that threw it cannot go on: its memory or its GPU is gone. */
export function endsWorker({ code }: Problem): boolean {
  return code === "panic" || code === "device" || code === "memory" || code === "device_memory";
}

/** Whether it would only come again where nothing else is chosen: a GPU without room has none in the next worker either. */
export function comesAgain({ code }: Problem): boolean {
  return code === "device_memory";
}

/** The setting that a `config` problem is about, such as `optim.batch_size`: the crate puts it in front of its message. */
export function settingOf({ code, message }: Problem): string | undefined {
  return code === "config" ? /^([a-z_]+(?:\.[a-z_]+)*): /.exec(message)?.[1] : undefined;
}
