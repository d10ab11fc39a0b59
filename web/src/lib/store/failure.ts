/** Errors of the browser's storage, as problems that say what to do. */
import { asProblem, problem, type Problem } from "../problem";

export function storeProblem(thrown: unknown): Problem {
  switch ((thrown as { name?: unknown } | null)?.name) {
    case "QuotaExceededError":
      return problem(
        "full",
        "The storage of this browser is full.",
        "Delete saved runs that you do not need, or free disk space. Download the adapter if you need it.",
      );
    case "VersionError":
      return problem(
        "storage",
        "The runs in this browser were saved by a newer version of this page, which this version cannot read.",
        "Reload the page to load the newer version.",
      );
    case "SecurityError":
    case "InvalidStateError":
    case "UnknownError":
    case "NotFoundError":
    case "NotAllowedError":
    case "AbortError":
    case "ReferenceError":
    case "TypeError":
      return problem(
        "storage",
        "This browser does not allow the page to store anything.",
        "Leave private browsing, or allow storage for this page. Download the adapter if you need it.",
      );
    default:
      return asProblem(thrown);
  }
}
