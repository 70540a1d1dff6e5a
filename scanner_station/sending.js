// Sends what waits, in its order, from one tab at a time. A scan leaves the queue when the service has said what became
// of it, and never because it could not be reached.
import { isAwaited } from "./answers.js";
import { renew } from "./heartbeat.js";
import { broadcast, dispatch } from "./events.js";
import { countFailure, settle, waiting } from "./queue.js";
import { ask } from "./server.js";
import { current } from "./session.js";
import { FAILED_OFTEN } from "./words.js";

const ONE = "/api/entry-exit-logs";
const MANY = "/api/entries/station/logs";
const MOST_AT_ONCE = 100;
const MOST_FAILURES = 3;
const PAUSE_MS = 5000;

let running = null;
let requested = false;
let timer = 0;

// Ends when nothing more can be done now. Called meanwhile, it goes on with what has come.
export function send() {
  requested = true;
  if (!running) {
    running = exclusively(rounds)
      .catch((error) => console.error("sending", error))
      .then(() => {
        running = null;
      });
  }
  return running;
}

function exclusively(work) {
  return navigator.locks ? navigator.locks.request("genba-station-sending", work) : work();
}

async function rounds() {
  while (requested) {
    requested = false;
    clearTimeout(timer);
    if (!(await drain())) timer = setTimeout(send, PAUSE_MS);
  }
}

// Gives whether the queue is empty, or nothing will come of trying again by itself.
async function drain() {
  let most = MOST_AT_ONCE;
  let renewed = false;
  for (;;) {
    const session = current();
    if (!session) return true;
    const records = await waiting(session.nurseryId, most);
    if (!records.length) return true;
    const answer = await deliver(session, records);
    if (answer.kind === "ok") await conclude(records, answer.results);
    else if (answer.kind === "ended") {
      if (renewed || !(await renew())) return false;
      renewed = true;
    } else if ((answer.kind === "refused" || answer.kind === "failed") && records.length > 1) {
      // One of them is the reason: each by itself from here on.
      most = 1;
    } else if (answer.kind === "refused") {
      await conclude(records, [{ status: answer.status, detail: answer.body.detail }]);
    } else if (answer.kind === "failed") {
      if ((await countFailure(records[0])) < MOST_FAILURES) return false;
      await conclude(records, [{ status: answer.status, detail: FAILED_OFTEN }]);
    } else {
      dispatch("reach", answer.kind);
      return false;
    }
    if (answer.kind !== "ended") dispatch("reach", "online");
  }
}

// One scan by the document's route, several by the route for queues; `results` are alike.
async function deliver(session, records) {
  const sentAt = new Date().toISOString();
  const scans = records.map(({ parentId, nurseryId, entryType, clientEventId, scannedAt }) => ({
    parentId: Number(parentId),
    nurseryId,
    entryType,
    clientEventId,
    scannedAt,
    sentAt,
  }));
  const { token } = session;
  if (scans.length === 1) {
    const answer = await ask("POST", ONE, { token, body: scans[0] });
    return Object.assign(answer, { results: [{ status: answer.status, log: answer.body }] });
  }
  const answer = await ask("POST", MANY, { token, body: { scans } });
  const { results } = answer.body;
  if (answer.kind === "ok" && (!results || results.length !== scans.length)) return { kind: "unreachable", body: {} };
  return Object.assign(answer, { results });
}

async function conclude(records, results) {
  const outcomes = records.map((record, at) => outcome(record, results[at]));
  await settle(outcomes);
  broadcast(
    "settled",
    outcomes.map(({ record, result, log, reason }) => ({ clientEventId: record.clientEventId, result, log, reason })),
  );
  broadcast("queue");
}

function outcome(record, { status, log, detail }) {
  if (status < 300) return { record, result: "done", log };
  // Whoever is told in red, there and then, need not be looked into by staff.
  const result = status < 500 && isAwaited(record.clientEventId) ? "gone" : "attention";
  return { record, result, reason: detail };
}
