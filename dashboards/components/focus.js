// A scanner types into whatever has the focus: the field of this key has it, unless somebody writes elsewhere. After
// Enter what was read is marked, so that the next code replaces it, however soon it comes.
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
  function entered(event) {
    const wanted = field();
    if (event.key === "Enter" && event.target === wanted) setTimeout(() => wanted.select());
  }
  take();
  later();
  document.addEventListener("click", later);
  document.addEventListener("focusout", later);
  document.addEventListener("keydown", entered);
  return () => {
    document.removeEventListener("click", later);
    document.removeEventListener("focusout", later);
    document.removeEventListener("keydown", entered);
  };
}
