// 入退登録システムのログイン画面
import { workOffline } from "./offline.js";
import { ask } from "./server.js";
import * as session from "./session.js";
import { NOTHING_TYPED, NO_SERVER } from "./words.js";

const at = (id) => document.getElementById(id);

function say(text) {
  at("error").textContent = text;
  at("error").hidden = !text;
}

function busy(text) {
  at("submit").disabled = text !== "";
  at("submit").textContent = text || "ログイン";
  at("form").setAttribute("aria-busy", String(text !== ""));
}

async function logIn(event) {
  event.preventDefault();
  say("");
  if (!at("code").value.trim() || !at("password").value) {
    say(NOTHING_TYPED);
    return;
  }
  busy("ログインしています…");
  const answer = await ask("POST", "/api/auth/entry-exit-login", {
    body: {
      nurseryCode: at("code").value.normalize("NFKC").trim(),
      password: at("password").value,
      deviceId: session.deviceId(),
      appVersion: self.GENBA_STATION.version,
    },
  });
  if (answer.kind === "ok") {
    session.begin(answer.body);
    busy("読み込んでいます…");
    location.replace(session.STATION_PAGE);
    return;
  }
  busy("");
  say(answer.body.detail || NO_SERVER);
  at("password").select();
}

function showPassword() {
  const shown = at("password").type === "text";
  at("password").type = shown ? "password" : "text";
  at("show").setAttribute("aria-pressed", String(!shown));
  at("show").setAttribute("aria-label", shown ? "パスワードを表示する" : "パスワードを隠す");
}

if (session.current()) location.replace(session.STATION_PAGE);
say(session.takeNotice());
at("form").addEventListener("submit", logIn);
at("show").addEventListener("click", showPassword);
workOffline(() => at("code").value === "" && at("password").value === "").catch((error) => console.error(error));
at("code").focus();
document.body.dataset.ready = "yes";
