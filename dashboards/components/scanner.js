// A scanner types into whatever has the focus: the field of this key has it, unless somebody writes elsewhere. Enter
// takes what was read into a queue and empties the field at once: the next code may come before the last one is stored.
//
// data: {field, queue: whose codes these are, done: [ids that are settled]}
// state "waiting": {items: [{id, code}], at}: all that are not settled yet, in the order they were read. Python may miss
// one telling, never a code; what it could not settle is told again. They outlive a reload of the page.
const QUIET = 300;
const AGAIN = 10_000;
const WRITES = "input, textarea, [contenteditable], [role=dialog] *";

// What to stop when Python has run again.
const STOPS = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  const note = parentElement.querySelector(".waiting");
  const field = () => document.querySelector(`.st-key-${data.field} input`);
  const place = `genba.scans.${data.queue}`;
  const waiting = () => JSON.parse(sessionStorage.getItem(place) ?? "[]");
  const notify = () => waiting().length && setStateValue("waiting", { items: waiting(), at: Date.now() });

  function keep(items) {
    sessionStorage.setItem(place, JSON.stringify(items));
    note.textContent = items.length ? `登録待ち: ${items.length}件` : "";
    note.hidden = !items.length;
  }
  function take() {
    const active = document.activeElement;
    const wanted = field();
    if (wanted && wanted !== active && !(active && active.matches(WRITES)) && !document.querySelector("[role=dialog]")) {
      wanted.focus({ preventScroll: true });
    }
  }
  const later = () => setTimeout(take, QUIET);
  function entered(event) {
    const wanted = field();
    if (event.key !== "Enter" || event.isComposing || event.target !== wanted) return;
    event.preventDefault();
    event.stopPropagation();
    const code = wanted.value.trim();
    empty(wanted);
    if (!code) return;
    // Not `crypto.randomUUID`, which plain HTTP has none of.
    const id = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
    keep([...waiting(), { id, code }]);
    notify();
  }

  STOPS.get(parentElement)?.();
  keep(waiting().filter((one) => !data.done.includes(one.id)));
  take();
  later();
  const again = setInterval(notify, AGAIN);
  document.addEventListener("click", later);
  document.addEventListener("focusout", later);
  // Before Streamlit sees it, which would keep the last of several codes alone.
  document.addEventListener("keydown", entered, true);
  const stop = () => {
    clearInterval(again);
    document.removeEventListener("click", later);
    document.removeEventListener("focusout", later);
    document.removeEventListener("keydown", entered, true);
  };
  STOPS.set(parentElement, stop);
  return stop;
}

// As if somebody had deleted it: React keeps what it was told last.
function empty(wanted) {
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(wanted, "");
  wanted.dispatchEvent(new Event("input", { bubbles: true }));
}
