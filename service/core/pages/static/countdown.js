// What is left of the time, counted from when the page was made: the phone's own clock may be wrong.
const shown = document.querySelector("[data-seconds-left]");
const until = performance.now() + 1000 * Number(shown.dataset.secondsLeft);

function show() {
  const left = Math.max(0, Math.ceil((until - performance.now()) / 1000));
  shown.textContent = `${Math.floor(left / 60)}分${left % 60}秒`;
  if (left > 0) {
    window.setTimeout(show, 250);
  } else {
    // The page says what now. A moment later: the service's second may not be over yet.
    window.setTimeout(() => window.location.reload(), 1500);
  }
}

show();
