// Finds questions by what they or their answers say, and opens all of them for the printer.
const search = document.querySelector("[data-search]");
const questions = [...document.querySelectorAll("details.question")];
const found = document.querySelector("[data-found]");
const contents = document.querySelector(".contents");

// Full-width letters and katakana are found by half-width letters and hiragana.
function plain(text) {
  return text
    .normalize("NFKC")
    .toLowerCase()
    .replace(/[\u30a1-\u30f6]/g, (letter) => String.fromCharCode(letter.charCodeAt(0) - 0x60))
    .replace(/\s+/g, "");
}

const texts = questions.map((question) => plain(question.textContent));

function narrow() {
  const words = search.value.split(/[\s\u3000]+/).map(plain).filter(Boolean);
  const fits = texts.map((text) => words.every((word) => text.includes(word)));
  questions.forEach((question, place) => {
    question.hidden = !fits[place];
  });
  // A section without any of them is no heading either.
  document.querySelectorAll("section[data-questions]").forEach((section) => {
    section.hidden = !section.querySelector("details.question:not([hidden])");
  });
  // The answers, not the way to all of them, come below what was typed.
  if (contents) {
    contents.hidden = words.length > 0;
  }
  const count = fits.filter(Boolean).length;
  found.textContent = !words.length
    ? ""
    : count
      ? `${count}件の質問が見つかりました。`
      : "見つかりませんでした。別の言葉で探すか、お問い合わせください。";
}

if (search) {
  search.closest("[hidden]").hidden = false;
  search.addEventListener("input", narrow);
}

// A link from elsewhere leads to an open answer.
function openAsked() {
  const asked = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (asked && asked.matches("details")) {
    asked.open = true;
    asked.scrollIntoView();
  }
}

openAsked();
window.addEventListener("hashchange", openAsked);
window.addEventListener("beforeprint", () => {
  questions.forEach((question) => {
    question.open = true;
  });
});
