// Sends files straight to their route while the person goes on filling in the form, and tells Python their ids.
//
// data: {url, accept: [".jpg", …], types: "JPEG・PNG", max_bytes, max_files, files: [{id, name, size, content_type, url}]}
// state "files": the files that are stored, in the order they were chosen; "waiting": whether some are on their way.
import { button, element, isImage, openZoom, sizeInWords } from "./zoom.js";

// Per place on the page: the rows on the screen. Python runs again and again meanwhile.
const PLACES = new WeakMap();
const LOST = "通信が途切れたため、送信できませんでした。";

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".files");
  let place = PLACES.get(parentElement);
  if (!place) {
    place = { rows: data.files.map((file) => ({ file, name: file.name, size: file.size, url: file.url })) };
    PLACES.set(parentElement, place);
    build(root, place);
  }
  place.data = data;
  place.notify = () => {
    setStateValue("files", place.rows.filter((row) => row.file).map((row) => row.file));
    tellWaiting(place);
  };
  place.tellWaiting = (waiting) => setStateValue("waiting", waiting);
  place.hint.textContent =
    `${data.types}、1ファイル${sizeInWords(data.max_bytes)}まで` + (data.max_files > 1 ? `、${data.max_files}個まで` : "");
  place.input.accept = data.accept.join(",");
  place.input.multiple = data.max_files > 1;
  draw(root, place);
  return () => place.rows.forEach((row) => row.request?.abort());
}

function build(root, place) {
  const zone = element("label", "zone");
  place.input = element("input");
  place.input.type = "file";
  place.hint = element("span", "size");
  zone.append(place.input, element("span", "choose", "ファイルを選択"), element("span", "", "またはここにドロップ"), place.hint);
  place.list = element("ul", "rows");
  place.note = element("p", "error");
  place.note.setAttribute("role", "alert");
  root.append(zone, place.note, place.list);
  place.input.onchange = () => {
    add(root, place, [...place.input.files]);
    place.input.value = "";
  };
  zone.ondragover = (event) => {
    event.preventDefault();
    zone.classList.add("over");
  };
  zone.ondragleave = () => zone.classList.remove("over");
  zone.ondrop = (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    add(root, place, [...event.dataTransfer.files]);
  };
}

function add(root, place, chosen) {
  const { max_files: most } = place.data;
  const room = most - place.rows.filter((row) => !row.error).length;
  place.note.textContent = chosen.length > room ? `一度に登録できるのは${most}個までです。先に不要なファイルを取り除いてください。` : "";
  for (const source of chosen.slice(0, Math.max(0, room))) {
    const row = { source, name: source.name, size: source.size, error: refusal(place.data, source) };
    if (!row.error && source.type.startsWith("image/")) row.url = URL.createObjectURL(source);
    place.rows.push(row);
    if (!row.error) send(root, place, row);
  }
  draw(root, place);
  tellWaiting(place);
}

// Only when it has become another one: whoever sends a form too early would leave pictures behind.
function tellWaiting(place) {
  const waiting = place.rows.some((row) => row.request);
  if (waiting === Boolean(place.waiting)) return;
  place.waiting = waiting;
  place.tellWaiting(waiting);
}

function refusal(data, source) {
  const dot = source.name.lastIndexOf(".");
  const ending = dot < 0 ? "" : source.name.slice(dot).toLowerCase();
  if (!data.accept.includes(ending)) return `この形式のファイルは登録できません。${data.types}のファイルを選んでください。`;
  if (source.size > data.max_bytes) {
    return `ファイルが大きすぎます（${sizeInWords(source.size)}）。${sizeInWords(data.max_bytes)}までのファイルを選んでください。`;
  }
  return source.size === 0 ? "ファイルの中身が空です。別のファイルを選んでください。" : "";
}

function send(root, place, row) {
  const url = new URL(place.data.url, window.location.origin);
  url.searchParams.set("name", row.name);
  // XMLHttpRequest, because fetch does not tell how much has been sent.
  const request = (row.request = new XMLHttpRequest());
  row.percent = 0;
  row.error = "";
  row.again = false;
  request.open("PUT", url);
  request.setRequestHeader("X-Requested-With", "genba");
  request.upload.onprogress = (event) => {
    row.percent = event.lengthComputable ? Math.floor((event.loaded / event.total) * 100) : row.percent;
    draw(root, place);
  };
  request.onload = () => finished(root, place, row);
  request.onerror = request.ontimeout = () => failed(root, place, row, LOST, true);
  request.send(row.source);
}

function finished(root, place, row) {
  let answer = {};
  try {
    answer = JSON.parse(row.request.responseText);
  } catch {
    // A proxy's page, or our gate's sentence: the status says enough.
  }
  const { status } = row.request;
  if (status === 201) {
    row.request = null;
    row.file = { id: answer.id, name: answer.name, size: answer.size, content_type: answer.content_type, url: `/files/${answer.id}` };
    draw(root, place);
    place.notify();
  } else if (status === 401) {
    failed(root, place, row, "セッションの有効期限が切れました。別のタブでログインしてから、やり直してください。", true);
  } else {
    failed(root, place, row, answer.detail || "サーバーで受け取れませんでした。", status >= 500);
  }
}

function failed(root, place, row, error, again) {
  row.request = null;
  row.error = error;
  row.again = again;
  draw(root, place);
  tellWaiting(place);
}

function remove(root, place, row) {
  row.request?.abort();
  if (row.url?.startsWith("blob:")) URL.revokeObjectURL(row.url);
  const wasStored = Boolean(row.file);
  place.rows = place.rows.filter((other) => other !== row);
  place.note.textContent = "";
  draw(root, place);
  if (wasStored) place.notify();
  else tellWaiting(place);
}

// Rows are kept and only filled anew, so that a button does not vanish under a finger.
function draw(root, place) {
  for (const row of place.rows) row.view ??= makeRow(root, place, row);
  const views = place.rows.map((row) => row.view.item);
  if (views.length !== place.list.children.length || views.some((view, at) => view !== place.list.children[at])) {
    place.list.replaceChildren(...views);
  }
  for (const row of place.rows) fill(row);
}

function makeRow(root, place, row) {
  const view = { item: element("li", "row"), text: element("div", "text"), state: element("span", "size") };
  view.bar = element("progress");
  view.bar.max = 100;
  view.error = element("p", "error");
  view.error.setAttribute("role", "alert");
  view.again = button("やり直す", "", () => {
    send(root, place, row);
    draw(root, place);
    tellWaiting(place);
  });
  view.remove = button("取り除く", "quiet", () => remove(root, place, row));
  view.remove.setAttribute("aria-label", `${row.name} を取り除く`);
  const shown = () => place.rows.filter((other) => other.url && !other.error);
  if (row.url) {
    view.open = button("", "thumb", () => {
      const images = shown();
      openZoom(root, images.map(({ name, url }) => ({ name, url })), images.indexOf(row));
    });
    const picture = element("img");
    picture.src = row.url.startsWith("blob:") ? row.url : `${row.url}?thumbnail=1`;
    picture.alt = "";
    view.open.append(picture);
    view.open.setAttribute("aria-label", `${row.name} を拡大する`);
  } else {
    view.open = element("span", "thumb kind", row.name.split(".").pop().toUpperCase().slice(0, 4));
  }
  if (row.file && !isImage(row.file)) view.open = element("span", "thumb kind", row.name.split(".").pop().toUpperCase().slice(0, 4));
  view.text.append(element("span", "name", row.name), view.state, view.bar, view.error);
  view.item.append(view.open, view.text, view.again, view.remove);
  return view;
}

function fill(row) {
  const { view } = row;
  const state = row.error ? "" : row.file ? "送信しました" : row.percent === 100 ? "確認しています…" : `送信中 ${row.percent}%`;
  view.state.textContent = [sizeInWords(row.size), state].filter(Boolean).join("　");
  view.bar.hidden = Boolean(row.error || row.file);
  view.bar.value = row.percent ?? 0;
  view.bar.setAttribute("aria-label", `${row.name} の送信`);
  view.error.textContent = row.error || "";
  view.error.hidden = !row.error;
  view.again.hidden = !row.again;
  view.item.classList.toggle("failed", Boolean(row.error));
}
