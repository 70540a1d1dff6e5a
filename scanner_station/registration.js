// 入退登録画面: wires the scanner to the queue, and the queue to what is seen.
import { answerTo } from "./answers.js";
import { stayAwake } from "./awake.js";
import { read } from "./barcode.js";
import { csv, download } from "./csv.js";
import * as dialogs from "./dialogs.js";
import { Feedback } from "./feedback.js";
import * as heartbeat from "./heartbeat.js";
import { newId } from "./ids.js";
import { asRows, showAttention, showRecent } from "./lists.js";
import { day, full } from "./moments.js";
import { broadcast, on } from "./events.js";
import { workOffline } from "./offline.js";
import * as queue from "./queue.js";
import * as roster from "./roster.js";
import { listen } from "./scanner.js";
import { send } from "./sending.js";
import { ask } from "./server.js";
import * as session from "./session.js";
import * as words from "./words.js";

const ANSWER_MS = 2000;
const IDLE_MS = 60000;
const WARN_AT = 0.8;
const WRONG_CLOCK_SECONDS = 120;

const at = (id) => document.getElementById(id);
const feedback = new Feedback(at("feedback"));
let direction = session.direction();
let reach = "unknown";
let lastScan = 0;
let scanner = null;

async function scanned(text, timeStamp) {
  const made = new Date();
  lastScan = Date.now();
  dialogs.closeAll();
  const mine = session.current();
  if (!mine) return leave();
  const card = read(text);
  if (!card) return undefined;
  if (card.refusal) return feedback.refuse(card.refusal, { timeStamp });
  const name = roster.nameOf(card.parentId);
  const scan = {
    clientEventId: newId(),
    nurseryId: mine.nurseryId,
    parentId: card.parentId,
    parentName: name,
    entryType: direction,
    scannedAt: made.toISOString(),
  };
  const seen = Object.assign({ timeStamp }, scan);
  at("waiting").classList.add("reading");
  try {
    const kept = await queue.keep(scan, mine.offlineCap, name !== "");
    if (kept === "double") feedback.alreadyRecorded(seen, name);
    else if (kept === "full") feedback.refuse(words.FULL, seen);
    else if (name) feedback.greet(seen, name);
    else await greetWhenKnown(scan, seen);
  } catch (error) {
    console.error("keeping", error);
    feedback.refuse(words.NOT_KEPT, seen);
  } finally {
    at("waiting").classList.remove("reading");
  }
  broadcast("queue");
  return send();
}

function isKnown(text) {
  const card = read(text);
  return Boolean(card && card.parentId && roster.nameOf(card.parentId));
}

// The roster does not know this number. The service is asked while the parent waits; if it cannot be, staff decide.
async function greetWhenKnown(scan, seen) {
  const away = reach === "unreachable" || reach === "down";
  const answer = away ? null : answerTo(scan.clientEventId, ANSWER_MS);
  send();
  const outcome = await answer;
  if (!outcome) {
    await queue.show(scan.clientEventId);
    feedback.unsure(seen);
  } else if (outcome.result !== "done") feedback.refuse(outcome.reason, seen);
  else if (outcome.log.alreadyRecorded) feedback.alreadyRecorded(seen, outcome.log.parentName);
  else feedback.greet(seen, outcome.log.parentName);
}

function choose(type) {
  direction = type;
  session.choose(type);
  showDirection();
}

function showDirection() {
  at("entry").setAttribute("aria-pressed", String(direction === "Entry"));
  at("exit").setAttribute("aria-pressed", String(direction === "Exit"));
  document.body.dataset.direction = direction;
}

function showClock() {
  const now = full(new Date());
  if (at("clock").textContent === now) return;
  at("clock").textContent = now;
  // Chosen in another tab; or a new day has begun, with 入.
  if (session.direction() === direction) return;
  direction = session.direction();
  showDirection();
}

async function showQueue() {
  const mine = session.current();
  if (!mine) return;
  at("nursery").textContent = mine.nurseryName;
  const depth = await queue.depth(mine.nurseryId);
  showRecent(at("recent"), await queue.recent(mine.nurseryId));
  showState(depth);
  showNotices(mine, depth);
  at("look").hidden = !depth.attention;
  at("look").textContent = `要確認 ${depth.attention}件`;
  at("save").hidden = !depth.waiting;
}

function showState({ waiting }) {
  const states = {
    unknown: ["asking", "接続を確認しています"],
    unreachable: ["offline", "オフライン"],
    down: ["offline", "サーバー障害"],
    online: [waiting ? "queued" : "online", waiting ? "送信中" : "オンライン"],
  };
  const [kind, text] = states[reach];
  at("state").className = `state ${kind}`;
  at("state-text").textContent = waiting ? `${text}（未送信${waiting}件）` : text;
}

function showNotices(mine, { waiting, others }) {
  const notices = [];
  if (waiting >= mine.offlineCap) notices.push(["bad", words.FULL]);
  else if (waiting >= mine.offlineCap * WARN_AT) notices.push(["unsure", words.nearlyFull(waiting, mine.offlineCap)]);
  if (reach === "down") notices.push(["bad", words.DATABASE_DOWN]);
  if (Math.abs(mine.skewSeconds) > WRONG_CLOCK_SECONDS) notices.push(["unsure", words.wrongClock(mine.skewSeconds)]);
  if (others) notices.push(["unsure", words.ofOthers(others)]);
  at("notices").textContent = "";
  notices.forEach(([kind, text]) => {
    const notice = document.createElement("p");
    notice.className = `notice ${kind}`;
    notice.textContent = text;
    at("notices").append(notice);
  });
}

async function openAttention() {
  await showAttentionList();
  at("attention").showModal();
}

async function showAttentionList() {
  const { nurseryId } = session.current();
  const scans = await queue.attention(nurseryId);
  showAttention(at("attention-rows"), scans, async (what, scan) => {
    if (what === "again") await queue.sendAgain(scan.clientEventId);
    else if (await sure(scan)) await queue.remove(scan.clientEventId);
    broadcast("queue");
    if (what === "again") await send();
    await showAttentionList();
  });
  at("attention-empty").hidden = scans.length > 0;
}

function sure(scan) {
  const whose = scan.parentName ? `${scan.parentName}さん` : `保護者ID ${scan.parentId}`;
  const what = `${full(new Date(scan.scannedAt))}、${whose}の「${words.TYPES[scan.entryType]}」`;
  const text = `${what}をこの端末から削除します。元に戻せません。必要なときは、先にCSVで保存してください。`;
  return dialogs.ask("記録を削除しますか？", text, "削除する");
}

async function saveList() {
  const { nurseryId } = session.current();
  const rows = asRows(await queue.attention(nurseryId), await queue.waiting(nurseryId));
  download(`入退記録_未登録_${day(new Date())}.csv`, csv(rows));
}

async function logOut() {
  const mine = session.current();
  if (!mine) return leave();
  const { waiting } = await queue.depth(mine.nurseryId);
  if (!(await dialogs.ask("ログアウトしますか？", words.beforeLogOut(waiting), "ログアウトする"))) return undefined;
  heartbeat.stop();
  session.end();
  const loggedOut = ask("POST", "/api/entries/station/logout", { token: mine.token });
  await queue.forgetNames();
  // Without a network the session ends here alone; staff can end it in the dashboards too.
  await Promise.race([loggedOut, new Promise((resolve) => setTimeout(resolve, ANSWER_MS))]);
  return leave();
}

function leave() {
  heartbeat.stop();
  location.replace(session.LOGIN_PAGE);
}

// iPadOS takes a scanner's keys only after a tap.
function needsTap() {
  const tablet = /iPad|iPhone/.test(navigator.userAgent) || (/Mac/.test(navigator.platform) && navigator.maxTouchPoints > 1);
  return tablet || document.activeElement !== at("scan");
}

function isIdle() {
  const waits = at("state").classList.contains("queued") || at("state").classList.contains("offline");
  return Date.now() - lastScan > IDLE_MS && !dialogs.isOpen() && !waits;
}

function wire(nurseryId) {
  scanner = listen(at("scan"), {
    onScan: scanned,
    onTorn: () => feedback.refuse(words.TORN),
    isKnown,
    isElsewhere: dialogs.isOpen,
  });
  at("entry").addEventListener("click", () => choose("Entry"));
  at("exit").addEventListener("click", () => choose("Exit"));
  at("log-out").addEventListener("click", logOut);
  at("look").addEventListener("click", openAttention);
  at("save").addEventListener("click", saveList);
  at("attention-save").addEventListener("click", saveList);
  at("attention-close").addEventListener("click", () => at("attention").close());
  document.querySelectorAll("dialog").forEach((dialog) => dialog.addEventListener("close", () => scanner.focus()));
  at("start").hidden = !needsTap();
  at("start").addEventListener("click", () => {
    at("start").hidden = true;
    scanner.focus();
  });
  on("queue", showQueue);
  on("reach", (now) => {
    const changed = now !== reach;
    reach = now;
    if (changed) showQueue();
  });
  on("settled", (outcomes) => {
    // Greeted by the roster, and refused by the service while the parent still stands there.
    const refused = outcomes.find(({ result, clientEventId }) => result === "attention" && feedback.isOf(clientEventId));
    if (refused) feedback.refuse(refused.reason);
  });
  on("alive", ({ nurseryId, rosterVersion }) => {
    roster.refresh(nurseryId, rosterVersion);
    showQueue();
    send();
  });
  on("ended", leave);
  session.onChange((now) => {
    if (!now) leave();
    // Another nursery's names would be greeted by this one's.
    else if (now.nurseryId !== nurseryId) location.reload();
    else showQueue();
  });
  window.addEventListener("online", heartbeat.beat);
  window.addEventListener("pagehide", heartbeat.stop);
  window.addEventListener("pageshow", (event) => event.persisted && location.reload());
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && heartbeat.beat());
}

async function begin() {
  const mine = session.current();
  if (!mine) return leave();
  wire(mine.nurseryId);
  showDirection();
  showClock();
  setInterval(showClock, 250);
  stayAwake();
  workOffline(isIdle).catch((error) => console.error("working offline", error));
  await roster.load(mine.nurseryId);
  await showQueue();
  document.body.dataset.ready = "yes";
  return Promise.all([heartbeat.start(), send()]);
}

begin();
