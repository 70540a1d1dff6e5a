// What a scanner typed, as the number on a parent's card (BR-ER-004, SEC-008).
import { NOT_A_NUMBER, UNKNOWN_PARENT } from "./words.js";

const MOST_DIGITS = 10;
// Separators of GS1-128 and other control characters, and what an input method makes of none.
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\ufeff]/g;
// A scanner may say first which kind of code it read: ]C0 and ]C1 for Code128 and GS1-128, ]Q1 for QR. With a Japanese
// input method switched on, the bracket comes as 」.
const KIND = /^[\]」][A-Za-z][0-9A-Za-z]/;
// A QR code that leads to the parent's card names the parent as number=….
const CARD = /^https?:\/\/[^/\s]+\/parent-card(?:[/?#][^\s]*)?$/i;
const NUMBER_IN_CARD = /[?&#]number=([^&#\s]*)/i;

// Gives {parentId} as digits, or {refusal} in words, or null when nothing was read.
export function read(scanned) {
  const text = bare(scanned);
  if (!text) return null;
  if (!/^[0-9]+$/.test(text)) return { refusal: NOT_A_NUMBER };
  if (text.startsWith("0")) return { refusal: UNKNOWN_PARENT };
  return text.length > MOST_DIGITS ? { refusal: NOT_A_NUMBER } : { parentId: text };
}

function bare(scanned) {
  const text = scanned.normalize("NFKC").replace(CONTROL, "").trim().replace(KIND, "").trim();
  const number = CARD.test(text) && NUMBER_IN_CARD.exec(text);
  if (number) return number[1];
  // Code39 carries its start and stop signs along.
  return text.replace(/^\*(.*)\*$/, "$1");
}
