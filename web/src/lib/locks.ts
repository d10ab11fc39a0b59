/** Web Locks: which workers are alive, and which tab trains which run. The browser releases a lock when its tab or worker is gone. */

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

/** Resolves when the holder of the lock is gone. */
export async function whenGone(name: string): Promise<void> {
  await locks()?.request(name, () => undefined);
}

/** Locks a run for this tab; returns a function that unlocks it, or nothing if another tab trains it. */
export function lockRun(id: string): Promise<(() => void) | undefined> {
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
export async function lockedRuns(): Promise<Set<string>> {
  try {
    const { held = [] } = (await locks()?.query()) ?? {};
    return new Set(held.flatMap(({ name }) => (name?.startsWith(RUN) ? [name.slice(RUN.length)] : [])));
  } catch {
    return new Set();
  }
}
