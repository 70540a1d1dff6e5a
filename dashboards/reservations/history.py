"""変更履歴: the changes of a record, newest first, in its drawer."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.contract.reservations import HistoryItem
from dashboards.ui import feedback, times
from dashboards.ui.text import plain, small
from dashboards.ui.timeline import ICONS, OTHER_ICON

MAX_ENTRIES = 10
NOTHING = ":gray[（なし）]"


def show(path: str, *, key: str) -> None:
    """`path` is the record's."""
    st.markdown(small("変更履歴"))
    try:
        entries: list[HistoryItem] = session.api().get(f"{path}/history")["items"]
    except ApiProblem as problem:
        feedback.failed(problem, key=key)
        return
    if not entries:
        st.markdown("まだ変更はありません。")
        return
    with st.container(border=True, gap="small", key=key):
        for entry in entries[:MAX_ENTRIES]:
            st.markdown("  \n".join(lines(entry)))
        if len(entries) > MAX_ENTRIES:
            st.markdown(small(f"新しい順に{MAX_ENTRIES:,}件を表示しています。それ以前は監査ログで確認できます。"))


def lines(entry: HistoryItem) -> list[str]:
    at = times.parse(entry["at"])
    icon = ICONS.get(entry["action"], OTHER_ICON)
    parts = [f":gray[:material/{icon}:] **{plain(entry['subject_title'])}の{plain(entry['action_title'])}**"]
    # For a created record every field would be a change.
    if entry["action"] != "create":
        # The reason comes after the changes.
        changes = sorted(entry["changes"], key=lambda change: change["field"] == "reason")
        parts += [
            f"{plain(change['title'])}：{_display(change['before'])} → {_display(change['after'])}"
            for change in changes
        ]
    return [*parts, small(plain(f"{times.full(at)}（{times.ago(at)}）　{entry['actor_title']}"))]


def _display(text: str | None) -> str:
    return plain(text) if text else NOTHING
