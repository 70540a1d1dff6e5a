"""The timeline of a device, newest first: what changed, when, by whom, why, and which events were removed."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.contract.core import MESSAGE_STATE
from dashboards.contract.loaners import EventShown, Mails, Timeline
from dashboards.loaners import words
from dashboards.session import has_permission
from dashboards.ui import confirm, dialogs, feedback, links, live, times
from dashboards.ui.live import refreshing
from dashboards.ui.text import Markdown, plain, small

KEY = "loaners.timeline"
INITIAL_LIMIT = 20
MAX_REASON_LENGTH = 200
ICONS = {
    "registered": "add_circle",
    "form": "edit_note",
    "deposit": "label",
    "cleared": "auto_delete",
    "transfer": "move_location",
    "archived": "archive",
    "restored": "unarchive",
}
MARKED = ":gray-badge[:material/block: 除去済み]"
LATE = ":orange-badge[:material/history: 後日登録]"
ARCHIVED = ":gray-badge[:material/inventory_2: 保管済み]"


@refreshing
def timeline(path: str) -> None:
    limit = st.session_state.setdefault(f"{KEY}.{path}", INITIAL_LIMIT)
    reading = live.block(f"{KEY}.block", "履歴", f"{path}/timeline", limit=limit)
    if reading is None:
        return
    data: Timeline = reading.data
    items, total = data["items"], data["total"]
    with st.container(border=True, key=KEY):
        for event in items:
            _event(event)
    if len(items) < total:
        st.button(f"さらに表示（全{total:,}件）", key=f"{KEY}.more", on_click=_more, args=(f"{KEY}.{path}",))


def _more(slot: str) -> None:
    st.session_state[slot] = min(2000, st.session_state[slot] * 5)


def _event(event: EventShown) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="top"):
        st.markdown("  \n".join(_lines(event)), width="stretch")
        if has_permission("loaners:history:mark"):
            _button(event)
    if event["answers"]:
        with st.expander(f"回答（フォーム第{event['form_number']}版）", key=f"{KEY}.answers.{event['id']}"):
            st.markdown(
                "  \n".join(
                    f"{small(plain(answer['header']))}　{plain(words.display_value(answer['value']))}"
                    for answer in event["answers"]
                )
            )


def _lines(event: EventShown) -> list[str]:
    marks = [MARKED] * bool(event["mark"]) + [LATE] * event["is_late"] + [ARCHIVED] * event["put_away"]
    label = plain(event["kind_word"]) + (f"「{plain(event['status_word'])}」" if event["status_word"] else "")
    title = f"~~{label}~~" if event["mark"] else f"**{label}**"
    recorded_note = f"（登録 {words.timestamp(event['recorded_at'])}）" if event["is_late"] else ""
    who = plain(event["who"]) or "自動処理"
    effective_at = times.parse(event["effective_at"])
    lines = [
        " ".join([f":gray[:material/{ICONS[event['kind']]}:]", title, *marks]),
        small(
            f"{words.timestamp(effective_at)}（{times.ago(effective_at)}）{recorded_note}　"
            f"{who}　{plain(event['source_word'])}"
        ),
    ]
    lines += words.changes(event["changes"])
    if event["reason"]:
        lines.append(f"理由: {plain(event['reason'])}")
    if mark := event["mark"]:
        marked_at = words.timestamp(mark["marked_at"])
        lines.append(f":gray[除去: {plain(mark['reason'])}（{plain(mark['marked_by'])}・{marked_at}）]")
    return lines


def _button(event: EventShown) -> None:
    if event["mark"] and event["may_be_marked"]:
        dialogs.button("元に戻す", unmark, event, key=f"{KEY}.unmark.{event['id']}", type="tertiary", icon="undo")
    elif event["may_be_marked"]:
        dialogs.button("除去", mark, event, key=f"{KEY}.mark.{event['id']}", type="tertiary", icon="block")


def mark(event: EventShown) -> None:
    confirm.confirm(
        f"{KEY}.mark.{event['id']}",
        "この履歴を除去しますか？",
        Markdown(
            f"{words.timestamp(event['effective_at'])}の**{plain(event['kind_word'])}**を、現在の状態・一覧・集計から"
            "除きます。履歴には「除去済み」として残り、あとで元に戻せます。"
        ),
        action="除去する",
        do=lambda reason, idempotency_key: session.api().post(
            f"/api/loaners/events/{event['id']}/mark",
            {"reason": " ".join(reason.split())},
            idempotency_key=idempotency_key,
        ),
        success="履歴を除去しました。",
        reason="required",
        preset="二重に登録したため",
        max_length=MAX_REASON_LENGTH,
    )


def unmark(event: EventShown) -> None:
    confirm.confirm(
        f"{KEY}.unmark.{event['id']}",
        "除去した履歴を元に戻しますか？",
        Markdown(
            f"{words.timestamp(event['effective_at'])}の**{plain(event['kind_word'])}**が、もう一度、"
            "現在の状態・一覧・集計に入ります。"
        ),
        action="元に戻す",
        do=lambda _, idempotency_key: session.api().post(
            f"/api/loaners/events/{event['id']}/unmark", idempotency_key=idempotency_key
        ),
        success="履歴を元に戻しました。",
        danger=False,
    )


@refreshing
def mails(path: str) -> None:
    """The mails about changes of this device."""
    slot = f"{KEY}.mails.{path}"
    limit = st.session_state.setdefault(slot, INITIAL_LIMIT)
    reading = live.block(f"{KEY}.mails", "通知の履歴", f"{path}/mails", limit=limit)
    if reading is None:
        return
    data: Mails = reading.data
    items, total = data["items"], data["total"]
    if not items:
        feedback.empty(
            "この機器の通知はまだありません",
            "拠点の「ステータス変更通知」がONのとき、フォームで0-4.ステータスが変わるとメールを送ります。",
            icon=":material/mail:",
        )
        return
    with st.container(border=True, gap="small", key=f"{KEY}.mails.list"):
        for mail in items:
            state = MESSAGE_STATE[mail["state"]]
            time = words.timestamp(mail["sent_at"] or mail["told_at"])
            st.markdown(
                f":gray[:material/mail:] {plain(mail['title'])}  \n"
                + small(f"{time}　{state}　{links.mail(mail['recipient'])}")
            )
    if len(items) < total:
        st.button(f"さらに表示（全{total:,}件）", key=f"{slot}.more", on_click=_more, args=(slot,))
