/** Offline use: registers the service worker, and knows when a new version is waiting. */

export class Offline {
  /** Whether the page is cached for offline use. */
  ready = $state(false);
  /** A new version of the page, waiting until the user asks for it. */
  waiting = $state.raw<ServiceWorker>();
  #registered: ServiceWorkerRegistration | undefined;

  async open(): Promise<void> {
    // In development files change under the page's feet.
    if (!import.meta.env.PROD || !("serviceWorker" in navigator)) return;
    try {
      const { serviceWorker } = navigator;
      const found = await serviceWorker.register(new URL("sw.js", document.baseURI), { updateViaCache: "none" });
      if (!found) return;
      this.#registered = found;
      const look = () => {
        // The first version has nothing to wait for.
        if (found.waiting && serviceWorker.controller) this.waiting = found.waiting;
      };
      look();
      found.addEventListener("updatefound", () => found.installing?.addEventListener("statechange", look));
      await serviceWorker.ready;
      this.ready = this.#registered !== undefined;
    } catch {
      // An insecure address or a private window: the page works, with a network.
    }
  }

  /** Removes the offline copy; the next visit is like the first. */
  async forget(): Promise<void> {
    const registered = this.#registered;
    this.#registered = this.waiting = undefined;
    this.ready = false;
    await registered?.unregister();
  }

  /** Loads the new version; the browser asks first if a result would be lost. */
  reload(): void {
    const { waiting } = this;
    if (!waiting) return;
    navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
    waiting.postMessage("activate");
  }
}
