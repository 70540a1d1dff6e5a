// Scans whose parent stands there and waits for the answer, because the station does not know the name itself.
import { on } from "./events.js";

const expected = new Map();

// Gives what became of the scan, {result, log, reason}; null when it took too long.
export function answerTo(clientEventId, patienceMs) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => finish(null), patienceMs);
    function finish(outcome) {
      clearTimeout(timer);
      expected.delete(clientEventId);
      resolve(outcome);
    }
    expected.set(clientEventId, finish);
  });
}

export function isAwaited(clientEventId) {
  return expected.has(clientEventId);
}

on("settled", (outcomes) => {
  outcomes.forEach((outcome) => {
    const finish = expected.get(outcome.clientEventId);
    if (finish) finish(outcome);
  });
});
