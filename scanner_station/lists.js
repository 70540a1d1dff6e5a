// The newest ten scans (UI-ER-007), and what staff have to look into.
import { hourAndMinute, full } from "./moments.js";
import { ARROWS, STATUSES, TYPES } from "./words.js";

function cell(row, text, kind) {
  const made = row.insertCell();
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function direction(row, type) {
  const made = cell(row, "", type === "Entry" ? "in" : "out");
  const arrow = document.createElement("b");
  arrow.textContent = ARROWS[type];
  const word = document.createElement("span");
  word.textContent = TYPES[type];
  made.append(arrow, word);
}

function named(scan) {
  return scan.parentName || `保護者ID ${scan.parentId}`;
}

// What happened; what is said after it is for the parent at the scanner.
function firstSentence(text) {
  return text.slice(0, text.indexOf("。") + 1) || text;
}

export function showRecent(body, scans) {
  body.textContent = "";
  scans.forEach((scan) => {
    const row = body.insertRow();
    cell(row, hourAndMinute(new Date(scan.scannedAt)));
    cell(row, named(scan));
    direction(row, scan.entryType);
    const badge = document.createElement("span");
    badge.className = `badge ${scan.status}`;
    badge.textContent = STATUSES[scan.status];
    cell(row, "").append(badge);
  });
  if (!scans.length) cell(body.insertRow(), "まだスキャンはありません。").colSpan = 4;
}

export function showAttention(body, scans, act) {
  body.textContent = "";
  scans.forEach((scan) => {
    const row = body.insertRow();
    cell(row, full(new Date(scan.scannedAt)));
    cell(row, named(scan));
    direction(row, scan.entryType);
    cell(row, firstSentence(scan.reason));
    cell(row, "", "actions").append(
      button("再送信", () => act("again", scan)),
      button("削除", () => act("remove", scan)),
    );
  });
}

function button(text, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "small";
  made.textContent = text;
  made.addEventListener("click", act);
  return made;
}

// For the list on paper: everything that the service does not have yet.
export function asRows(attention, waiting) {
  const row = (status) => (scan) => [
    full(new Date(scan.scannedAt)),
    scan.parentId,
    scan.parentName,
    TYPES[scan.entryType],
    STATUSES[status],
    firstSentence(scan.reason || ""),
  ];
  return [
    ["時刻", "保護者ID", "保護者名", "入/出", "ステータス", "理由"],
    ...attention.map(row("attention")),
    ...waiting.map(row("waiting")),
  ];
}
