// 探す: a button that opens a dialog with one field; what is typed is searched after a short pause, or on Enter. Arrows
// move, Enter opens, Escape closes. Enter before the answer is there, as scanners send it, opens the record whose number
// was typed. Ctrl-K opens the dialog from anywhere, and so does / where nobody is writing and no scanner types: its codes
// may be addresses.
//
// data: {answer: {text, exact: the address that Enter opens early, or "", groups: [{title, hits: [{title, detail, address,
// badge: {label, color} | null}], more: the address of the rest, rest: a sentence where there is none}], note, failed},
// start: the same for an empty field}. Each hit is a link, too, for a tab of its own.
// state "query": {text, at}; trigger "opened": an address.
import { element } from "./zoom.js";

const DELAY_MS = 250;
const CLOSE_MENU = "[data-testid=stSidebarCollapseButton] button";
const INPUTS = "input, textarea, select, [contenteditable]";
// A dialog, or the field of scanner.js (dashboards/ui/scanning.py).
const BUSY = "[role=dialog], [class*='st-key-'][class*='-scanner']";
// By the root, which outlives the data.
const instances = new WeakMap();
// Streamlit puts an element in anew at once; later it is another visit to the page.
const REMOUNT_MS = 3000;
let count = 0;
// What stood in the open dialog when Streamlit took its element away, for the element that follows.
let interrupted = null;

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".search");
  const isNew = !instances.has(root);
  const instance = instances.get(root) ?? create(root);
  instance.request = (text) => setStateValue("query", { text, at: Date.now() });
  instance.navigate = (address) => setTriggerValue("opened", address);
  instance.data = data;
  if (isNew && interrupted && Date.now() - interrupted.at < REMOUNT_MS) instance.open(interrupted.text);
  interrupted = null;
  instance.show();
  return instance.stop;
}

function create(root) {
  const dialog = root.querySelector("dialog");
  const field = root.querySelector("input");
  const found = root.querySelector(".found");
  const note = root.querySelector(".note");
  const instance = { timer: 0, drawn: "", isEntered: false };
  const id = `search-${(count += 1)}`;
  const text = () => field.value.trim();
  const options = () => [...found.querySelectorAll(".hit")];
  const active = () => found.querySelector(".hit.active");
  const isAnswered = () => !text() || instance.data.answer.text === text();
  found.id = id;
  field.setAttribute("aria-controls", id);

  function search() {
    clearTimeout(instance.timer);
    if (text()) instance.request(text());
    instance.show();
  }
  function activate(option) {
    for (const other of options()) {
      other.classList.toggle("active", other === option);
      other.setAttribute("aria-selected", String(other === option));
    }
    if (option) field.setAttribute("aria-activedescendant", option.id);
    else field.removeAttribute("aria-activedescendant");
    option?.scrollIntoView({ block: "nearest" });
  }
  function choose(address) {
    const { pathname, searchParams } = new URL(address, location);
    dialog.close();
    // The widgets of the same list would keep what was typed into them.
    if (pathname === location.pathname && searchParams.has("q")) location.assign(address);
    else instance.navigate(address);
    // On a phone the menu is over the page.
    if (matchMedia("(width < 768px)").matches) document.querySelector(CLOSE_MENU)?.click();
  }
  instance.show = () => {
    if (!dialog.open) return;
    const shown = text() ? instance.data.answer : instance.data.start;
    // While the next answer is on its way, the last one stays.
    if (isAnswered()) {
      const key = JSON.stringify(shown);
      if (key !== instance.drawn) draw(shown);
      instance.drawn = key;
    }
    if (instance.isEntered && text() && isAnswered()) {
      instance.isEntered = false;
      if (shown.exact) return choose(shown.exact);
    }
    note.textContent = isAnswered() ? shown.note : "探しています…";
    note.classList.toggle("failed", isAnswered() && shown.failed);
    note.hidden = !note.textContent;
    found.hidden = options().length === 0;
    field.setAttribute("aria-expanded", String(!found.hidden));
  };
  function draw({ text: words, groups }) {
    let number = 0;
    const groupNodes = groups.map((group, groupNumber) => {
      const box = element("div");
      const title = element("div", "group", group.title);
      title.id = `${id}-group-${groupNumber}`;
      box.setAttribute("role", "group");
      box.setAttribute("aria-labelledby", title.id);
      const more = group.more && { title: `${group.title}をもっと見る`, detail: "", address: group.more, isMore: true };
      const hits = more ? [...group.hits, more] : group.hits;
      box.append(title, ...hits.map((hit) => link(hit, `${id}-${(number += 1)}`, words)));
      if (group.rest) box.append(element("div", "rest", group.rest));
      return box;
    });
    found.replaceChildren(...groupNodes);
    found.scrollTop = 0;
    activate(text() ? options()[0] : null);
  }
  function link(hit, optionId, words) {
    const option = element("a", hit.isMore ? "hit more" : "hit");
    option.href = hit.address;
    option.id = optionId;
    option.tabIndex = -1;
    option.setAttribute("role", "option");
    option.setAttribute("aria-selected", "false");
    const box = element("span", "words");
    const title = element("span", "title");
    title.append(...(hit.isMore ? [hit.title] : highlighted(hit.title, words)));
    box.append(title);
    if (hit.detail) {
      const detail = element("span", "detail");
      detail.append(...highlighted(hit.detail, words));
      box.append(detail);
    }
    option.append(box);
    if (hit.badge) option.append(element("span", `badge ${hit.badge.color}`, hit.badge.label));
    option.onclick = (event) => {
      // Else the browser opens a tab or a window of its own.
      if (event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      choose(hit.address);
    };
    return option;
  }
  function open() {
    if (dialog.open) return;
    dialog.showModal();
    field.select();
    instance.drawn = "";
    instance.isEntered = false;
    search();
  }
  function handleKey(event) {
    if (event.isComposing) return;
    const all = options();
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && all.length) {
      const next = all.indexOf(active()) + step;
      activate(all[(next + all.length) % all.length]);
    } else if (event.key === "Enter") {
      if (isAnswered() && active()) active().click();
      else {
        instance.isEntered = true;
        search();
      }
    } else return;
    event.preventDefault();
  }
  function handleShortcut(event) {
    const isSlash = event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey;
    // A browser that fills in a field sends events without a key.
    const isCtrlK = event.key?.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey;
    // For a moment after Escape the field of the closed dialog still has the focus.
    const target = event.composedPath()[0];
    const isTyping = target?.matches?.(INPUTS) && target.checkVisibility();
    if (event.isComposing || !(isCtrlK || (isSlash && !isTyping && !document.querySelector(BUSY)))) return;
    event.preventDefault();
    event.stopPropagation();
    open();
  }
  const searchLater = () => {
    instance.isEntered = false;
    clearTimeout(instance.timer);
    instance.timer = setTimeout(search, DELAY_MS);
  };

  instance.open = (text) => {
    field.value = text;
    open();
    field.setSelectionRange(text.length, text.length);
  };
  const button = root.querySelector(".open");
  button.onclick = open;
  // The page shows the button before it has this module; until then a press would be lost.
  button.disabled = false;
  root.querySelector(".close").onclick = () => dialog.close();
  field.oninput = (event) => event.isComposing || searchLater();
  field.addEventListener("compositionend", searchLater);
  field.onkeydown = handleKey;
  // Outside of the dialog there is only its backdrop.
  dialog.onclick = (event) => event.target === dialog && dialog.close();
  // Streamlit has keys of its own (r, c), and closes its dialogs at Escape.
  dialog.onkeydown = (event) => event.stopPropagation();
  document.addEventListener("keydown", handleShortcut, true);
  instance.stop = () => {
    clearTimeout(instance.timer);
    document.removeEventListener("keydown", handleShortcut, true);
    instances.delete(root);
    if (dialog.open) interrupted = { text: field.value, at: Date.now() };
    dialog.close();
  };
  instances.set(root, instance);
  return instance;
}

// The text in pieces, with what was typed marked where it stands there as it was typed.
function highlighted(text, words) {
  const start = words ? text.normalize("NFKC").toLowerCase().indexOf(words.normalize("NFKC").toLowerCase()) : -1;
  const end = start + (words ?? "").length;
  if (start < 0 || text.normalize("NFKC").length !== text.length) return [text];
  return [text.slice(0, start), element("mark", "", text.slice(start, end)), text.slice(end)];
}
