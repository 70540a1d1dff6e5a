// The cards that were opened on this phone (TR-PA-004): shown at once, and without a network. Each is
// { token, parentId, parentName, nurseryName, modules }; the one opened last stands first.
"use strict";

const KEPT = "genba.parent-cards";
const MOST_KEPT = 10;
let cards = [];

function readKept() {
  try {
    const found = JSON.parse(localStorage.getItem(KEPT) || "[]");
    cards = Array.isArray(found) ? found.filter((one) => one && one.token && one.modules) : [];
  } catch (error) {
    // A browser that keeps nothing for us shows the card all the same, while it is online.
  }
  return cards;
}

function writeKept() {
  try {
    localStorage.setItem(KEPT, JSON.stringify(cards));
  } catch (error) {
    console.warn("cards cannot be kept", error);
  }
}

function keep(card) {
  cards = [card, ...readKept().filter((one) => one.token !== card.token)]
    .filter((one, place) => place === 0 || one.parentId !== card.parentId)
    .slice(0, MOST_KEPT);
  writeKept();
}

function forget(token) {
  cards = readKept().filter((one) => one.token !== token);
  writeKept();
}

function keptCard(token) {
  return readKept().find((one) => one.token === token);
}
