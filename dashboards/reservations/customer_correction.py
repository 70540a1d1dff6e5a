"""連絡先を訂正する: the customer's name, number and address as they should be, with a reason; what was sent to the
wrong place is said once more."""

from __future__ import annotations

import streamlit as st

from dashboards.reservations.operation_actions import Back, key_of, name_of, post
from dashboards.session import may
from dashboards.ui import dialogs, forms
from dashboards.ui.columns import Row
from dashboards.ui.text import plain

KEY = "reservations.customer"


def button(reservation: Row, back: Back) -> None:
    if may("reservations:reservation:operate"):
        dialogs.button("連絡先を訂正する", correct, reservation, back, key=f"{KEY}.open", icon="edit")


def correct(reservation: Row, back: Back) -> None:
    @dialogs.dialog(plain(f"{name_of(reservation)}の連絡先を訂正"), width="medium", icon=":material/edit:")
    def ask() -> None:
        st.info(_consequence(reservation))
        with forms.form(key_of(reservation, "customer"), submit="訂正する") as form:
            name = form.field(
                "customer_name", st.text_input, "依頼者の名前", required=True, max_chars=100,
                value=reservation["customer_name"],
            )  # fmt: skip
            phone = form.field(
                "phone", st.text_input, "電話番号", required=True, max_chars=30, value=reservation["phone_shown"]
            )
            mail = form.field("mail", st.text_input, "メールアドレス", max_chars=254, value=reservation["mail"])
            reason = form.field(
                "reason", st.text_input, "理由", required=True, max_chars=500, placeholder="お電話で正しい番号を伺った"
            )
        if form.submitted:
            right = {"customer_name": name.strip(), "phone": phone.strip(), "mail": mail.strip(), "reason": reason}
            form.send(lambda once: post(reservation, "customer", back, right, once), done="連絡先を訂正しました。")

    ask()


def _consequence(reservation: Row) -> str:
    said = "電話番号を訂正すると、前の番号に送ったキャンセルなどのリンクは使えなくなります。"
    if reservation["state"] in ("calling_success", "awaiting_payment"):
        return f"{said}決済リンクを作り直して新しい番号に送り、決済の10分間は届いてから数え直します。"
    if reservation["state"] in ("expiring", "completed"):
        return said
    return f"{said}今の状況のお知らせを、訂正した電話番号とメールアドレスに送り直します。"
