"""The history of a record, newest first: what, when, who, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from dashboards.ui import details, feedback, times
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
OTHER_ICON = "radio_button_checked"


@dataclass(frozen=True)
class TimelineEvent:
    """`title` is a sentence, `details` its result; `kind` is a key of ICONS; `actor` is empty for automatic changes."""

    at: datetime
    title: str
    kind: str = "update"
    actor: str = ""
    reason: str = ""
    details: str = ""


def timeline(events: Iterable[TimelineEvent], *, key: str) -> None:
    """`key` is the name by which tests and screenshots find it."""
    newest_first = sorted(events, key=lambda event: event.at, reverse=True)
    if not newest_first:
        feedback.empty(
            "まだ記録がありません", "登録や変更をすると、ここに新しい順に並びます。", icon=":material/history:"
        )
        return
    with st.container(border=True, key=key):
        for event in newest_first:
            st.markdown(_lines(event))
            details.copies(f"{event.reason}\n{event.details}")


def _lines(event: TimelineEvent) -> str:
    user_name = plain(event.actor) or "自動処理"
    time_text = plain(f"{times.full(event.at)}（{times.ago(event.at)}）")
    icon = ICONS.get(event.kind, OTHER_ICON)
    lines = [f":gray[:material/{icon}:] **{plain(event.title)}**", small(f"{time_text}　{user_name}")]
    if event.reason:
        lines.append(f"理由: {plain(event.reason)}")
    if event.details:
        lines.append(plain(event.details))
    return "  \n".join(lines)
