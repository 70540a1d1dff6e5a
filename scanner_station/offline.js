// The service worker that opens these pages without a network, and when a newer one may take over: not while somebody
// scans, nor while scans wait.
const WORKER = "/entry-exit-sw.js";
const SCOPE = "/entry-exit-";
const LOOK_MS = 10 * 60 * 1000;
const IDLE_LOOK_MS = 2000;

// `isIdle()`: whether this page may be loaded anew right now.
export async function workOffline(isIdle) {
  const { serviceWorker } = navigator;
  if (!serviceWorker) return;
  let controlled = Boolean(serviceWorker.controller);
  let outdated = false;
  serviceWorker.addEventListener("controllerchange", () => {
    // The first one to come serves the files that this page is made of already.
    outdated = controlled;
    controlled = true;
  });
  const worker = await serviceWorker.register(WORKER, { scope: SCOPE, updateViaCache: "none" });
  setInterval(() => worker.update().catch((error) => console.warn("no newer version found", error)), LOOK_MS);
  setInterval(() => {
    if (!isIdle()) return;
    if (outdated) location.reload();
    else if (worker.waiting) worker.waiting.postMessage("take over");
  }, IDLE_LOOK_MS);
  // Asked for once; an installed page is granted it, and then nothing is cleared to make room.
  if (navigator.storage && navigator.storage.persist) navigator.storage.persist();
}
