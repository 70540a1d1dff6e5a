"""What is shown of a card and done with it. Its number stands on the page only for as long as the service says, after
a reason was given that the trail keeps."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.agencies import corporation_form
from dashboards.agencies.corporation_words import BY_CARD, PATH
from dashboards.client import ApiProblem
from dashboards.session import may
from dashboards.ui import confirm, details, dialogs, feedback, forms, times
from dashboards.ui.text import plain, small

KEY = "agencies.card"
Row = Mapping[str, Any]


def block(one: Row) -> None:
    """The card of a corporation as everybody may see it."""
    card = one["card"]
    st.markdown("**カード情報**")
    if card is None:
        st.markdown(":orange[:material/credit_card_off: カード情報は登録されていません。]")
    else:
        _facts(card)
    with st.container(horizontal=True, key=f"{KEY}.actions"):
        if may("agencies:card:reveal") and card and card["has_number"]:
            dialogs.button("カード番号を表示する", ask, one, key=f"{KEY}.reveal", icon="visibility")
        if may("agencies:corporation:update") and one["payment_type"] == BY_CARD:
            word = "カードを変更する" if card and card["has_number"] else "カードを登録する"
            dialogs.button(word, replace, one, key=f"{KEY}.replace", icon="credit_card")
        if may("agencies:corporation:update") and card:
            dialogs.button("カード情報を削除する", remove, one, key=f"{KEY}.remove", icon="delete")


def _facts(card: Row) -> None:
    if not card["has_number"]:
        st.markdown(
            f":orange[:material/credit_card_off: カード番号（下4桁 {plain(card['last4'])}）は、保管期間が過ぎたため"
            "削除されています。次の依頼の前に、お客様に確認してもう一度登録してください。]"
        )
        return
    code = "保管中（72時間以内に削除されます）" if card["has_code"] else "なし"
    details.facts(
        {
            "カード番号": f"{card['brand']} **** **** **** {card['last4']}".strip(),
            "有効期限": f"{card['expire_month']}/{card['expire_year']}",
            "カード名義": card["holder"],
            "セキュリティコード": code,
            "登録日時": times.full(times.parse(card["stored_at"])),
            **({"番号の削除予定": times.full(times.parse(card["purge_at"]))} if card["purge_at"] else {}),
        }
    )


def replace(one: Row) -> None:
    there = bool(one["card"] and one["card"]["has_number"])

    @dialogs.dialog("カードを変更する" if there else "カードを登録する", width="medium", icon=":material/credit_card:")
    def ask_for_it() -> None:
        try:
            intake = corporation_form.intake()
        except ApiProblem as problem:
            feedback.failed(problem, key=KEY)
            return
        if not intake["takes_number"]:
            st.info(plain(intake["why"]), icon=":material/credit_card_off:")
            return
        replaced = "前のカードの情報は置き換わります。" if there else ""
        st.markdown(f"**{plain(one['name'])}** のカードです。{replaced}")
        with forms.form(f"{KEY}.new.{one['id']}", submit="登録する") as form:
            typed = _fields(form, intake)
        if form.submitted:
            card = typed | {"version": one["version"]}
            form.send(lambda _: session.api().put(f"{PATH}/{one['id']}/card", card), done="カード情報を登録しました。")

    ask_for_it()


def _fields(form: forms.Form, intake: Row) -> dict[str, str]:
    needed: dict[str, Any] = {"required": True, "autocomplete": "off"}
    typed = {"number": form.field("card.number", st.text_input, "カード番号", max_chars=30, **needed)}
    for field, label, most in (
        ("expire_month", "有効期限（月）", 2),
        ("expire_year", "有効期限（年）", 4),
        ("holder", "カード名義", 100),
    ):
        typed[field] = form.field(f"card.{field}", st.text_input, label, max_chars=most, **needed)
    if intake["takes_code"]:
        code = form.field(
            "card.security_code", st.text_input, "セキュリティコード", type="password", max_chars=4, autocomplete="off"
        )
        typed |= {"security_code": code} if code else {}
    return typed


def remove(one: Row) -> None:
    confirm.confirm(
        f"{KEY}.remove.{one['id']}",
        f"法人「{one['name']}」のカード情報を削除しますか？",
        "カード番号・有効期限・名義をすべて削除します。元に戻せません。",
        action="削除する",
        do=lambda reason, _once: session.api().delete(
            f"{PATH}/{one['id']}/card", {"reason": reason, "version": one["version"]}
        ),
        done="カード情報を削除しました。",
        reason="required",
        most=200,
    )


def ask(one: Row) -> None:
    @dialogs.dialog("カード番号を表示する", width="medium", icon=":material/visibility:")
    def why() -> None:
        st.warning("だれが・いつ・どの法人のカード番号を・なぜ表示したかが監査ログに残ります。")
        with forms.form(f"{KEY}.why.{one['id']}", submit="表示する") as form:
            reason = form.field(
                "reason", st.text_input, "理由", required=True, max_chars=200, placeholder="キャリア管理画面への投入"
            )
        if form.submitted:
            form.send(lambda _: _reveal(one["id"], reason), done="")

    why()


def _reveal(corporation_id: int, reason: str) -> None:
    answer = session.api().post(f"{PATH}/{corporation_id}/card/reveal", {"reason": reason.strip()}, once=None)
    dialogs.open(_show, answer, time.monotonic() + answer["seconds"])


def _show(card: Row, until: float) -> None:
    """The number is in the dialog alone, and gone with it."""

    @dialogs.dialog("カード番号", width="medium", icon=":material/credit_card:")
    def shown() -> None:
        _plain(card, until)

    shown()


@st.fragment(run_every=1)
def _plain(card: Row, until: float) -> None:
    left = until - time.monotonic()
    if left <= 0:
        dialogs.close()
        st.rerun()
    with st.container(key=f"{KEY}.plain"):
        st.markdown(f":red[:material/visibility: あと**{int(left) + 1}秒**で隠れます。]")
        shown = {"カード番号": details.Code(card["number"])}
        if card["security_code"]:
            shown["セキュリティコード"] = details.Code(card["security_code"])
        details.facts(
            {
                **shown,
                "有効期限": f"{card['expire_month']}/{card['expire_year']}",
                "カード名義": card["holder"],
                "ブランド": card["brand"],
            }
        )
        st.markdown(small("キャリア管理画面への入力だけに使い、撮影したり書き写したりしないでください。"))
        st.button("今すぐ隠す", key=f"{KEY}.hide", icon=":material/visibility_off:", on_click=dialogs.close)
