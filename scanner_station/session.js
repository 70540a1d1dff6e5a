// Who this station is: kept in localStorage (AR-EL-005), shared by its tabs. Scans are not kept here.
import { newId } from "./ids.js";
import { day } from "./moments.js";

const SESSION = "genba.station.session";
const DEVICE = "genba.station.device";
const DIRECTION = "genba.station.direction";
const NOTICE = "genba.station.notice";
const USUAL_CAP = 100;

export const LOGIN_PAGE = "/entry-exit-login";
export const STATION_PAGE = "/entry-exit-registration";

// {token, nurseryId, nurseryName, expiresAt, offlineCap, skewSeconds}, or null.
export function current() {
  try {
    const kept = JSON.parse(localStorage.getItem(SESSION));
    return kept && kept.token ? kept : null;
  } catch (error) {
    return null;
  }
}

export function begin(answer) {
  const { token, nurseryId, nurseryName, expiresAt } = answer;
  const known = { token, nurseryId, nurseryName, expiresAt, offlineCap: USUAL_CAP, skewSeconds: 0 };
  localStorage.setItem(SESSION, JSON.stringify(known));
}

// Changes the session it was meant for: not one that was ended, or begun for another nursery, meanwhile.
export function update(nurseryId, changes) {
  const now = current();
  if (!now || now.nurseryId !== nurseryId) return null;
  const changed = Object.assign({}, now, changes);
  localStorage.setItem(SESSION, JSON.stringify(changed));
  return changed;
}

export function end() {
  localStorage.removeItem(SESSION);
}

// Tells when another tab logged out, or logged in elsewhere.
export function onChange(act) {
  window.addEventListener("storage", (event) => {
    if (event.key === SESSION || event.key === null) act(current());
  });
}

export function deviceId() {
  const known = localStorage.getItem(DEVICE) || newId();
  localStorage.setItem(DEVICE, known);
  return known;
}

// 入 or 出 as it was chosen last; a new day begins with 入.
export function direction() {
  const [type, chosen] = (localStorage.getItem(DIRECTION) || "").split(" ");
  return type === "Exit" && chosen === day(new Date()) ? "Exit" : "Entry";
}

export function choose(type) {
  localStorage.setItem(DIRECTION, `${type} ${day(new Date())}`);
}

// A sentence for the log-in page that comes next.
export function leaveNotice(text) {
  sessionStorage.setItem(NOTICE, text);
}

export function takeNotice() {
  const text = sessionStorage.getItem(NOTICE) || "";
  sessionStorage.removeItem(NOTICE);
  return text;
}
