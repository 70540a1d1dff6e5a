// The parent's card. The link's token stands behind the #; what it opens is asked for, shown and kept.
"use strict";

const PATIENCE_MS = 10000;
const element = (id) => document.getElementById(id);
const views = ["card", "menu", "notice"];
let shown = null;
let lock = null;
let lastTurn = 0;

function show(view) {
  views.forEach((name) => (element(name).hidden = name !== view));
  // What there is to go back to: the menu, once a card is known.
  element("back").hidden = view === "menu" || readKept().length === 0;
}

function showCard(card) {
  shown = card;
  element("name").textContent = `${card.parentName} 様`;
  element("number").textContent = String(card.parentId);
  element("code").setAttribute("aria-label", `保護者ID ${card.parentId} のバーコード`);
  show("card");
  drawCode(element("code"), card.modules);
  stayAwake();
}

function showMenu() {
  shown = null;
  const list = element("cards");
  list.textContent = "";
  readKept().forEach((card) => {
    const button = document.createElement("button");
    const title = document.createElement("strong");
    const whose = document.createElement("span");
    button.type = "button";
    title.textContent = "入退管理バーコード";
    whose.textContent = `${card.parentName} 様　${card.nurseryName}`;
    button.append(title, whose);
    button.addEventListener("click", () => goTo(card.token));
    list.appendChild(document.createElement("li")).appendChild(button);
  });
  show("menu");
}

function showNotice(title, text, retry) {
  shown = null;
  element("notice-title").textContent = title;
  element("notice-text").textContent = text;
  element("retry").hidden = !retry;
  element("others").hidden = readKept().length === 0;
  show("notice");
  element("back").hidden = true;
}

function goTo(token) {
  if (location.hash.slice(1) === token) start();
  else location.hash = token;
}

// What the service says: { card }, or { refused: why } when the link opens nothing, or nothing when it cannot be asked.
async function ask(token) {
  const control = "AbortController" in window ? new AbortController() : null;
  const patience = setTimeout(() => control && control.abort(), PATIENCE_MS);
  try {
    const answer = await fetch("/api/entries/cards/open", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token }),
      cache: "no-store",
      signal: control ? control.signal : undefined,
    });
    if (answer.ok) return { card: Object.assign({ token }, await answer.json()) };
    const problem = await answer.json();
    if (answer.status === 404 || answer.status === 422) return { refused: problem.detail };
    return { busy: problem.detail };
  } catch (error) {
    return {};
  } finally {
    clearTimeout(patience);
  }
}

async function start() {
  const turn = (lastTurn += 1);
  const token = location.hash.slice(1) || (readKept()[0] || {}).token;
  if (!token) {
    showNotice(
      "バーコードがまだありません",
      "保育園から届いたメールのリンク、またはカードのQRコードから開いてください。",
      false,
    );
    return;
  }
  const kept = keptCard(token);
  if (kept) {
    keep(kept);
    showCard(kept);
  } else showNotice("読み込んでいます…", "そのままお待ちください。", false);
  const { card, refused, busy } = await ask(token);
  if (turn !== lastTurn) return; // Another card was opened meanwhile.
  if (card) {
    keep(card);
    if (!kept || shown) showCard(card);
  } else if (refused) {
    forget(token);
    showNotice("このバーコードは使えません", refused, false);
  } else if (!kept) {
    showNotice(
      "バーコードを表示できませんでした",
      busy || "通信できません。電波の届くところで、もう一度お試しください。",
      true,
    );
  }
}

// The screen stays on while the card is in view, where the browser can do that.
async function stayAwake() {
  if (!navigator.wakeLock || !shown || document.visibilityState !== "visible" || (lock && !lock.released)) return;
  try {
    lock = await navigator.wakeLock.request("screen");
  } catch (error) {
    lock = null; // A low battery, or a browser that wants a tap first.
  }
}

document.addEventListener("visibilitychange", stayAwake);
document.addEventListener("pointerdown", stayAwake);
window.addEventListener("resize", () => shown && drawCode(element("code"), shown.modules));
window.addEventListener("hashchange", start);
element("back").addEventListener("click", showMenu);
element("others").addEventListener("click", showMenu);
element("retry").addEventListener("click", start);
start();
if ("serviceWorker" in navigator) {
  navigator.serviceWorker.register("/parent-card/worker.js", { scope: "/parent-card" }).catch((error) => console.warn(error));
}
