// A scanner types into whatever has the focus: the field of this key has it, unless somebody writes elsewhere.
const QUIET = 300;
const WRITES = "input, textarea, [contenteditable], [role=dialog] *";

export default function ({ data }) {
  const field = () => document.querySelector(`.st-key-${data.field} input`);
  function take() {
    const active = document.activeElement;
    const wanted = field();
    if (wanted && wanted !== active && !(active && active.matches(WRITES)) && !document.querySelector("[role=dialog]")) {
      wanted.focus({ preventScroll: true });
    }
  }
  const later = () => setTimeout(take, QUIET);
  take();
  later();
  document.addEventListener("click", later);
  document.addEventListener("focusout", later);
  return () => {
    document.removeEventListener("click", later);
    document.removeEventListener("focusout", later);
  };
}
