"""予約を受け付ける: the form for a reservation by telephone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.contract.reservations import FIELDS
from dashboards.reservations import choices, operation_actions, words
from dashboards.ui import dialogs, fields, flash, forms, times
from dashboards.ui.fields import Text

KEY = "reservations.reservation.new"
# The session key of the time that the service asked to confirm.
ASKED_TIME = f"{KEY}.asked"
OUTSIDE_HOURS = "urn:genba:outside-hours"
_FIELDS = (
    operation_actions.STARTS_AT,
    Text("customer_name", "依頼者の名前", 100, required=True, placeholder="青木 花子"),
    Text(
        "phone",
        FIELDS["phone"],
        30,
        required=True,
        placeholder="090-1234-5678",
        help="決済リンクをSMSで送る番号です。携帯電話の番号を入力します。",
    ),
    Text(
        "mail",
        FIELDS["mail"],
        254,
        placeholder="hanako@mail.example",
        help="入力すると、SMSと同じお知らせをメールでも送ります。",
    ),
    Text("wishes", "要望", 500, height=80, placeholder="白いバラを入れてください。"),
)


def new() -> None:
    @dialogs.dialog("予約を受け付ける", width="medium", icon=":material/event_note:")
    def ask() -> None:
        offers = choices.offers()
        if not offers:
            st.warning("受け付けられるサービスがありません。「サービス・料金」でサービスとサイズを登録してください。")
            return
        st.info("受け付けると、依頼者に受付のSMSを送り、提携店に順番に電話をかけます。")
        # Outside of the form: the sizes depend on the service.
        service = st.selectbox(
            "サービス :red-badge[必須]", [*offers], format_func=lambda code: offers[code]["name"], key=f"{KEY}.service"
        )
        plans = {plan["code"]: f"{plan['name']} {words.yen(plan['price'])}" for plan in offers[service]["plans"]}
        _form(service, plans)

    ask()


def _form(service: str, plans: dict[str, str]) -> None:
    with forms.form(KEY, submit="受け付ける") as form:
        plan = form.field(
            "plan",
            st.selectbox,
            "サイズ・料金",
            required=True,
            options=[*plans],
            format_func=lambda code: plans.get(code, code),
        )
        tomorrow = (times.now() + timedelta(days=1)).replace(hour=12, minute=0, second=0, microsecond=0)
        typed = fields.draw(_FIELDS, form, {"starts_at": tomorrow.isoformat()}, "new")
    if form.submitted:
        request = {"service": service, "plan": plan, **typed}
        form.send(lambda key: _post(request, key), success="")


def _post(request: dict[str, Any], idempotency_key: str) -> None:
    """When the service has asked to confirm an unusual time, sending the same time again confirms it."""
    body = request | {
        "client_request_id": idempotency_key,
        "hours_confirmed": st.session_state.get(ASKED_TIME) == request["starts_at"],
    }
    try:
        reservation = session.api().post(operation_actions.PATH, body, idempotency_key=None)
    except ApiProblem as problem:
        if problem.type == OUTSIDE_HOURS:
            st.session_state[ASKED_TIME] = request["starts_at"]
        raise
    st.session_state.pop(ASKED_TIME, None)
    flash.add(f"{reservation['customer_name']}様の予約 {reservation['code']} を受け付けました。")
