"""サービス・料金: what can be reserved, at which price, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboards.contract.reservations import PageServiceItem, ServiceItem
from dashboards.reservations import service_drawer, words
from dashboards.reservations.service_forms import SERVICE, new
from dashboards.session import has_permission
from dashboards.ui import columns, dialogs, filters, live, tables
from dashboards.ui.live import refreshing
from dashboards.ui.text import plain

KEY = "reservations.services"
COLUMNS = (
    columns.text("サービス名", "name", width=140, sort="name"),
    columns.text("サイズ・料金", lambda row: words.plans(row["plans"]), width=410),
    columns.number("提携店", "shops", width=72, help="電話をかける店舗の数です。利用停止の店舗は含みません。"),
    columns.text("説明", "description", width=290),
    columns.text("コード", "code", width=90, sort="code"),
)


@refreshing
def headline() -> None:
    reading = live.block(f"{KEY}.summary", "サービス・料金", SERVICE.path, headline=True, right=_actions, limit=100)
    if reading is None:
        return
    page: PageServiceItem = reading.data
    items, total = page["items"], page["total"]
    if not total:
        st.markdown("まだサービスが登録されていません。")
        return
    ready = sum(1 for service in items if service["plans"] and service["shops"])
    share = "すべて" if ready == total else f"そのうち{ready:,}種類の"
    sentence = f"サービスは{total:,}種類で、{share}予約を手配できます。"
    sentence += _missing("サイズ・料金がありません", [service for service in items if not service["plans"]])
    sentence += _missing("電話をかけられる提携店がありません", [service for service in items if not service["shops"]])
    st.markdown(sentence)


def _missing(problem: str, services: Sequence[ServiceItem]) -> str:
    if not services:
        return ""
    return f"**{'、'.join(plain(service['name']) for service in services)}には、{problem}**。"


def _actions() -> None:
    if has_permission("reservations:service:update"):
        dialogs.button("サービスを登録する", new, key=f"{KEY}.new", icon="add", type="primary")


@refreshing
def show_list(chosen: filters.Filters) -> None:
    tables.table(
        f"{KEY}.list",
        "",
        SERVICE.path,
        COLUMNS,
        counter="種類",
        sorts={"position": "表示順", "name": "名前順", "code": "コード順"},
        filters=chosen,
        actions={"詳細": service_drawer.drawer},
        empty=tables.Empty(
            "まだサービスが登録されていません",
            "「サービスを登録する」から登録すると、サイズと料金を追加できます。"
            if has_permission("reservations:service:update")
            else "管理者がサービスを登録すると、ここに並びます。",
        ),
    )


headline()
show_list(
    filters.bar(
        filters.Text("q", "キーワード", "サービス名・コード"),
        filters.Choice("archived", "表示", {"true": "アーカイブ済み"}, otherwise="使用中"),
    )
)
