// Every 30 seconds: I am here (FR-HB-001). The answer is a token for eight hours more, and what has changed.
import { dispatch } from "./events.js";
import { depth } from "./queue.js";
import { ask } from "./server.js";
import { current, end, leaveNotice, update } from "./session.js";
import { ENDED } from "./words.js";

const EVERY_MS = 30000;
const RETRIES = 3;
const RETRY_AFTER_MS = 2000;

let timer = 0;
let beating = null;

export function start() {
  stop();
  timer = setInterval(beat, EVERY_MS);
  return beat();
}

export function stop() {
  clearInterval(timer);
}

// Gives whether the service answered.
export function beat() {
  if (!beating) {
    beating = tries()
      .catch((error) => {
        console.error("heartbeat", error);
        return false;
      })
      .then((answered) => {
        beating = null;
        return answered;
      });
  }
  return beating;
}

async function tries() {
  for (let retry = 0; ; retry += 1) {
    const kind = await once();
    if (kind === "ok") return true;
    if (kind === "ended") return false;
    // The console alone is told (TR-HB-005); on the screen only the state dot changes.
    console.warn(`heartbeat: ${kind}, ${RETRIES - retry} retries left`);
    dispatch("reach", kind === "down" ? "down" : "unreachable");
    if (retry === RETRIES) return false;
    await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS));
  }
}

// One try, without retries: for a token that has expired. Gives whether there is a new one.
export async function renew() {
  return (await once()) === "ok";
}

async function once() {
  const session = current();
  if (!session) return "ended";
  const { token, nurseryId } = session;
  const queue = await depth(nurseryId);
  const sent = Date.now();
  const answer = await ask("POST", "/api/auth/heartbeat", {
    token,
    body: {
      sentAt: new Date(sent).toISOString(),
      queueDepth: queue.waiting,
      needsAttention: queue.attention,
      oldestQueuedAt: queue.oldest,
      appVersion: self.GENBA_STATION.version,
    },
  });
  if (answer.kind === "ok") renewed(nurseryId, answer.body, sent);
  if (answer.kind === "ended") ended(token);
  return answer.kind;
}

function renewed(nurseryId, answer, sent) {
  const { token, expiresAt, nurseryName, offlineCap, serverTime, rosterVersion } = answer;
  // The service's time lies between question and answer.
  const skewSeconds = Math.round(((sent + Date.now()) / 2 - Date.parse(serverTime)) / 1000);
  if (!update(nurseryId, { token, expiresAt, nurseryName, offlineCap, skewSeconds })) return;
  dispatch("reach", "online");
  dispatch("alive", { nurseryId, rosterVersion });
}

// The service knows this session no more. Another tab may have logged in again meanwhile.
function ended(token) {
  const now = current();
  if (!now || now.token !== token) return;
  leaveNotice(ENDED);
  end();
  dispatch("ended");
}
