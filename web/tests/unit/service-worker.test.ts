import { afterEach, describe, expect, it, vi } from "vitest";

type Listener = (event: { waitUntil(job: Promise<unknown>): void }) => void;

/** Installs and activates a version of the page in a folder of the origin. */
async function activate(scope: string, version: string, stored: Map<string, Map<string, Response>>): Promise<void> {
  const listeners = new Map<string, Listener>();
  vi.stubGlobal("VERSION_FILES", { policy: "", version, files: { "index.html": "" } });
  vi.stubGlobal("self", {
    registration: { scope },
    clients: { matchAll: () => Promise.resolve([]), claim: () => Promise.resolve() },
    addEventListener: (name: string, listener: Listener) => listeners.set(name, listener),
  });
  vi.stubGlobal("fetch", () => Promise.resolve(new Response(version)));
  vi.stubGlobal("caches", {
    keys: () => Promise.resolve([...stored.keys()]),
    delete: (name: string) => Promise.resolve(stored.delete(name)),
    open: (name: string) => {
      const files = stored.get(name) ?? new Map<string, Response>();
      stored.set(name, files);
      return Promise.resolve({
        match: (url: string) => Promise.resolve(files.get(url)),
        put: (url: string, response: Response) => Promise.resolve(files.set(url, response)),
      });
    },
  });
  vi.resetModules();
  await import("../../src/service-worker");
  for (const name of ["install", "activate"]) {
    let job: Promise<unknown> | undefined;
    listeners.get(name)?.({ waitUntil: (given) => (job = given) });
    await job;
  }
}

describe("the page's caches", () => {
  afterEach(() => vi.unstubAllGlobals());

  it("are replaced by a new version, and those of a page in another folder are left alone", async () => {
    const stored = new Map([["softprompt-encoders", new Map<string, Response>()]]);
    await activate("https://example.org/", "1", stored);
    await activate("https://example.org/a/", "2", stored);
    await activate("https://example.org/b/", "3", stored);
    const folders = () => [...stored.values()].flatMap((files) => [...files.keys()]).sort();
    const all = ["", "a/", "b/"].map((folder) => `https://example.org/${folder}index.html`).sort();
    expect(folders()).toEqual(all);
    await activate("https://example.org/a/", "4", stored);
    expect(folders()).toEqual(all);
    expect([...stored.keys()].sort()).toEqual(["softprompt-encoders", "softprompt-page-1", "softprompt-page-3@/b/", "softprompt-page-4@/a/"]);
  });
});
