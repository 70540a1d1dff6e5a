"""A corporation's card and its dialogs. The full number is on the page only for as long as the service allows, after
the user has given a reason, which is written to the audit log."""

from __future__ import annotations

import time
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.agencies import corporation_form
from dashboards.agencies.corporation_words import BY_CARD, PATH
from dashboards.client import ApiProblem
from dashboards.contract.agencies import CardSummary, CorporationDetail, Intake, Revealed
from dashboards.session import has_permission
from dashboards.ui import confirm, details, dialogs, feedback, forms, times
from dashboards.ui.text import plain, small

KEY = "agencies.card"


def card_section(corporation: CorporationDetail) -> None:
    """The card of a corporation as every user may see it."""
    card = corporation["card"]
    st.markdown("**カード情報**")
    if card is None:
        st.markdown(":orange[:material/credit_card_off: カード情報は登録されていません。]")
    else:
        _facts(card)
    with st.container(horizontal=True, key=f"{KEY}.actions"):
        if has_permission("agencies:card:reveal") and card and card["has_number"]:
            dialogs.button(
                "カード番号を表示する", open_reveal_dialog, corporation, key=f"{KEY}.reveal", icon="visibility"
            )
        if has_permission("agencies:corporation:update") and corporation["payment_type"] == BY_CARD:
            label = "カードを変更する" if card and card["has_number"] else "カードを登録する"
            dialogs.button(label, replace, corporation, key=f"{KEY}.replace", icon="credit_card")
        if has_permission("agencies:corporation:update") and card:
            dialogs.button("カード情報を削除する", remove, corporation, key=f"{KEY}.remove", icon="delete")


def _facts(card: CardSummary) -> None:
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
            "登録日時": times.stamp(card["stored_at"]),
            **({"番号の削除予定": times.stamp(card["purge_at"])} if card["purge_at"] else {}),
        }
    )


def replace(corporation: CorporationDetail) -> None:
    has_number = bool(corporation["card"] and corporation["card"]["has_number"])

    @dialogs.dialog(
        "カードを変更する" if has_number else "カードを登録する", width="medium", icon=":material/credit_card:"
    )
    def show_form() -> None:
        try:
            intake = corporation_form.intake()
        except ApiProblem as problem:
            feedback.failed(problem, key=KEY)
            return
        if not intake["takes_number"]:
            st.info(plain(intake["why"]), icon=":material/credit_card_off:")
            return
        replaced = "前のカードの情報は置き換わります。" if has_number else ""
        st.markdown(f"**{plain(corporation['name'])}** のカードです。{replaced}")
        with forms.form(f"{KEY}.new.{corporation['id']}", submit="登録する") as form:
            values = _fields(form, intake)
        if form.submitted:
            card = values | {"version": corporation["version"]}
            form.send(
                lambda _: session.api().put(f"{PATH}/{corporation['id']}/card", card),
                success="カード情報を登録しました。",
            )

    show_form()


def _fields(form: forms.Form, intake: Intake) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, max_length in {"number": 30, "expire_month": 2, "expire_year": 4, "holder": 100}.items():
        values[name] = _field(form, f"card.{name}", max_length, required=True)
    if intake["takes_code"]:
        code = _field(form, "card.security_code", 4, type="password")
        values |= {"security_code": code} if code else {}
    return values


def _field(form: forms.Form, name: str, max_length: int, **options: Any) -> str:
    label = corporation_form.CARD_LABELS[name]
    typed: str = form.field(name, st.text_input, label, max_chars=max_length, autocomplete="off", **options)
    return typed


def remove(corporation: CorporationDetail) -> None:
    confirm.confirm(
        f"{KEY}.remove.{corporation['id']}",
        f"法人「{corporation['name']}」のカード情報を削除しますか？",
        "カード番号・有効期限・名義をすべて削除します。元に戻せません。",
        action="削除する",
        do=lambda reason, _idempotency_key: session.api().delete(
            f"{PATH}/{corporation['id']}/card", {"reason": reason, "version": corporation["version"]}
        ),
        success="カード情報を削除しました。",
        reason="required",
        max_length=200,
    )


def open_reveal_dialog(corporation: CorporationDetail) -> None:
    @dialogs.dialog("カード番号を表示する", width="medium", icon=":material/visibility:")
    def show_form() -> None:
        st.warning("だれが・いつ・どの法人のカード番号を・なぜ表示したかが監査ログに残ります。")
        with forms.form(f"{KEY}.why.{corporation['id']}", submit="表示する") as form:
            reason = form.field(
                "reason", st.text_input, "理由", required=True, max_chars=200, placeholder="キャリア管理画面への投入"
            )
        if form.submitted:
            form.send(lambda _: _reveal(corporation["id"], reason), success="")

    show_form()


def _reveal(corporation_id: int, reason: str) -> None:
    answer: Revealed = session.api().post(
        f"{PATH}/{corporation_id}/card/reveal", {"reason": reason.strip()}, idempotency_key=None
    )
    dialogs.open(_show, answer, time.monotonic() + answer["seconds"])


def _show(card: Revealed, until: float) -> None:
    """The number exists only in the dialog, and disappears with it."""

    @dialogs.dialog("カード番号", width="medium", icon=":material/credit_card:")
    def show() -> None:
        _show_number(card, until)

    show()


@st.fragment(run_every=1)
def _show_number(card: Revealed, until: float) -> None:
    remaining = until - time.monotonic()
    if remaining <= 0:
        dialogs.close()
        st.rerun()
    with st.container(key=f"{KEY}.plain"):
        st.markdown(f":red[:material/visibility: あと**{int(remaining) + 1}秒**で隠れます。]")
        numbers = {"カード番号": details.Code(card["number"])}
        if card["security_code"]:
            numbers["セキュリティコード"] = details.Code(card["security_code"])
        details.facts(
            {
                **numbers,
                "有効期限": f"{card['expire_month']}/{card['expire_year']}",
                "カード名義": card["holder"],
                "ブランド": card["brand"],
            }
        )
        st.markdown(small("キャリア管理画面への入力だけに使い、撮影したり書き写したりしないでください。"))
        st.button("今すぐ隠す", key=f"{KEY}.hide", icon=":material/visibility_off:", on_click=dialogs.close)
