// A scanner is a keyboard that types a code and Enter (BR-ER-001, BR-ER-002). With a Japanese input method switched on,
// a key tells only where it lies (keyCode 229), the digits come as one full-width text, and Enter may be eaten. So keys
// and text are both noted, and the one that can be read counts.
//
// Half a code may be another parent's number. A code without its Enter is taken only where an input method eats Enters,
// when it came at a scanner's speed (a key every few milliseconds), then stopped, and is a number that is known.
const IDLE_MS = 250;
const SETTLE_MS = 50;
const FAST_MS = 100;
const STALE_MS = 2000;
// How long after a code the input method may still hand over what it had of it.
const ECHO_MS = 300;
const DIGIT = /^(?:Digit|Numpad)([0-9])$/;

// `onScan(text, timeStamp)` for each code; `onTorn()` for one that stopped coming; `isKnown(text)`: whether it is a
// parent's number; `isElsewhere()` while the person does something else (a dialog): only a whole code with its Enter is
// taken then.
export function listen(input, { onScan, onTorn, isKnown, isElsewhere }) {
  let keys = "";
  // A key that could not be named came: the text counts.
  let unnamed = false;
  let throughMethod = false;
  let moments = [];
  let composing = false;
  let discarding = false;
  let echoUntil = 0;
  let timer = 0;

  const readable = () => (unnamed || !keys ? input.value : keys);

  function noted(event) {
    // The text follows its key in the method's own time.
    if (event.type === "keydown" || !keys) moments.push(event.timeStamp);
    clearTimeout(timer);
    // What was typed while this page was busy comes first.
    timer = setTimeout(() => {
      timer = setTimeout(idle, SETTLE_MS);
    }, IDLE_MS);
  }

  function idle() {
    const text = readable();
    const fast = moments.every((moment, at) => !at || moment - moments[at - 1] < FAST_MS);
    if (throughMethod && fast && !isElsewhere() && isKnown(text)) finish(moments[moments.length - 1]);
    else timer = setTimeout(stale, STALE_MS);
  }

  function stale() {
    const begun = readable() !== "";
    forget();
    if (begun && !isElsewhere()) onTorn();
  }

  function finish(timeStamp) {
    const text = readable();
    forget();
    echoUntil = timeStamp + ECHO_MS;
    if (text.trim()) onScan(text, timeStamp);
  }

  function forget() {
    clearTimeout(timer);
    keys = "";
    unnamed = false;
    throughMethod = false;
    moments = [];
    if (composing) {
      // What the input method still holds has been read.
      discarding = true;
      input.blur();
    }
    input.value = "";
    if (!isElsewhere()) focus();
  }

  function ends(event) {
    const named = event.key === "Enter" || event.code === "Enter" || event.code === "NumpadEnter";
    return named || (event.key === "Tab" && readable() !== "");
  }

  document.addEventListener(
    "keydown",
    (event) => {
      // What a browser fills in by itself looks like a key without a name.
      if (!event.key) return;
      if (ends(event)) {
        if (readable() === "") {
          // In a dialog it presses the button.
          if (!isElsewhere()) event.preventDefault();
          return;
        }
        event.preventDefault();
        event.stopPropagation();
        finish(event.timeStamp);
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey) {
        // A scanner's separators come as control keys; the browser must not obey them in the middle of a code.
        if (readable() !== "") event.preventDefault();
        return;
      }
      echoUntil = 0;
      if (event.keyCode === 229) throughMethod = true;
      const digit = DIGIT.exec(event.code || "");
      const says = event.key.length === 1 && event.keyCode !== 229;
      if (says) keys += event.key;
      else if (digit) keys += digit[1];
      else if (event.keyCode === 229 || event.key === "Unidentified") unnamed = !/^(?:Shift|Alt|Control|Meta)/.test(event.code) || unnamed;
      else return;
      noted(event);
    },
    true,
  );
  input.addEventListener("beforeinput", (event) => {
    if (event.inputType !== "insertLineBreak") return;
    event.preventDefault();
    if (readable() !== "") finish(event.timeStamp);
  });
  input.addEventListener("compositionstart", () => {
    composing = true;
    throughMethod = true;
    discarding = false;
  });
  input.addEventListener("compositionend", () => {
    composing = false;
    if (discarding) input.value = "";
    discarding = false;
  });
  input.addEventListener("input", (event) => {
    if (discarding || event.timeStamp < echoUntil) input.value = "";
    else if (input.value) noted(event);
  });

  // TR-ER-005, BR-ER-003
  function focus() {
    if (!isElsewhere() && document.activeElement !== input) input.focus({ preventScroll: true });
  }
  input.addEventListener("blur", () => setTimeout(focus, 0));
  window.addEventListener("focus", focus);
  focus();
  return { focus };
}
