// Streamlit's own words, which it has in English only. Words from people and records are left as they are.
const WORDS = new Map(Object.entries({
  "(required)": "（必須）",
  "Add an option": "選択肢を追加",
  "Add rows": "行を追加",
  "App pages": "ページの一覧",
  "Autosize": "幅を自動調整",
  "Browse files": "ファイルを選択",
  "button": "ボタン",
  "Button action menu": "操作のメニュー",
  "Choose an option": "選択してください",
  "Choose date": "日付を選択",
  "Choose date range": "期間を選択",
  "Choose options": "選択してください",
  "Clear selection": "選択を解除",
  "Clear value": "入力を消す",
  "Close": "閉じる",
  "Close fullscreen": "全画面表示を終了",
  "Collapse sidebar": "メニューを閉じる",
  "Connection error": "接続が切れました",
  "Copied": "コピーしました",
  "Copy column name": "列名をコピー",
  "Copy to clipboard": "コピー",
  "Dataframe column menu": "列のメニュー",
  "Date range": "期間",
  "Delete row(s)": "行を削除",
  "Dismiss": "閉じる",
  "Download as CSV": "CSVでダウンロード",
  "Drag and drop file here": "ここにファイルをドロップ",
  "Drag and drop files here": "ここにファイルをドロップ",
  "empty": "データがありません",
  "Enter a valid email address.": "メールアドレスの形式で入力してください。",
  "Expand sidebar": "メニューを開く",
  "Export as CSV": "CSVでダウンロード",
  "Format": "表示形式",
  "Fullscreen": "全画面表示",
  "Help": "説明",
  "Hide column": "列を隠す",
  "Hide password text": "パスワードを隠す",
  "Logo": "Genba（現場）",
  "multiselect": "選択肢",
  "Navigate to home page": "最初の画面へ",
  "Next month": "翌月",
  "No options to select.": "選択肢がありません。",
  "No results": "該当する選択肢がありません",
  "No results found": "該当する選択肢がありません",
  "number": "数値",
  "Open": "開く",
  "Page not found": "ページが見つかりません",
  "Past 2 Years": "過去2年",
  "Past 3 Months": "過去3か月",
  "Past 6 Months": "過去6か月",
  "Past Month": "過去1か月",
  "Past Week": "過去1週間",
  "Past Year": "過去1年",
  "Pin column": "列を固定",
  "Previous month": "前月",
  "progress": "割合",
  "Quick select a date range": "期間をまとめて選択",
  "Remove": "取り除く",
  "Rerun": "再実行",
  "Search": "検索",
  "Select a date": "日付を選択",
  "Select all": "すべて選択",
  "Select...": "選択してください",
  "Show password text": "パスワードを表示",
  "Show/hide columns": "列の表示と非表示",
  "Sidebar": "メニュー",
  "Skip to main content": "本文へ移動",
  "Sort ascending": "このページの中で昇順に並べ替え",
  "Sort descending": "このページの中で降順に並べ替え",
  "Statistics": "統計",
  "text": "文字",
  "This field is required.": "入力してください。",
  "Unpin column": "列の固定を解除",
  "Upload": "ファイルを選択",
  "Vega visualization": "グラフ",
  "View less": "少なく表示",
}));
// Whole sentences that no record contains, so they are translated wherever they stand.
const SENTENCES = new Map(Object.entries({
  "Use arrow keys to navigate dates. Enter to select. Escape to close.":
    "矢印キーで日付を移動し、Enterキーで選択、Escキーで閉じます。",
  "Streamlit server is not responding. Are you connected to the internet?":
    "画面のサーバーから応答がありません。ネットワークの接続をご確認ください。自動で再接続します。",
  "Is Streamlit still running? If you accidentally stopped Streamlit, just restart it in your terminal:":
    "画面のサーバーが停止しています。再開すると、自動で再接続します。",
}));
// November 22, 2026 → 2026/11/22
const inFigures = (text) =>
  text.replace(/([A-Z][a-z]+) (\d+), (\d{4})/g, (_, month, day, year) =>
    `${year}/${new Date(`${month} 1, 2000`).getMonth() + 1}/${day}`).replace(" to ", "～");
const PATTERNS = [
  [/^Selected (?:Date|Range|Date Range): (.+)$/, (_, said) => `選択中: ${inFigures(said)}`],
  // Streamlit repeats a label's Markdown where only its text is heard.
  [/^(.+) :[a-z]+-badge\[(.+)\]$/, "$1（$2）"],
  [/^Fullscreen: (.+)$/, "「$1」を全画面で表示"],
  [/^Search: (.+)$/, "「$1」の表示中の行を検索"],
  [/^Show\/hide columns: (.+)$/, "「$1」の列の表示と非表示"],
  [/^Download as CSV: (.+)$/, "「$1」の表示中の行をCSVでダウンロード"],
  [/^(\d+) options? available\.$/, "選択肢は$1件です。"],
  [/^Choose date(?: range)?, (.+)$/, "日付を選択、$1"],
  [/^(.+) start date$/, "$1の開始日"],
  [/^(.+) end date$/, "$1の終了日"],
  // The parts of an empty date.
  [/^yyyy$/, "年"],
  [/^mm$/, "月"],
  [/^dd$/, "日"],
  [/^Help for (.+)$/, "「$1」の説明"],
  // The word beside the icon says it all.
  [/^[a-z0-9_]+ icon$/, ""],
  [/^View (\d+) more$/, "ほか$1件を表示"],
  [/^([\d.]+) ?([KMG]?B) per file$/, "1ファイル$1$2まで"],
  [/^Limit ([\d.]+) ?([KMG]?B) per file(?: • (.+))?$/, "1ファイル$1$2まで $3"],
  [/^Press Enter to (?:apply|submit form)$/, "Enterキーで確定"],
  [/^Press (Ctrl|⌘)\+Enter to (?:apply|submit form)$/, "$1+Enterキーで確定"],
];
// "year, 設置日": a part of a date that is typed in.
const PARTS = { "year, ": "年、", "month, ": "月、", "day, ": "日、", "hour, ": "時、", "minute, ": "分、" };
// An empty part of a time: mm is a month elsewhere.
const EMPTY = { hour: "時", minute: "分" };
const ATTRIBUTES = ["aria-label", "title", "placeholder", "alt"];
const RECORDS = "[data-testid=stMarkdownContainer], [data-testid=stHtml], [data-testid=stDataFrame] table, textarea";
// Streamlit writes some words of its own as Markdown too.
const CHROME = "[data-testid=stTooltipContent], [data-testid=stFileUploader] button";

function translated(text) {
  const key = text.trim();
  if (!/[A-Za-z]/.test(key)) return null;
  if (WORDS.has(key)) return WORDS.get(key);
  const part = Object.keys(PARTS).find((beginning) => key.startsWith(beginning));
  if (part) return PARTS[part] + (translated(key.slice(part.length)) ?? key.slice(part.length));
  const found = PATTERNS.find(([pattern]) => pattern.test(key));
  return found ? key.replace(found[0], found[1]).trim() : null;
}

function translateText(node) {
  const parent = node.parentElement;
  if (!parent) return;
  const part = /^(hh|mm)$/i.test(node.data.trim()) && EMPTY[parent.closest("[data-type]")?.dataset.type];
  if (part) {
    node.data = part;
    return;
  }
  const isRecord = parent.closest(RECORDS) && !parent.closest(CHROME);
  const text = SENTENCES.get(node.data.trim()) ?? (isRecord ? null : translated(node.data));
  if (text !== null) node.data = text;
}

function translateAttributes(element) {
  for (const name of ATTRIBUTES) {
    const value = element.getAttribute(name);
    const text = value ? translated(value) : null;
    if (text) element.setAttribute(name, text);
    else if (text === "") hideFromReaders(element, name);
  }
}

// A picture without a name would be read as one.
function hideFromReaders(element, name) {
  element.removeAttribute(name);
  if (element.getAttribute("role") === "img") element.setAttribute("aria-hidden", "true");
}

function translateTree(root) {
  if (root.nodeType === Node.TEXT_NODE) return translateText(root);
  if (root.nodeType !== Node.ELEMENT_NODE) return;
  translateAttributes(root);
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (node.nodeType === Node.TEXT_NODE) translateText(node);
    else translateAttributes(node);
  }
}

new MutationObserver((changes) => {
  for (const change of changes) {
    if (change.type === "characterData") translateText(change.target);
    else if (change.type === "attributes") translateAttributes(change.target);
    else change.addedNodes.forEach(translateTree);
  }
}).observe(document.documentElement, {
  subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ATTRIBUTES,
});
translateTree(document.documentElement);
