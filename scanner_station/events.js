// What happened, sent to this page and to the station's other tabs: "queue" (something moved), "reach" (whether the
// service answers), "settled" (what became of scans).
const here = new EventTarget();
const others = typeof BroadcastChannel === "function" ? new BroadcastChannel("genba-station") : null;

export function broadcast(kind, detail) {
  dispatch(kind, detail);
  if (others) others.postMessage({ kind, detail });
}

// In this tab alone.
export function dispatch(kind, detail) {
  here.dispatchEvent(new CustomEvent(kind, { detail }));
}

export function on(kind, act) {
  here.addEventListener(kind, (event) => act(event.detail));
}

if (others) others.onmessage = ({ data }) => dispatch(data.kind, data.detail);
