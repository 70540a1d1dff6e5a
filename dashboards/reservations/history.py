"""変更履歴: what people did to a record, newest first, in its drawer."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.ui import feedback, times
from dashboards.ui.columns import Row
from dashboards.ui.text import plain, small
from dashboards.ui.timeline import ICONS, OTHERS

SHOWN = 10
NOTHING = ":gray[（なし）]"


def show(path: str, *, key: str) -> None:
    """Of the record at `path`."""
    st.markdown(small("変更履歴"))
    try:
        told = session.api().get(f"{path}/history")["items"]
    except ApiProblem as problem:
        feedback.failed(problem, key=key)
        return
    if not told:
        st.markdown("まだ変更はありません。")
        return
    with st.container(border=True, gap="small", key=key):
        for one in told[:SHOWN]:
            st.markdown("  \n".join(lines(one)))
        if len(told) > SHOWN:
            st.markdown(small(f"新しい順に{SHOWN:,}件を表示しています。それ以前は監査ログで確認できます。"))


def lines(one: Row) -> list[str]:
    at = times.parse(one["at"])
    icon = ICONS.get(one["action"], OTHERS)
    found = [f":gray[:material/{icon}:] **{plain(one['subject_title'])}の{plain(one['action_title'])}**"]
    # Of what was new everything would be a change.
    if one["action"] != "create":
        # Why comes behind what.
        changes = sorted(one["changes"], key=lambda change: change["field"] == "reason")
        found += [
            f"{plain(change['title'])}：{_said(change['before'])} → {_said(change['after'])}" for change in changes
        ]
    return [*found, small(plain(f"{times.full(at)}（{times.ago(at)}）　{one['actor_title']}"))]


def _said(text: str | None) -> str:
    return plain(text) if text else NOTHING
