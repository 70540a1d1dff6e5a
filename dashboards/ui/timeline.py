"""Everything that happened to one thing, newest first: what, when, who, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from dashboards.ui import feedback, times
from dashboards.ui.text import plain, small

ICONS = {
    "create": "add_circle",
    "update": "edit",
    "delete": "delete",
    "status_change": "sync_alt",
    "cancel": "cancel",
    "comment": "chat",
    "mail": "mail",
    "sms": "sms",
    "call": "call",
    "payment": "payments",
    "alert": "notifications_active",
    "resolve": "check_circle",
    "file": "attach_file",
    "reveal": "visibility",
    "export": "download",
    "login": "login",
    "logout": "logout",
    "login_failed": "gpp_bad",
}
OTHERS = "radio_button_checked"


@dataclass(frozen=True)
class Happening:
    """`what` is a sentence, `more` what it led to; `kind` is a key of ICONS; `who` is empty when the machine did it."""

    at: datetime
    what: str
    kind: str = "update"
    who: str = ""
    reason: str = ""
    more: str = ""


def timeline(happenings: Iterable[Happening], *, key: str) -> None:
    """`key` is the name that tests and screenshots find it by."""
    newest_first = sorted(happenings, key=lambda happening: happening.at, reverse=True)
    if not newest_first:
        feedback.empty(
            "まだ記録がありません", "登録や変更をすると、ここに新しい順に並びます。", icon=":material/history:"
        )
        return
    with st.container(border=True, key=key):
        for happening in newest_first:
            st.markdown(_lines(happening))


def _lines(happening: Happening) -> str:
    who = plain(happening.who) or "自動処理"
    when = plain(f"{times.full(happening.at)}（{times.ago(happening.at)}）")
    icon = ICONS.get(happening.kind, OTHERS)
    lines = [f":gray[:material/{icon}:] **{plain(happening.what)}**", small(f"{when}　{who}")]
    if happening.reason:
        lines.append(f"理由: {plain(happening.reason)}")
    if happening.more:
        lines.append(plain(happening.more))
    return "  \n".join(lines)
