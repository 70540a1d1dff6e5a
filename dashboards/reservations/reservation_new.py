"""予約を受け付ける: what a customer asks for on the telephone."""

from __future__ import annotations

from datetime import timedelta

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.reservations import choices, operation_actions, words
from dashboards.ui import dialogs, flash, forms, times
from dashboards.ui.text import plain

KEY = "reservations.reservation.new"
# The time about which the service has asked.
ASKED = f"{KEY}.asked"
ODD_TIME = "urn:genba:outside-hours"


def new() -> None:
    @dialogs.dialog("予約を受け付ける", width="medium", icon=":material/event_note:")
    def ask() -> None:
        offers = choices.offers()
        if not offers:
            st.warning("受け付けられるサービスがありません。「サービス・料金」でサービスとサイズを登録してください。")
            return
        st.info("受け付けると、依頼者に受付のSMSを送り、提携店に順番に電話をかけます。")
        # Outside of the form: the sizes are those of the service.
        service = st.selectbox(
            "サービス :red-badge[必須]", [*offers], format_func=lambda code: offers[code]["name"], key=f"{KEY}.service"
        )
        plans = {plan["code"]: f"{plan['name']} {words.yen(plan['price'])}" for plan in offers[service]["plans"]}
        _form(service, plans)

    ask()


def _form(service: str, plans: dict[str, str]) -> None:
    with forms.form(KEY, submit="受け付ける") as form:
        plan = form.field(
            "plan", st.selectbox, "サイズ・料金", required=True, options=[*plans],
            format_func=lambda code: plans.get(code, code),
        )  # fmt: skip
        starts_at = operation_actions.moment(
            form, (times.now() + timedelta(days=1)).replace(hour=12, minute=0, second=0, microsecond=0)
        )
        name = form.field(
            "customer_name", st.text_input, "依頼者の名前", required=True, max_chars=100, placeholder="青木 花子"
        )
        phone = form.field(
            "phone", st.text_input, "電話番号", required=True, max_chars=30, placeholder="090-1234-5678",
            help="決済リンクをSMSで送る番号です。携帯電話の番号を入力します。",
        )  # fmt: skip
        mail = form.field(
            "mail", st.text_input, "メールアドレス", max_chars=254, placeholder="hanako@mail.example",
            help="入力すると、SMSと同じお知らせをメールでも送ります。",
        )  # fmt: skip
        wishes = form.field(
            "wishes", st.text_area, "要望", max_chars=500, height=80, placeholder="白いバラを入れてください。"
        )
    if form.submitted:
        wish = {
            "service": service, "plan": plan, "starts_at": starts_at, "customer_name": name.strip(),
            "phone": phone.strip(), "mail": mail.strip(), "wishes": wishes.strip(),
        }  # fmt: skip
        form.send(lambda once: _post(wish, once), done="")


def _post(wish: dict[str, str], once: str) -> None:
    """Pressing again after the question about an odd time is the answer to it: for that time, and for no other."""
    body = wish | {"client_request_id": once, "hours_confirmed": st.session_state.get(ASKED) == wish["starts_at"]}
    try:
        made = session.api().post(operation_actions.PATH, body, once=None)
    except ApiProblem as problem:
        if problem.type == ODD_TIME:
            st.session_state[ASKED] = wish["starts_at"]
        raise
    st.session_state.pop(ASKED, None)
    flash.say(f"{plain(made['customer_name'])}様の予約 {made['code']} を受け付けました。")
