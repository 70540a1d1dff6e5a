// The service worker that opens these pages without a network, and when a newer one may take over: not while somebody
// scans, nor while scans wait.
const WORKER = "/entry-exit-sw.js";
const SCOPE = "/entry-exit-";
const LOOK_MS = 10 * 60 * 1000;

// `isIdle()`: whether this page may be loaded anew right now.
export async function workOffline(isIdle) {
  if (!navigator.serviceWorker) return;
  const firstVisit = !navigator.serviceWorker.controller;
  if (!firstVisit) navigator.serviceWorker.addEventListener("controllerchange", () => isIdle() && location.reload());
  const worker = await navigator.serviceWorker.register(WORKER, { scope: SCOPE, updateViaCache: "none" });
  setInterval(() => worker.update().catch(() => {}), LOOK_MS);
  setInterval(() => takeOver(worker, isIdle), 5000);
  // Asked for once; an installed page is granted it, and then nothing is cleared to make room.
  if (navigator.storage && navigator.storage.persist) navigator.storage.persist();
}

function takeOver(worker, isIdle) {
  if (worker.waiting && isIdle()) worker.waiting.postMessage("take over");
}
