"""The drawer of an enquiry: the question and its sender, the targets, what was done, and the buttons for the next
step."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.reservations import choices, enquiry_forms
from dashboards.reservations.enquiry_forms import KEY, PATH
from dashboards.reservations.enquiry_words import (
    CATEGORY,
    CONVERSATION,
    FAQ,
    PARTY,
    SENDING,
    STATUS,
    channel,
    methods,
    next_target,
    owner,
    target_text,
    timeline_event,
)
from dashboards.reservations.hand_over import hand_over
from dashboards.reservations.incident_words import LEVEL
from dashboards.reservations.operation_words import RESPONSE
from dashboards.session import has_permission
from dashboards.ui import details, dialogs, feedback, flash, forms, times
from dashboards.ui.columns import Row
from dashboards.ui.idempotency import button_idempotency_key
from dashboards.ui.links import link
from dashboards.ui.text import plain, small
from dashboards.ui.timeline import timeline

_PROBLEM = f"{KEY}.problem"


def drawer(row: Row) -> None:
    @dialogs.dialog(plain(f"{row['code']} {row['topic']}"), position="right", width="medium", icon=":material/forum:")
    def show() -> None:
        try:
            enquiry = session.api().get(f"{PATH}/{row['id']}")
        except ApiProblem as problem:
            feedback.failed(problem, key=f"{KEY}.drawer")
            return
        back = _ReopenDrawer(row)
        _state(enquiry)
        if failure := st.session_state.pop(_PROBLEM, None):
            feedback.action_failed(failure)
        _buttons(enquiry, back)
        _question(enquiry)
        _targets(enquiry)
        _operation(enquiry)
        _resolution(enquiry)
        _conversation(enquiry)
        if has_permission("reservations:enquiry:answer"):
            _note(enquiry, back)
        st.markdown(small("経過"))
        timeline(map(timeline_event, enquiry["events"]), key=f"{KEY}.history")

    show()


class _ReopenDrawer:
    """Opens the drawer again, which then shows the current state."""

    def __init__(self, row: Row) -> None:
        self.row = row

    def __call__(self) -> None:
        dialogs.open(drawer, self.row)


def _state(enquiry: Row) -> None:
    badges = [STATUS[enquiry["status"]].badge(), LEVEL[enquiry["level"]].badge()]
    owner_text = f"担当 {owner(enquiry)}"
    if enquiry["due_at"]:
        badges.append(RESPONSE[enquiry["response"]].badge())
        due_at = times.full(times.parse(enquiry["due_at"]))
        st.markdown(
            f"{' '.join(badges)}　**{plain(next_target(enquiry))}**　{small(plain(f'目標 {due_at}・{owner_text}'))}"
        )
    else:
        st.markdown(f"{' '.join(badges)}　{small(plain(owner_text))}")


def _buttons(enquiry: Row, back: _ReopenDrawer) -> None:
    may_update, may_answer = (
        has_permission("reservations:enquiry:update"),
        has_permission("reservations:enquiry:answer"),
    )
    with st.container(horizontal=True, key=f"{KEY}.buttons"):
        if enquiry["resolved_at"]:
            if may_update:
                dialogs.button(
                    "対応を再開する", enquiry_forms.reopen, enquiry, back, key=f"{KEY}.reopen", icon="restart_alt"
                )
        elif may_answer:
            _answer_buttons(enquiry, back)
            if may_update:
                dialogs.button(
                    "解決にする", enquiry_forms.resolve, enquiry, back, key=f"{KEY}.resolve", icon="check_circle"
                )
        if may_update:
            dialogs.button("編集する", enquiry_forms.edit, enquiry, key=f"{KEY}.edit", icon="edit")


def _answer_buttons(enquiry: Row, back: _ReopenDrawer) -> None:
    if enquiry["owner"] is None:
        _button("自分が対応する", "claim", "front_hand", enquiry, {}, done="担当になりました。")
    with st.popover("引き継ぐ" if enquiry["owner"] else "担当を決める", icon=":material/person:"):
        hand_over(KEY, enquiry, choices.enquiry_assignees(), _do)
    if enquiry["mail"]:
        dialogs.button(
            "メールで回答する",
            enquiry_forms.answer,
            enquiry,
            back,
            key=f"{KEY}.answer",
            icon="reply",
            type="primary",
        )
    dialogs.button(
        "電話を記録する",
        enquiry_forms.call,
        enquiry,
        back,
        key=f"{KEY}.call",
        icon="call",
        type="secondary" if enquiry["mail"] else "primary",
    )
    if enquiry["reservation_code"] and (enquiry["operation"] is None or enquiry["operation"]["resolved_at"]):
        dialogs.button(
            "手動対応にする",
            enquiry_forms.to_operations,
            enquiry,
            back,
            key=f"{KEY}.operation",
            icon="support_agent",
        )


def _button(label: str, action: str, icon: str, enquiry: Row, body: dict[str, Any], *, done: str) -> None:
    st.button(
        label,
        key=f"{KEY}.{action}",
        icon=f":material/{icon}:",
        on_click=_do,
        args=(enquiry, action, {"version": enquiry["version"]} | body, done),
    )


def _do(enquiry: Row, action: str, body: dict[str, Any], done: str) -> None:
    """For callbacks: an error is shown in the drawer, which stays open."""
    endpoint = f"{PATH}/{enquiry['id']}/{action}"
    try:
        with button_idempotency_key(endpoint) as idempotency_key:
            session.api().post(endpoint, body, once=idempotency_key)
            flash.add(done)
    except ApiProblem as problem:
        st.session_state[_PROBLEM] = problem


def _question(enquiry: Row) -> None:
    received_at = times.full(times.parse(enquiry["received_at"]))
    received_by = "自動受付" if enquiry["is_from_form"] else f"{enquiry['received_by']}が受付"
    st.markdown(
        f"{PARTY[enquiry['party']].badge()} **{plain(enquiry['sender_name'])}**　"
        + small(plain(f"{channel(enquiry)}・{received_at}・{received_by}"))
    )
    with st.container(border=True, key=f"{KEY}.body"):
        st.text(enquiry["content"])
    if enquiry["is_known_contact"] is False:
        source = "提携店" if enquiry["party"] == "shop" else "予約"
        st.warning(
            f"連絡先が、{source}に登録されたものと一致しません。本人であることを確認してから、内容を伝えてください。",
            icon=":material/person_alert:",
        )
    details.facts(
        {
            "電話番号": enquiry["phone_shown"],
            "メールアドレス": enquiry["mail"],
            "種別": CATEGORY[enquiry["category"]],
            "予約ID": _with_given(enquiry["reservation_given"], enquiry["reservation_code"]),
            "提携店": _with_given(enquiry["shop_given"], enquiry["shop_name"]),
        }
    )
    with st.container(horizontal=True):
        if enquiry["reservation_code"]:
            link("予約詳細を開く", f"/reservation?{urlencode({'code': enquiry['reservation_code']})}")
        if enquiry["shop_name"]:
            link("提携店を開く", f"/shops?{urlencode({'q': enquiry['shop_given']})}")


def _with_given(given: str, match: str | None) -> str:
    """The record that was found, with the sender's input when it differs."""
    if match and given and match.lower() != given.lower():
        return f"{match}（{given}）"
    return match or (f"{given}（登録されていません）" if given else "")


def _targets(enquiry: Row) -> None:
    st.markdown(small("目標時間"))
    with st.container(border=True, gap="small", key=f"{KEY}.targets"):
        for title, target in (("初回応答", enquiry["first"]), ("解決", enquiry["resolution"])):
            if target is None:
                st.markdown(f"**{title}**　{small('High以上は、インシデントの目標時間で対応します')}")
            elif target["done_at"] is None and enquiry["resolved_at"]:
                st.markdown(f"**{title}**　{small('回答なしで解決')}")
            else:
                st.markdown(f"{RESPONSE[target['response']].badge()} **{title}**　{small(plain(target_text(target)))}")


def _operation(enquiry: Row) -> None:
    operation = enquiry["operation"]
    if operation is None:
        return
    st.markdown(small("手動対応"))
    with st.container(border=True, gap="small", key=f"{KEY}.operation_state"):
        if operation["resolved_at"]:
            resolved_at = times.full(times.parse(operation["resolved_at"]))
            st.markdown(
                f":green[:material/check_circle:] **{plain(operation['title'])}** は完了しています　"
                + small(plain(f"{resolved_at}　{operation['resolved_by']}"))
            )
            if operation["outcome"]:
                st.markdown(plain(operation["outcome"]))
        else:
            st.markdown(f":orange[:material/pending_actions:] **{plain(operation['title'])}** の対応中です")
            if has_permission("reservations:operation:read"):
                link("手動対応で開く", f"/operations?{urlencode({'q': enquiry['reservation_code'] or ''})}")


def _resolution(enquiry: Row) -> None:
    facts = {
        "対応方法": methods(enquiry)[enquiry["way"]] if enquiry["way"] else "",
        "対応内容": enquiry["outcome"],
        "FAQへの追加": FAQ[enquiry["faq"]].word if enquiry["faq"] != "none" else "",
    }
    filled = {label: value for label, value in facts.items() if value}
    if filled:
        st.markdown(small("対応の記録"))
        details.facts(filled)


def _conversation(enquiry: Row) -> None:
    """The messages and calls, as they were written; the newest is open."""
    messages = [event for event in enquiry["events"] if event["kind"] in CONVERSATION and event["text"]]
    if not messages:
        return
    st.markdown(small("やり取り"))
    for index, event in enumerate(messages):
        description = f"{times.full(times.parse(event['at']))}・{event['by']}"
        badge = SENDING[event["sending"]].badge() if event["sending"] else ""
        with st.expander(f"**{CONVERSATION[event['kind']]}**　{small(plain(description))} {badge}", expanded=not index):
            st.text(event["text"])


def _note(enquiry: Row, back: _ReopenDrawer) -> None:
    kinds = {False: "メモ", True: "相手からの返信"}

    def post(idempotency_key: str) -> None:
        session.api().post(f"{PATH}/{enquiry['id']}/notes", {"text": text, "is_reply": is_reply}, once=idempotency_key)
        back()

    with st.expander("メモ・返信を残す"), forms.form(f"{KEY}.note.{enquiry['id']}", submit="残す") as form:
        is_reply = form.field(
            "is_reply", st.radio, "種類", options=[*kinds], horizontal=True, format_func=lambda code: kinds[code]
        )
        text = form.field("text", st.text_area, "内容", required=True, max_chars=2000, height=80)
    if form.submitted:
        form.send(post, done="記録を残しました。")
