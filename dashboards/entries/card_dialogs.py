"""Parents' cards: the link of one, and those of a class or of a whole nursery, by mail or on paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboards import session
from dashboards.addresses import DOWNLOAD
from dashboards.client import ApiProblem
from dashboards.entries import choices
from dashboards.session import may
from dashboards.ui import confirm, dialogs, feedback, flash, times
from dashboards.ui.columns import Row
from dashboards.ui.links import link
from dashboards.ui.once import pressed
from dashboards.ui.text import plain, small

PATH = "/api/entries/cards"
READY = "entries.cards.ready"
WHOLE = "園のすべての保護者"
ALL, CLASS, SOME = "園のすべて", "組を選ぶ", "保護者を選ぶ"


def of_parent(parent: Row, drawer: Callable[[Row], None]) -> None:
    """The part of a parent's drawer that is about the card."""
    st.markdown(small("保護者カード"))
    if not parent["card_issued_at"]:
        st.markdown("まだ発行されていません。")
        if may("entries:card:issue"):
            dialogs.button("カードを発行する", issue, parent, drawer, key="card.issue", icon="badge", type="primary")
        return
    issued = times.full(times.parse(parent["card_issued_at"]))
    if not may("entries:card:issue"):
        st.markdown(f"{issued}に発行されました。")
        return
    try:
        card = session.api().get(f"/api/entries/parents/{parent['id']}/card")
    except ApiProblem as problem:
        feedback.not_done(problem)
        return
    opened = card["last_opened_at"]
    st.markdown(
        f"{issued}に発行されました。"
        + (f"最後に開かれたのは{times.full(times.parse(opened))}です。" if opened else "まだ一度も開かれていません。")
    )
    st.markdown(small("本人専用のリンク（マウスを重ねると、右上にコピーのボタンが出ます）"))
    st.code(card["url"], language=None, wrap_lines=True)
    with st.container(horizontal=True):
        link("印刷する", sheet({"parent_ids": [parent["id"]]}), download=True)
        dialogs.button("メールで送る", send_to, parent, key="card.mail", icon="mail")
        dialogs.button("無効にする", revoke, parent, key="card.revoke", icon="block")


def sheet(wanted: Mapping[str, Any]) -> str:
    return f"{DOWNLOAD}{PATH}/sheet.pdf?{urlencode(wanted, doseq=True)}"


def issue(parent: Row, drawer: Callable[[Row], None]) -> None:
    """At once: it only makes the link, which the drawer then shows."""
    try:
        with pressed(f"{PATH}/issue {parent['id']}") as once:
            session.api().post(f"{PATH}/issue", {"parent_ids": [parent["id"]]}, once=once)
            flash.say(f"{parent['name']}さんのカードを発行しました。")
    except ApiProblem as problem:
        flash.say(problem.detail)
    dialogs.open(drawer, parent)
    st.rerun()


def send_to(parent: Row) -> None:
    confirm.confirm(
        f"card.mail.{parent['id']}",
        f"{parent['name']}さんにカードのリンクをメールで送りますか？",
        f"送信先は {parent['mail']} です。送信したあとは取り消せません。"
        if parent["mail"]
        else "メールアドレスが登録されていないため、先に登録が必要です。",
        action="送信する",
        do=lambda _, once: session.api().post(f"{PATH}/mail", {"parent_ids": [parent["id"]]}, once=once),
        done=f"{parent['name']}さんにメールを送信します。状況は「通知」で確認できます。",
        danger=False,
    )


def revoke(parent: Row) -> None:
    confirm.confirm(
        f"card.revoke.{parent['id']}",
        f"{parent['name']}さんのカードのリンクを無効にしますか？",
        "これまでのリンクとQRコードではカードを開けなくなります。印刷したバーコードそのものと保護者IDは変わりません。"
        "必要なときは、新しいリンクを発行できます。",
        action="無効にする",
        do=lambda _, once: session.api().post(f"/api/entries/parents/{parent['id']}/card/revoke", once=once),
        done=f"{parent['name']}さんのカードのリンクを無効にしました。",
    )


def many() -> None:
    """For a nursery, a class, or some."""

    @dialogs.dialog("カードをまとめて用意する", width="medium", icon=":material/badge:")
    def ask() -> None:
        nursery_id = choices.nursery_to_write_in()
        how = st.radio("対象", (ALL, CLASS, SOME), horizontal=True, key="cards.how")
        wanted: dict[str, Any] = {"nursery_id": nursery_id}
        words = WHOLE
        if how == CLASS:
            offered = choices.classes(nursery_id)
            chosen = st.selectbox("組", [*offered], format_func=lambda name: offered[name], key="cards.class")
            wanted["class_name"], words = chosen, f"{chosen}の園児の保護者"
        elif how == SOME:
            names = choices.parents(nursery_id)
            some = st.multiselect(
                "保護者",
                [*names],
                format_func=lambda key: f"{names[key]}（{key}）",
                key="cards.some",
                placeholder="選んでください",
            )
            wanted, words = {"parent_ids": some}, f"選んだ{len(some):,}人"
        incomplete = not any(wanted.values()) or (how == CLASS and not wanted["class_name"])
        with st.container(horizontal=True):
            # In no callbacks: those would take what was drawn last, and a choice made just now is later.
            if st.button(
                "印刷を準備する", key="cards.print", icon=":material/print:", type="primary", disabled=incomplete
            ):
                _prepare(wanted, words)
            if st.button("メールで送る", key="cards.mail", icon=":material/mail:", disabled=incomplete):
                dialogs.open(_send, wanted, words)
                dialogs.leave()
        _ready(wanted)

    ask()


def _prepare(wanted: dict[str, Any], words: str) -> None:
    """The links have to be there before they are printed as QR codes."""
    try:
        with pressed(f"{PATH}/issue {wanted}") as once:
            made = session.api().post(f"{PATH}/issue", wanted, once=once)
            number = made["issued"] + made["there"]
            said = f"{words}のカード{number:,}枚を用意しました。" + (
                f"うち{made['issued']:,}人には、新しくリンクを発行しました。" if made["issued"] else ""
            )
            st.session_state[READY] = (dialogs.noted(), wanted, said)
    except ApiProblem as problem:
        st.session_state[READY] = (dialogs.noted(), wanted, problem)


def _ready(wanted: dict[str, Any]) -> None:
    opened, prepared, outcome = st.session_state.get(READY, (None, None, None))
    if opened is not dialogs.noted() or prepared != wanted:
        st.markdown(small("A4用紙1枚に6人分を印刷します。倍率は100%で印刷し、点線に沿って切ってください。"))
    elif isinstance(outcome, ApiProblem):
        feedback.not_done(outcome)
    else:
        st.success(plain(str(outcome)), icon=":material/check_circle:")
        link("PDFを保存する", sheet(wanted), primary=True, download=True)


def _send(wanted: dict[str, Any], words: str) -> None:
    def send(_: str, once: str) -> None:
        sent = session.api().post(f"{PATH}/mail", wanted, once=once)
        left = f"メールアドレスが未登録の{sent['without_mail']:,}人には送っていません。" if sent["without_mail"] else ""
        flash.say(f"{sent['mailed']:,}人にメールを送信します。{left}")

    confirm.confirm(
        "cards.mail_now",
        f"{words}に、カードのリンクをメールで送りますか？",
        "メールアドレスが登録されている保護者の全員に送ります。送信したあとは取り消せません。",
        action="送信する",
        do=send,
        done="",
        danger=False,
    )
