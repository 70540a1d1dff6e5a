// What the person at the scanner sees: a flash of the whole screen (200 ms, in the style sheet), then words (3 s). The
// next scan may come at any time.
import { GREETINGS, UNSURE, recorded } from "./words.js";

const GREETING_MS = 3000;
// Who is refused has to read and do something.
const REFUSAL_MS = 6000;
const KINDS = ["good", "bad", "unsure", "recorded"];

export class Feedback {
  constructor(element) {
    this.element = element;
    this.lines = element.querySelector(".words");
    this.of = null;
    element.addEventListener("animationend", () => element.classList.remove("flash"));
  }

  greet(scan, name) {
    this.show("good", [`${name}さん。`, GREETINGS[scan.entryType]], GREETING_MS, scan);
  }

  refuse(reason, scan) {
    // The first sentence says what, the others what to do.
    const end = reason.indexOf("。") + 1 || reason.length;
    this.show("bad", [reason.slice(0, end), reason.slice(end)], REFUSAL_MS, scan);
  }

  unsure(scan) {
    const end = UNSURE.indexOf("。") + 1;
    this.show("unsure", ["要確認", UNSURE.slice(0, end), UNSURE.slice(end)], REFUSAL_MS, scan);
  }

  alreadyRecorded(scan, name) {
    this.show("recorded", [recorded(name, scan.entryType)], GREETING_MS, scan);
  }

  // Whether this scan's words are on the screen now.
  isOf(clientEventId) {
    return this.of !== null && this.of.clientEventId === clientEventId;
  }

  show(kind, lines, forMs, scan) {
    clearTimeout(this.showing);
    this.of = scan || null;
    this.lines.textContent = "";
    lines.filter(Boolean).forEach((line) => {
      const made = document.createElement("span");
      made.textContent = line;
      this.lines.appendChild(made);
    });
    this.element.classList.remove("flash", ...KINDS);
    // Looked at in between, or the flash of the scan before would not begin anew.
    this.lines.getBoundingClientRect();
    this.element.classList.add(kind, "flash", "shown");
    if (scan && scan.timeStamp) measure(scan.timeStamp);
    this.showing = setTimeout(() => this.hide(), forMs);
  }

  hide() {
    this.element.classList.remove("shown", "flash");
    this.of = null;
  }
}

// From the scanner's Enter to the frame that shows the flash (NFR-U-001); the newest alone is kept.
function measure(start) {
  requestAnimationFrame(() => {
    performance.clearMeasures("feedback");
    performance.measure("feedback", { start, end: performance.now() });
  });
}
