/** What a browser throws where it keeps nothing, as a problem that says what to do. */
import { asProblem, problem, type Problem } from "../problem";

export function storeProblem(thrown: unknown): Problem {
  switch ((thrown as { name?: unknown } | null)?.name) {
    case "QuotaExceededError":
      return problem(
        "full",
        "The browser has no room left to keep this.",
        "Delete runs that you do not need, or make room on the disk. Download what you want to take home.",
      );
    case "VersionError":
      return problem(
        "storage",
        "A newer version of this page has kept runs in this browser, which this one cannot read.",
        "Reload the page to get the newer one.",
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
        "This browser does not let the page keep anything.",
        "Leave the private window, or allow storage for this page. Download what you want to take home.",
      );
    default:
      return asProblem(thrown);
  }
}
