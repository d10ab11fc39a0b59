/** The page without a network: registers the service worker, and says when a new version waits. */

export class Offline {
  /** Whether the page opens without a network from now on. */
  ready = $state(false);
  /** A new version of the page is here and waits until it is asked for. */
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

  /** The page is not kept any more; the next visit is like the first. */
  async forget(): Promise<void> {
    const registered = this.#registered;
    this.#registered = this.waiting = undefined;
    this.ready = false;
    await registered?.unregister();
  }

  /** Takes the new version; the browser asks first where something would be lost. */
  reload(): void {
    const { waiting } = this;
    if (!waiting) return;
    navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
    waiting.postMessage("activate");
  }
}
