/**
 * Problems, as the crate reports and the page shows them: what is wrong, and what to do. The code is the crate's own
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
      `This browser cannot run the WebAssembly module (${message}).`,
      "Use a browser from 2023 or later, with WebAssembly SIMD.",
    );
  // After a panic of the crate its memory is unusable: the worker has to be replaced.
  if (name === "RuntimeError")
    return problem(
      "panic",
      `The worker stopped with an internal error (${message}).`,
      "Your data is still here: train again. If it fails again, there may be too little memory: choose a smaller batch size.",
    );
  // Wasm memory, or a buffer of JavaScript's own.
  if (name === "RangeError" && /memory|allocation|array buffer/i.test(message))
    return problem(
      "memory",
      `The browser does not have enough memory for this (${message}).`,
      "Close other tabs and programs, or choose a smaller batch size, then try again.",
    );
  return problem("internal", message, "Try again. If the problem persists, reload the page.");
}

function isProblem(thrown: unknown): thrown is Problem {
  const value = thrown as Partial<Problem> | null;
  return typeof value === "object" && value !== null && typeof value.code === "string" && typeof value.message === "string";
}

/** Whether the worker that threw it is unusable: its memory or its GPU is lost. */
export function endsWorker({ code }: Problem): boolean {
  return code === "panic" || code === "device" || code === "memory" || code === "device_memory";
}

/** Whether it would happen again with the same settings: a GPU without enough memory has no more in the next worker. */
export function comesAgain({ code }: Problem): boolean {
  return code === "device_memory";
}

/** The setting that a `config` problem is about, such as `optim.batch_size`: the crate puts it in front of its message. */
export function settingOf({ code, message }: Problem): string | undefined {
  return code === "config" ? /^([a-z_]+(?:\.[a-z_]+)*): /.exec(message)?.[1] : undefined;
}
