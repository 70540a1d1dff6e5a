"""連絡先を訂正する: corrects the customer's name, number and address, with a reason. What was sent to the wrong
address is sent again."""

from __future__ import annotations

import streamlit as st

from dashboards.reservations.operation_actions import Back, form_key, post, reservation_label
from dashboards.session import has_permission
from dashboards.ui import dialogs, forms
from dashboards.ui.columns import Row
from dashboards.ui.text import plain

KEY = "reservations.customer"


def button(reservation: Row, back: Back) -> None:
    if has_permission("reservations:reservation:operate"):
        dialogs.button("連絡先を訂正する", correct, reservation, back, key=f"{KEY}.open", icon="edit")


def correct(reservation: Row, back: Back) -> None:
    @dialogs.dialog(plain(f"{reservation_label(reservation)}の連絡先を訂正"), width="medium", icon=":material/edit:")
    def ask() -> None:
        st.info(_consequence(reservation))
        with forms.form(form_key(reservation, "customer"), submit="訂正する") as form:
            name = form.field(
                "customer_name",
                st.text_input,
                "依頼者の名前",
                required=True,
                max_chars=100,
                value=reservation["customer_name"],
            )
            phone = form.field(
                "phone", st.text_input, "電話番号", required=True, max_chars=30, value=reservation["phone_shown"]
            )
            mail = form.field("mail", st.text_input, "メールアドレス", max_chars=254, value=reservation["mail"])
            reason = form.field(
                "reason", st.text_input, "理由", required=True, max_chars=500, placeholder="お電話で正しい番号を伺った"
            )
        if form.submitted:
            body = {"customer_name": name.strip(), "phone": phone.strip(), "mail": mail.strip(), "reason": reason}
            form.send(
                lambda idempotency_key: post(reservation, "customer", back, body, idempotency_key),
                done="連絡先を訂正しました。",
            )

    ask()


def _consequence(reservation: Row) -> str:
    text = "電話番号を訂正すると、前の番号に送ったキャンセルなどのリンクは使えなくなります。"
    if reservation["state"] in ("calling_success", "awaiting_payment"):
        return f"{text}決済リンクを作り直して新しい番号に送り、決済の10分間は届いてから数え直します。"
    if reservation["state"] in ("expiring", "completed"):
        return text
    return f"{text}今の状況のお知らせを、訂正した電話番号とメールアドレスに送り直します。"
