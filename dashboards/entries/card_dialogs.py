"""Parents' cards: the link of one parent, and those of a class or a whole nursery, by mail or on paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboards import session
from dashboards.addresses import DOWNLOAD
from dashboards.client import ApiProblem
from dashboards.contract.entries import FIELDS, SUBJECTS, CardLink, Issued, Mailed, ParentItem
from dashboards.entries import choices
from dashboards.session import has_permission
from dashboards.ui import confirm, dialogs, feedback, flash, times
from dashboards.ui.idempotency import button_idempotency_key
from dashboards.ui.links import link
from dashboards.ui.text import plain, small

PATH = "/api/entries/cards"
READY = "entries.cards.ready"
WHOLE_NURSERY = "園のすべての保護者"
ALL, CLASS, SOME = "園のすべて", "組を選ぶ", "保護者を選ぶ"


def card_section(parent: ParentItem, drawer: Callable[[ParentItem], None]) -> None:
    """The card section of a parent's drawer."""
    st.markdown(small(SUBJECTS["card"]))
    if not parent["card_issued_at"]:
        st.markdown("まだ発行されていません。")
        if has_permission("entries:card:issue"):
            dialogs.button("カードを発行する", issue, parent, drawer, key="card.issue", icon="badge", type="primary")
        return
    issued_at = times.stamp(parent["card_issued_at"])
    if not has_permission("entries:card:issue"):
        st.markdown(f"{issued_at}に発行されました。")
        return
    try:
        card: CardLink = session.api().get(f"/api/entries/parents/{parent['id']}/card")
    except ApiProblem as problem:
        feedback.action_failed(problem)
        return
    opened_at = card["last_opened_at"]
    st.markdown(
        f"{issued_at}に発行されました。"
        + (f"最後に開かれたのは{times.stamp(opened_at)}です。" if opened_at else "まだ一度も開かれていません。")
    )
    st.markdown(small("本人専用のリンク（マウスを重ねると、右上にコピーのボタンが出ます）"))
    st.code(card["url"], language=None, wrap_lines=True)
    with st.container(horizontal=True):
        link("印刷する", sheet_url({"parent_ids": [parent["id"]]}), download=True)
        dialogs.button("メールで送る", mail_card, parent, key="card.mail", icon="mail")
        dialogs.button("無効にする", revoke, parent, key="card.revoke", icon="block")


def sheet_url(query: Mapping[str, Any]) -> str:
    return f"{DOWNLOAD}{PATH}/sheet.pdf?{urlencode(query, doseq=True)}"


def issue(parent: ParentItem, drawer: Callable[[ParentItem], None]) -> None:
    """Without a confirmation: it only creates the link, which the drawer then shows."""
    try:
        with button_idempotency_key(f"{PATH}/issue {parent['id']}") as idempotency_key:
            session.api().post(f"{PATH}/issue", {"parent_ids": [parent["id"]]}, idempotency_key=idempotency_key)
            flash.add(f"{parent['name']}さんのカードを発行しました。")
    except ApiProblem as problem:
        flash.add(problem.detail)
    dialogs.open(drawer, parent)
    st.rerun()


def mail_card(parent: ParentItem) -> None:
    confirm.confirm(
        f"card.mail.{parent['id']}",
        f"{parent['name']}さんにカードのリンクをメールで送りますか？",
        f"送信先は {parent['mail']} です。送信したあとは取り消せません。"
        if parent["mail"]
        else "メールアドレスが登録されていないため、先に登録が必要です。",
        action="送信する",
        do=lambda _, idempotency_key: session.api().post(
            f"{PATH}/mail", {"parent_ids": [parent["id"]]}, idempotency_key=idempotency_key
        ),
        success=f"{parent['name']}さんにメールを送信します。状況は「通知」で確認できます。",
        danger=False,
    )


def revoke(parent: ParentItem) -> None:
    confirm.confirm(
        f"card.revoke.{parent['id']}",
        f"{parent['name']}さんのカードのリンクを無効にしますか？",
        "これまでのリンクとQRコードではカードを開けなくなります。印刷したバーコードそのものと保護者IDは変わりません。"
        "必要なときは、新しいリンクを発行できます。",
        action="無効にする",
        do=lambda _, idempotency_key: session.api().post(
            f"/api/entries/parents/{parent['id']}/card/revoke", idempotency_key=idempotency_key
        ),
        success=f"{parent['name']}さんのカードのリンクを無効にしました。",
    )


def open_bulk_dialog() -> None:
    """For a whole nursery, a class, or single parents."""

    @dialogs.dialog("カードをまとめて用意する", width="medium", icon=":material/badge:")
    def ask() -> None:
        nursery_id = choices.select_target_nursery()
        target = st.radio("対象", (ALL, CLASS, SOME), horizontal=True, key="cards.how")
        selection: dict[str, Any] = {"nursery_id": nursery_id}
        label = WHOLE_NURSERY
        if target == CLASS:
            options = choices.classes(nursery_id)
            chosen = st.selectbox(
                FIELDS["class_name"], [*options], format_func=lambda name: options[name], key="cards.class"
            )
            selection["class_name"], label = chosen, f"{chosen}の園児の保護者"
        elif target == SOME:
            names = choices.parents(nursery_id)
            parent_ids = st.multiselect(
                FIELDS["parents"],
                [*names],
                format_func=lambda key: f"{names[key]}（{key}）",
                key="cards.some",
                placeholder="選んでください",
            )
            selection, label = {"parent_ids": parent_ids}, f"選んだ{len(parent_ids):,}人"
        incomplete = not any(selection.values()) or (target == CLASS and not selection["class_name"])
        with st.container(horizontal=True):
            # Not in callbacks: a callback gets the arguments of the previous run, which miss a choice made just now.
            if st.button(
                "印刷を準備する", key="cards.print", icon=":material/print:", type="primary", disabled=incomplete
            ):
                _prepare(selection, label)
            if st.button("メールで送る", key="cards.mail", icon=":material/mail:", disabled=incomplete):
                dialogs.open(_confirm_mail, selection, label)
                dialogs.rerun_if_changed()
        _show_result(selection)

    ask()


def _prepare(selection: dict[str, Any], label: str) -> None:
    """The links must exist before they are printed as QR codes."""
    try:
        with button_idempotency_key(f"{PATH}/issue {selection}") as idempotency_key:
            result: Issued = session.api().post(f"{PATH}/issue", selection, idempotency_key=idempotency_key)
            total = result["issued"] + result["there"]
            message = f"{label}のカード{total:,}枚を用意しました。" + (
                f"うち{result['issued']:,}人には、新しくリンクを発行しました。" if result["issued"] else ""
            )
            st.session_state[READY] = (dialogs.pending(), selection, message)
    except ApiProblem as problem:
        st.session_state[READY] = (dialogs.pending(), selection, problem)


def _show_result(selection: dict[str, Any]) -> None:
    dialog, prepared, outcome = st.session_state.get(READY, (None, None, None))
    if dialog is not dialogs.pending() or prepared != selection:
        st.markdown(small("A4用紙1枚に6人分を印刷します。倍率は100%で印刷し、点線に沿って切ってください。"))
    elif isinstance(outcome, ApiProblem):
        feedback.action_failed(outcome)
    else:
        st.success(plain(str(outcome)), icon=":material/check_circle:")
        link("PDFを保存する", sheet_url(selection), primary=True, download=True)


def _confirm_mail(selection: dict[str, Any], label: str) -> None:
    def send(_: str, idempotency_key: str) -> None:
        result: Mailed = session.api().post(f"{PATH}/mail", selection, idempotency_key=idempotency_key)
        note = (
            f"メールアドレスが未登録の{result['without_mail']:,}人には送っていません。"
            if result["without_mail"]
            else ""
        )
        flash.add(f"{result['mailed']:,}人にメールを送信します。{note}")

    confirm.confirm(
        "cards.mail_now",
        f"{label}に、カードのリンクをメールで送りますか？",
        "メールアドレスが登録されている保護者の全員に送ります。送信したあとは取り消せません。",
        action="送信する",
        do=send,
        success="",
        danger=False,
    )
