// What happened, told to this page and to the station's other tabs: "queue" (something moved), "reach" (whether the
// service answers), "settled" (what became of scans).
const here = new EventTarget();
const others = typeof BroadcastChannel === "function" ? new BroadcastChannel("genba-station") : null;

export function tell(kind, detail) {
  say(kind, detail);
  if (others) others.postMessage({ kind, detail });
}

// In this tab alone.
export function say(kind, detail) {
  here.dispatchEvent(new CustomEvent(kind, { detail }));
}

export function on(kind, act) {
  here.addEventListener(kind, (event) => act(event.detail));
}

if (others) others.onmessage = ({ data }) => say(data.kind, data.detail);
