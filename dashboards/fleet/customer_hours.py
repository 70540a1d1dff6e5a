"""Whether opening hours are learned from a customer's terminals: one line below its facts, and the switch."""

from __future__ import annotations

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.contract.fleet import CustomerDetail, CustomerHours
from dashboards.fleet import hours_switch
from dashboards.session import has_permission
from dashboards.ui import details, feedback

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
        hours_switch.draw(
            "customer",
            PATH,
            customer["id"],
            f"{customer['company_name']}のすべての端末で、",
            is_on=is_on,
            note="端末ごとに使わない設定もできます。",
        )
