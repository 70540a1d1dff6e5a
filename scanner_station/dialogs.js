// Asking before something is done; while a dialog is open, the focus is its own.
export function isOpen() {
  return document.querySelector("dialog[open]") !== null;
}

export function closeAll() {
  document.querySelectorAll("dialog[open]").forEach((dialog) => dialog.close());
}

// Gives whether the person said yes. Neither Enter nor Escape says it by accident.
export function ask(title, text, yes) {
  const dialog = document.getElementById("question");
  dialog.querySelector("h2").textContent = title;
  dialog.querySelector("p").textContent = text;
  const agree = dialog.querySelector("button.yes");
  agree.textContent = yes;
  return new Promise((resolve) => {
    let answer = false;
    agree.onclick = () => {
      answer = true;
      dialog.close();
    };
    dialog.querySelector("button.no").onclick = () => dialog.close();
    dialog.onclose = () => resolve(answer);
    dialog.showModal();
    dialog.querySelector("button.no").focus();
  });
}
