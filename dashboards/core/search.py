"""探す: one field over everything that the user may see, and over the pages themselves.

The service finds records; `dashboards/<area>/search.py` has the looks of their states, and further words for pages.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any, NotRequired, TypedDict
from urllib.parse import urlsplit

import streamlit as st

from dashboards import session
from dashboards.client import PAGE_TIMEOUT_SECONDS, ApiProblem
from dashboards.contract.core import SearchAnswer, SearchGroup, SearchHit
from dashboards.core.menu import ACCOUNT
from dashboards.menu import AREAS, allowed
from dashboards.pages import Entry
from dashboards.ui import bound, recent
from dashboards.ui.components import component
from dashboards.ui.status import Status
from dashboards.ui.text import visible

KEY, _ANSWER = "search", "search.answer"
MAX_PAGES, MAX_RECENT = 5, 8
HINT = "番号・名前・ふりがな・電話番号で探せます。番号は、全角でも、ハイフンがなくてもかまいません。"
OTHERS = "ほかにもあります。ことばを足すと、絞り込めます。"
PAGE_WORDS = {
    "account": "パスワード ログイン セッション 自分",
    "imports": "インポート CSV Excel ファイル",
    "tasks": "出力 エクスポート 長い処理 進み具合",
    "messages": "メール SMS Slack 送信 再送",
    "users": "利用者 権限 役割 アカウント",
    "audit": "履歴 操作 だれが いつ",
    "holidays": "祝日 営業日",
    "system": "稼働 バックアップ 保存期間 監視",
}
_AREAS = {area: import_module(f"dashboards.{area}.search") for area in AREAS}
_ICON = (
    '<svg viewBox="0 -960 960 960" aria-hidden="true"><path d="M784-120 532-372q-30 24-69 38t-83 14q-109 0-184.5-75.5'
    "T120-580q0-109 75.5-184.5T380-840q109 0 184.5 75.5T640-580q0 44-14 83t-38 69l252 252-56 56ZM380-400q75 0 127.5-52."
    '5T560-580q0-75-52.5-127.5T380-760q-75 0-127.5 52.5T200-580q0 75 52.5 127.5T380-400Z"/></svg>'
)
_HTML = f"""
<div class="search">
  <button type="button" class="open" aria-keyshortcuts="Control+K" disabled>
    {_ICON}<span>探す</span><kbd>Ctrl K</kbd>
  </button>
  <dialog aria-label="探す">
    <div class="field">
      {_ICON}
      <input type="text" role="combobox" aria-label="探すことば" aria-autocomplete="list" aria-expanded="false"
        placeholder="番号・名前・電話番号" maxlength="100" autocomplete="off" spellcheck="false" enterkeyhint="search">
      <button type="button" class="close">閉じる</button>
    </div>
    <p class="note" role="status"></p>
    <div class="found" role="listbox" aria-label="見つかったもの"></div>
    <div class="keys"><kbd>↑</kbd> <kbd>↓</kbd> 選ぶ　<kbd>Enter</kbd> 開く　<kbd>Esc</kbd> 閉じる</div>
  </dialog>
</div>
"""
_HIRAGANA = {code: code - 0x60 for code in range(0x30A1, 0x30F7)}


class _Results(TypedDict):
    """`text` is what was searched; `exact` the address of the only record whose number that is; `note` a sentence above
    the groups."""

    text: str
    exact: NotRequired[str]
    groups: list[dict[str, Any]]
    note: str
    failed: bool


_NO_QUERY = _Results(text="", groups=[], note="", failed=False)


@st.fragment
def box() -> None:
    """For the sidebar of every page. What is typed runs this alone."""
    user = session.current_user()
    if user is None:
        return
    entries = {entry.url_path: entry for entry in allowed(user)}
    state: Mapping[str, Any] = st.session_state.get(KEY) or {}
    result = component("search", _HTML, css="search.css")(
        key=KEY,
        data={"answer": _answer(state.get("query"), entries), "start": _start(entries)},
        on_query_change=_ignore,
        on_opened_change=_ignore,
    )
    if address := result.get("opened"):
        _open(address, entries)


def _ignore() -> None:
    """Streamlit requires a callback for each value."""


def _open(address: str, entries: Mapping[str, Entry]) -> None:
    if entry := _entry(address, entries):
        bound.switch_page(entry.file, address)


def _entry(address: str, entries: Mapping[str, Entry]) -> Entry | None:
    return entries.get(urlsplit(address).path.lstrip("/"))


def _start(entries: Mapping[str, Entry]) -> _Results:
    """Shown before anything is typed: the records that were opened last."""
    entry_by_record = [(record, _entry(record["address"], entries)) for record in recent.records()]
    hits = [_hit(record["title"], entry.title, record["address"]) for record, entry in entry_by_record if entry]
    groups = [_titled("最近開いたもの", hits[:MAX_RECENT])] if hits else []
    return _Results(text="", groups=groups, note=HINT, failed=False)


def _answer(query: Mapping[str, Any] | None, entries: Mapping[str, Entry]) -> _Results:
    """The service is called once for a query; other runs draw the same answer."""
    if not query:
        return _NO_QUERY
    stamp, results = st.session_state.get(_ANSWER, (None, _NO_QUERY))
    if stamp != query["at"]:
        results = _find(query["text"], entries.values())
        st.session_state[_ANSWER] = query["at"], results
    stored: _Results = results
    return stored


def _find(text: str, entries: Iterable[Entry]) -> _Results:
    pages = _pages(text, entries)
    page_group = [_titled("画面", pages)] if pages else []
    try:
        answer: SearchAnswer = session.api(patience=PAGE_TIMEOUT_SECONDS).get("/api/search", q=text)
    except ApiProblem as problem:
        reference = f"（受付番号 {problem.reference}）" if problem.reference else ""
        return _Results(
            text=text, groups=page_group, note=f"探せませんでした。{problem.detail}{reference}", failed=True
        )
    # What was typed whole comes before pages, what it is only a part of after them.
    whole = [_group(group) for group in answer["groups"] if group["hits"][0]["rank"] < 2]
    others = [_group(group) for group in answer["groups"] if group["hits"][0]["rank"] >= 2]
    groups = [*whole, *page_group, *others]
    numbered = [hit["address"] for group in answer["groups"] for hit in group["hits"] if hit["rank"] == 0]
    exact = numbered[0] if len(numbered) == 1 else ""
    return _Results(text=text, exact=exact, groups=groups, note="" if groups else _nothing(text), failed=False)


def _nothing(text: str) -> str:
    sentence = f"「{visible(text)}」に当てはまるものは見つかりませんでした。"
    return sentence + (HINT if len(text) > 1 else "名前は2文字以上で入力してください。")


def _group(group: SearchGroup) -> dict[str, Any]:
    area, _, kind = group["key"].partition(".")
    states: Mapping[str, Status] = _AREAS[area].STATES.get(kind, {})
    hits = [_hit(hit["title"], hit["detail"], hit["address"], _badge(hit, states)) for hit in group["hits"]]
    rest = OTHERS if group["has_more"] and not group["more"] else ""
    return _titled(group["title"], hits, group["more"], rest)


def _titled(title: str, hits: list[dict[str, Any]], more: str | None = None, rest: str = "") -> dict[str, Any]:
    return {"title": title, "hits": hits, "more": more, "rest": rest}


def _hit(title: str, detail: str, address: str, badge: dict[str, str] | None = None) -> dict[str, Any]:
    return {"title": visible(title), "detail": visible(detail), "address": address, "badge": badge}


def _badge(hit: SearchHit, states: Mapping[str, Status]) -> dict[str, str] | None:
    look = states.get(hit["state"] or "")
    return {"label": hit["state_label"], "color": look.color if look else "gray"} if hit["state_label"] else None


def _pages(text: str, entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """Pages with all of the words in their title, section or further words; those with all in the title come first."""
    words = [_form(word) for word in text.split()]
    # A page that is not in the menu shows one record, by its id; the account needs none.
    shown = [entry for entry in entries if entry.in_menu or entry == ACCOUNT]
    found = [entry for entry in shown if all(word in _words_of(entry) for word in words)]
    found.sort(key=lambda entry: not all(word in _form(entry.title) for word in words))
    return [_hit(entry.title, entry.section, f"/{entry.url_path}") for entry in found[:MAX_PAGES]]


def _words_of(entry: Entry) -> str:
    words: Mapping[str, str] = _AREAS[entry.area].PAGE_WORDS if entry.area in _AREAS else PAGE_WORDS
    return _form(f"{entry.title} {entry.section} {words.get(entry.url_path, '')}")


def _form(text: str) -> str:
    """Without differences of width, case and kana, as the service compares."""
    return unicodedata.normalize("NFKC", text).lower().translate(_HIRAGANA)
