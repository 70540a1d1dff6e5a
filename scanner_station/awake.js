// The screen stays on while the station is in view, where the browser can do that. Its brightness it cannot set.
let lock = null;

async function hold() {
  if (document.visibilityState !== "visible" || (lock && !lock.released)) return;
  try {
    lock = await navigator.wakeLock.request("screen");
    lock.addEventListener("release", hold);
  } catch (error) {
    // A low battery, or a browser that wants a tap first: the next tap asks again.
    lock = null;
  }
}

export function stayAwake() {
  if (!navigator.wakeLock) return;
  hold();
  document.addEventListener("visibilitychange", hold);
  document.addEventListener("pointerdown", hold);
}
