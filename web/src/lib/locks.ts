/** Web Locks: who is alive, and who trains which run. A lock is let go by the browser itself when its tab or its worker is gone. */

const RUN = "softprompt-run ";

/** Absent at an insecure address. */
function locks(): LockManager | undefined {
  return (navigator as { locks?: LockManager }).locks;
}

/** Takes a lock for as long as this page or worker lives; never resolves where there are no locks. */
export function stayAlive(name: string): Promise<void> {
  return new Promise((held) => {
    void locks()?.request(name, () => {
      held();
      return new Promise(() => undefined);
    });
  });
}

/** Resolves when who took the lock is gone. */
export async function whenGone(name: string): Promise<void> {
  await locks()?.request(name, () => undefined);
}

/** Takes a run for this tab; gives a function that lets it go, or nothing where another tab trains it. */
export function holdRun(id: string): Promise<(() => void) | undefined> {
  return new Promise((answer) => {
    const manager = locks();
    if (!manager) return answer(() => undefined);
    manager
      .request(RUN + id, { ifAvailable: true }, (lock) => {
        if (!lock) return void answer(undefined);
        return new Promise<void>((release) => answer(release));
      })
      .catch(() => answer(() => undefined));
  });
}

/** Runs that are being trained, in this tab or another one. */
export async function heldRuns(): Promise<Set<string>> {
  try {
    const { held = [] } = (await locks()?.query()) ?? {};
    return new Set(held.flatMap(({ name }) => (name?.startsWith(RUN) ? [name.slice(RUN.length)] : [])));
  } catch {
    return new Set();
  }
}
