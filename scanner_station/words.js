// What the station says. The refusals of a scan are the service's own (service/entries/logs/rules.py).
export const UNKNOWN_PARENT =
  "保護者が見つかりません。カードの番号を確かめ、見つからないときは園の職員にお知らせください。";
export const NOT_A_NUMBER = "バーコードを読み取れませんでした。1～10桁の数字の保護者IDをスキャンしてください。";
export const TORN = "読み取りが途中で切れました。もう一度スキャンしてください。";
export const FULL =
  "端末に保存できる件数の上限に達したため、記録できません。手書きの台帳に記入してください。";
export const NOT_KEPT = "この端末に記録を保存できませんでした。手書きの台帳に記入してください。";
export const UNSURE = "保護者を確認できませんでした。記録は端末に保存しました。園の職員にお知らせください。";
export const FAILED_OFTEN = "送信に3回失敗しました。園の職員にお知らせください。";
export const ENDED =
  "この端末のログインは終了しています。もう一度ログインしてください。未送信の記録は端末に残っています。";
export const NOTHING_TYPED = "保育園コードとパスワードを入力してください。";
export const NO_SERVER =
  "サーバーに接続できません。ネットワークの接続を確認して、もう一度お試しください。";
export const DATABASE_DOWN =
  "サーバーのデータベースに接続できません。スキャンした記録はこの端末に保存し、復旧後に送信します。念のため、手書きの台帳にも記入してください。";

export const GREETINGS = { Entry: "おはようございます。", Exit: "お疲れ様でした。" };
export const TYPES = { Entry: "入", Exit: "出" };
export const ARROWS = { Entry: "↓", Exit: "↑" };
export const STATUSES = { done: "成功", waiting: "未送信", attention: "要確認", recorded: "記録済み" };

export function recorded(name, type) {
  return `${name ? `${name}さんの` : ""}「${TYPES[type]}」は記録済みです。`;
}

export function nearlyFull(waiting, cap) {
  return `未送信の記録が${waiting}件あります（上限${cap}件）。上限に達すると記録できなくなります。ネットワークの接続を確認してください。`;
}

export function wrongClock(seconds) {
  const minutes = Math.round(Math.abs(seconds) / 60);
  return `この端末の時計が約${minutes}分${seconds > 0 ? "進んで" : "遅れて"}います。端末の日付と時刻の設定を確認してください。`;
}

export function ofOthers(count) {
  return `別の保育園の未送信の記録が${count}件、この端末に残っています。その保育園でログインすると送信されます。`;
}

export function beforeLogOut(waiting) {
  if (!waiting) return "ログアウトすると、もう一度ログインするまでスキャンを記録できません。";
  return `未送信の記録が${waiting}件あります。ログアウトしても端末に残り、同じ保育園でログインすると送信されます。`;
}
