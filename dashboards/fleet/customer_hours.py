"""Whether opening hours are learned from a customer's terminals: one line below its facts, and the switch."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.contract.fleet import CustomerDetail, CustomerHours
from dashboards.session import has_permission
from dashboards.ui import confirm, details, dialogs, feedback

PATH = "/api/fleet/customers"


def show(customer: CustomerDetail) -> None:
    try:
        setting: CustomerHours = session.api().get(f"{PATH}/{customer['id']}/hours")
    except ApiProblem as problem:
        feedback.failed(problem, key="customer.hours")
        return
    is_on = setting["learned_hours"]
    if not setting["setting"]:
        text = "このシステムでは使われていません"
    else:
        text = "営業時間外は、次の開店までアラートを通知しません" if is_on else "時刻を問わずアラートを通知します"
    details.facts({"営業時間の学習": text})
    if setting["setting"] and customer["archived_at"] is None and has_permission("fleet:customer:update"):
        st.button(
            "営業時間を学習しない" if is_on else "営業時間を学習する",
            key="customer.hours.switch",
            icon=":material/alarm_off:" if is_on else ":material/schedule:",
            on_click=dialogs.open,
            args=(switch, customer, not is_on),
        )


def switch(customer: CustomerDetail, on: bool) -> None:
    confirm.confirm(
        f"customer.hours.{customer['id']}",
        f"{customer['company_name']}のすべての端末で、営業時間を学習{'しますか' if on else 'しないようにしますか'}？",
        "営業時間外に通信が途絶えても、次の開店まではアラートを通知しなくなります。端末ごとに使わない設定もできます。"
        if on
        else "時刻を問わず、通信が途絶えるとアラートを通知します。閉店後に電源を切る店舗では、毎晩アラートになります。",
        action="学習する" if on else "学習しない",
        do=lambda _, _once: session.api().put(f"{PATH}/{customer['id']}/hours", {"learned_hours": on}),
        done=f"営業時間の学習を{'使うように' if on else '使わないように'}しました。",
        danger=False,
    )
