/**
 * Caches the built page for offline use. The build writes `VERSION_FILES` (see `vite.config.ts`): every file with what its
 * content hashes to. A version is one cache; a file that has not changed is copied from the version before. The encoders have a
 * cache of their own, which is not touched.
 */
/// <reference lib="webworker" />
export {};
declare const self: ServiceWorkerGlobalScope;
declare const VERSION_FILES: { policy: string; version: string; files: Record<string, string> };

const PREFIX = "softprompt-page-";
const { policy, version, files } = VERSION_FILES;
// Several pages may be in folders of one origin, whose caches they share.
const folder = new URL(self.registration.scope).pathname;
const current = `${PREFIX}${version}${folder === "/" ? "" : `@${folder}`}`;
/** Address of a file of the page. */
const address = (path: string) => new URL(path, self.registration.scope).href;
const INDEX = "index.html";
const known = new Map(Object.keys(files).map((path) => [address(path), path]));

/**
 * A file of this version from the server. Its hash is checked: while a server gets new files, old and new ones must not mix. The
 * cached response has the policy, even if a static server sends none.
 */
async function fetched(path: string, hash: string): Promise<Response> {
  // The page itself has just fetched the files with a hash in their names.
  const cache = path.startsWith("assets/") ? "default" : "no-cache";
  const response = await fetch(address(path), { cache, credentials: "same-origin" });
  if (!response.ok) throw new Error(`${path} answered with status ${response.status}`);
  const bytes = await response.arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (!found.startsWith(hash)) throw new Error(`${path} is of another version`);
  return new Response(bytes, {
    headers: {
      "content-type": response.headers.get("content-type") ?? "application/octet-stream",
      "content-length": String(bytes.byteLength),
      "content-security-policy": policy,
      "x-content-type-options": "nosniff",
      "x-page-hash": hash,
    },
  });
}

/** Caches of the page in this folder. */
async function versions(): Promise<string[]> {
  return (await caches.keys()).filter((name) => name.startsWith(PREFIX) && (name.split("@")[1] ?? "/") === folder);
}

/** All files, or none: a version that is not complete is not installed. */
async function install(): Promise<void> {
  const before = (await versions()).filter((name) => name !== current);
  const cache = await caches.open(current);
  for (const [path, hash] of Object.entries(files)) {
    const url = address(path);
    const had = await cache.match(url);
    if (had?.headers.get("x-page-hash") === hash) continue;
    let found: Response | undefined;
    for (const name of before) {
      const other = await (await caches.open(name)).match(url);
      if (other?.headers.get("x-page-hash") === hash) found = other;
    }
    await cache.put(url, found ?? (await fetched(path, hash)));
  }
}

/** Removes versions that no open page can be using. */
async function tidy(): Promise<void> {
  const open = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  if (open.length > 1) return;
  for (const name of await versions()) if (name !== current) await caches.delete(name);
}

/** From this version, or from an earlier one that a page in another tab still runs; else from the server. */
async function answer(request: Request, path: string): Promise<Response> {
  for (const name of [current, ...(await versions())]) {
    const found = await (await caches.open(name)).match(address(path));
    if (found) return found;
  }
  return fetch(request);
}

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(tidy().then(() => self.clients.claim())));

self.addEventListener("message", (event) => {
  // The user has asked for the new version.
  if (event.data === "activate") event.waitUntil(self.skipWaiting());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  const url = new URL(request.url);
  url.search = url.hash = "";
  const { scope } = self.registration;
  // Files of an earlier version, which a page in another tab still runs, have other names than this one's.
  const earlier = url.href.startsWith(`${scope}assets/`) ? url.href.slice(scope.length) : undefined;
  const path = url.href === scope ? INDEX : (known.get(url.href) ?? earlier);
  if (path === undefined) return;
  event.respondWith(answer(request, path));
  if (request.mode === "navigate") event.waitUntil(tidy());
});
