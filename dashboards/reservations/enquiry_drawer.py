"""The drawer of an enquiry: the question and its sender, the targets, what was done, and the buttons for the next
step."""

from __future__ import annotations

from functools import partial
from urllib.parse import urlencode

import streamlit as st

from dashboards.contract.reservations import CATEGORY, EnquiryDetail, EnquiryItem
from dashboards.reservations import choices, enquiry_forms
from dashboards.reservations.actions import Back, Target
from dashboards.reservations.enquiry_forms import KEY, PATH
from dashboards.reservations.enquiry_words import (
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
from dashboards.ui import details, dialogs, forms, times
from dashboards.ui.links import link, mail, telephone
from dashboards.ui.text import plain, small
from dashboards.ui.timeline import timeline


def drawer(row: EnquiryItem) -> None:
    dialogs.drawer(f"{row['code']} {row['topic']}", f"{PATH}/{row['id']}", _show, key=KEY, icon="forum")


def _show(enquiry: EnquiryDetail) -> None:
    back = partial(dialogs.open, drawer, enquiry)
    target = enquiry_forms.target(enquiry, back)
    _state(enquiry)
    target.show_failure()
    _buttons(enquiry, target)
    _question(enquiry)
    _targets(enquiry)
    _operation(enquiry)
    _resolution(enquiry)
    _conversation(enquiry)
    if has_permission("reservations:enquiry:answer"):
        _note(enquiry, back)
    st.markdown(small("経過"))
    timeline(map(timeline_event, enquiry["events"]), key=f"{KEY}.history")


def _state(enquiry: EnquiryDetail) -> None:
    badges = [STATUS[enquiry["status"]].badge(), LEVEL[enquiry["level"]].badge()]
    owner_text = f"担当 {owner(enquiry)}"
    if enquiry["due_at"] and enquiry["response"]:
        badges.append(RESPONSE[enquiry["response"]].badge())
        due_at = times.stamp(enquiry["due_at"])
        st.markdown(
            f"{' '.join(badges)}　**{plain(next_target(enquiry))}**　{small(plain(f'目標 {due_at}・{owner_text}'))}"
        )
    else:
        st.markdown(f"{' '.join(badges)}　{small(plain(owner_text))}")


def _buttons(enquiry: EnquiryDetail, target: Target) -> None:
    may_update, may_answer = (
        has_permission("reservations:enquiry:update"),
        has_permission("reservations:enquiry:answer"),
    )
    with st.container(horizontal=True, key=f"{KEY}.buttons"):
        if enquiry["resolved_at"]:
            if may_update:
                dialogs.button(
                    "対応を再開する",
                    enquiry_forms.reopen,
                    enquiry,
                    target.back,
                    key=f"{KEY}.reopen",
                    icon="restart_alt",
                )
        elif may_answer:
            _answer_buttons(enquiry, target)
            if may_update:
                dialogs.button(
                    "解決にする", enquiry_forms.resolve, enquiry, target.back, key=f"{KEY}.resolve", icon="check_circle"
                )
        if may_update:
            dialogs.button("編集する", enquiry_forms.edit, enquiry, key=f"{KEY}.edit", icon="edit")


def _answer_buttons(enquiry: EnquiryDetail, target: Target) -> None:
    if enquiry["owner"] is None:
        target.button("自分が対応する", "claim", "front_hand", done="担当になりました。")
    with st.popover("引き継ぐ" if enquiry["owner"] else "担当を決める", icon=":material/person:"):
        hand_over(target, choices.enquiry_assignees())
    if enquiry["mail"]:
        dialogs.button(
            "メールで回答する",
            enquiry_forms.answer,
            enquiry,
            target.back,
            key=f"{KEY}.answer",
            icon="reply",
            type="primary",
        )
    dialogs.button(
        "電話を記録する",
        enquiry_forms.call,
        enquiry,
        target.back,
        key=f"{KEY}.call",
        icon="call",
        type="secondary" if enquiry["mail"] else "primary",
    )
    if enquiry["reservation_code"] and (enquiry["operation"] is None or enquiry["operation"]["resolved_at"]):
        dialogs.button(
            "手動対応にする",
            enquiry_forms.to_operations,
            enquiry,
            target.back,
            key=f"{KEY}.operation",
            icon="support_agent",
        )


def _question(enquiry: EnquiryDetail) -> None:
    received_at = times.stamp(enquiry["received_at"])
    received_by = "自動受付" if enquiry["is_from_form"] else f"{enquiry['received_by']}が受付"
    st.markdown(
        f"{PARTY[enquiry['party']].badge()} **{plain(enquiry['sender_name'])}**　"
        + small(plain(f"{channel(enquiry)}・{received_at}・{received_by}"))
    )
    with st.container(border=True, key=f"{KEY}.body"):
        details.letter(enquiry["content"])
    if enquiry["is_known_contact"] is False:
        source = "提携店" if enquiry["party"] == "shop" else "予約"
        st.warning(
            f"連絡先が、{source}に登録されたものと一致しません。本人であることを確認してから、内容を伝えてください。",
            icon=":material/person_alert:",
        )
    details.facts(
        {
            "電話番号": telephone(enquiry["phone_shown"]),
            "メールアドレス": mail(enquiry["mail"]),
            "種別": CATEGORY[enquiry["category"]],
            "予約ID": _with_entered(enquiry["reservation_given"], enquiry["reservation_code"]),
            "提携店": _with_entered(enquiry["shop_given"], enquiry["shop_name"]),
        }
    )
    with st.container(horizontal=True):
        if enquiry["reservation_code"]:
            link("予約詳細を開く", f"/reservation?{urlencode({'code': enquiry['reservation_code']})}")
        if enquiry["shop_name"]:
            link("提携店を開く", f"/shops?{urlencode({'q': enquiry['shop_given']})}")


def _with_entered(entered: str, match: str | None) -> str:
    """The record that was found, with the sender's input when it differs."""
    if match and entered and match.lower() != entered.lower():
        return f"{match}（{entered}）"
    return match or (f"{entered}（登録されていません）" if entered else "")


def _targets(enquiry: EnquiryDetail) -> None:
    st.markdown(small("目標時間"))
    with st.container(border=True, gap="small", key=f"{KEY}.targets"):
        for title, target in (("初回応答", enquiry["first"]), ("解決", enquiry["resolution"])):
            if target is None:
                st.markdown(f"**{title}**　{small('High以上は、インシデントの目標時間で対応します')}")
            elif target["done_at"] is None and enquiry["resolved_at"]:
                st.markdown(f"**{title}**　{small('回答なしで解決')}")
            else:
                st.markdown(f"{RESPONSE[target['response']].badge()} **{title}**　{small(plain(target_text(target)))}")


def _operation(enquiry: EnquiryDetail) -> None:
    operation = enquiry["operation"]
    if operation is None:
        return
    st.markdown(small("手動対応"))
    with st.container(border=True, gap="small", key=f"{KEY}.operation_state"):
        if operation["resolved_at"]:
            resolved_at = times.stamp(operation["resolved_at"])
            st.markdown(
                f":green[:material/check_circle:] **{plain(operation['title'])}** は完了しています　"
                + small(plain(f"{resolved_at}　{operation['resolved_by']}"))
            )
            if operation["outcome"]:
                details.free_text(operation["outcome"])
        else:
            st.markdown(f":orange[:material/pending_actions:] **{plain(operation['title'])}** の対応中です")
            if has_permission("reservations:operation:read"):
                link("手動対応で開く", f"/operations?{urlencode({'q': enquiry['reservation_code'] or ''})}")


def _resolution(enquiry: EnquiryDetail) -> None:
    facts = {
        "対応方法": methods(enquiry)[enquiry["way"]] if enquiry["way"] else "",
        "対応内容": enquiry["outcome"],
        "FAQへの追加": FAQ[enquiry["faq"]].label if enquiry["faq"] != "none" else "",
    }
    filled = {label: value for label, value in facts.items() if value}
    if filled:
        st.markdown(small("対応の記録"))
        details.facts(filled)


def _conversation(enquiry: EnquiryDetail) -> None:
    """The messages and calls, as they were written; the newest is open."""
    messages = [event for event in enquiry["events"] if event["kind"] in CONVERSATION and event["text"]]
    if not messages:
        return
    st.markdown(small("やり取り"))
    for index, event in enumerate(messages):
        description = f"{times.stamp(event['at'])}・{event['by']}"
        badge = SENDING[event["sending"]].badge() if event["sending"] else ""
        with st.expander(f"**{CONVERSATION[event['kind']]}**　{small(plain(description))} {badge}", expanded=not index):
            details.letter(event["text"] or "")


def _note(enquiry: EnquiryDetail, back: Back) -> None:
    kinds = {False: "メモ", True: "相手からの返信"}

    target = Target(KEY, PATH, enquiry["id"], back)
    with st.expander("メモ・返信を残す"), forms.form(f"{KEY}.note.{enquiry['id']}", submit="残す") as form:
        is_reply = form.field(
            "is_reply", st.radio, "種類", options=[*kinds], horizontal=True, format_func=lambda code: kinds[code]
        )
        text = form.field("text", st.text_area, "内容", required=True, max_chars=2000, height=80)
    if form.submitted:
        body = {"text": text, "is_reply": is_reply}
        form.send(lambda key: target.post("notes", body, key), success="記録を残しました。")
