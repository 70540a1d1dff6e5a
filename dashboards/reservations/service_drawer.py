"""The drawer of a service: whether it can be reserved, its prices, and its history."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

from dashboards.contract.reservations import PlanItem, ServiceDetail, ServiceItem
from dashboards.reservations import history, words
from dashboards.reservations.service_forms import PLAN, SERVICE, new_plan
from dashboards.session import has_permission
from dashboards.ui import details, dialogs, times
from dashboards.ui.links import link
from dashboards.ui.text import plain, small


def drawer(row: ServiceItem) -> None:
    SERVICE.drawer(row, _show, icon="sell", width="medium")


def _show(service: ServiceDetail) -> None:
    st.markdown(f"**{plain(state_sentence(service))}**")
    _buttons(service)
    _plans(service)
    details.facts(
        {
            "説明": service["description"],
            "コード": service["code"],
            "電話をかける提携店": f"{service['shops']:,}店",
            "登録日時": times.stamp(service["created_at"]),
        }
    )
    history.show(f"{SERVICE.path}/{service['id']}", key=f"{SERVICE.key}.history")


def state_sentence(service: ServiceDetail) -> str:
    if service["archived_at"]:
        return f"{times.stamp(service['archived_at'])}にアーカイブされました。予約を受け付けません。"
    if not any(plan["archived_at"] is None for plan in service["plans"]):
        return "サイズ・料金がないため、予約を受け付けられません。"
    if not service["shops"]:
        return "電話をかけられる提携店がないため、予約を受け付けても手配できません。"
    return f"予約を受け付けています。提携店{service['shops']:,}店に順番に電話をかけます。"


def _buttons(service: ServiceDetail) -> None:
    with st.container(horizontal=True):
        if not service["archived_at"]:
            query = urlencode({"part": "電話をかける順番", "service": service["name"]})
            link("電話をかける順番を開く", f"/shops?{query}")
        if has_permission("reservations:service:update"):
            SERVICE.buttons(service)


def _plans(service: ServiceDetail) -> None:
    st.markdown(small("サイズ・料金"))
    may_edit = has_permission("reservations:service:update") and not service["archived_at"]
    if not service["plans"]:
        st.markdown("まだサイズ・料金がありません。")
    else:
        with st.container(border=True, gap="small", key=f"{SERVICE.key}.plans"):
            for plan in service["plans"]:
                _plan(plan, may_edit)
    if may_edit:
        dialogs.button("サイズ・料金を追加する", new_plan, service, key=f"{SERVICE.key}.plan.new", icon="add")


def _plan(plan: PlanItem, may_edit: bool) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        code = small(plain(f"コード {plan['code']}"))
        text = f"**{plain(plan['name'])}　{words.yen(plan['price'])}**　{code}"
        text += f"　{words.SHOP['archived'].badge()}" if plan["archived_at"] else ""
        st.markdown(text, width="content")
        if not may_edit:
            return
        with st.container(horizontal=True, width="content", gap="small"):
            key = f"{SERVICE.key}.plan.{plan['id']}"
            if plan["archived_at"]:
                dialogs.button("元に戻す", PLAN.restore, plan, key=f"{key}.restore", type="tertiary")
            else:
                dialogs.button("編集", PLAN.edit, plan, key=f"{key}.edit", type="tertiary")
                dialogs.button("アーカイブ", PLAN.archive, plan, key=f"{key}.archive", type="tertiary")
