"""顧客一覧: all customers, those with terminal problems first."""

from __future__ import annotations

import streamlit as st

from dashboards.contract.fleet import CONTRACT_TYPE, CustomerItem, PageCustomerItem
from dashboards.fleet import customer_drawer
from dashboards.fleet.customer_drawer import PATH
from dashboards.session import has_permission
from dashboards.ui import columns, dialogs, filters, live, tables
from dashboards.ui.exports import Export
from dashboards.ui.links import link
from dashboards.ui.live import refreshing
from dashboards.ui.text import plain

SORTS = {
    "company_name": "会社名順",
    "-company_name": "会社名の逆順",
    "-trouble": "異常の多い順",
    "-terminals": "端末数の多い順",
    "terminals": "端末数の少ない順",
    "-created_at": "登録の新しい順",
    "created_at": "登録の古い順",
}


COLUMNS = (
    columns.text("会社名", "company_name", width=200, sort="company_name"),
    columns.text("契約種別", lambda row: CONTRACT_TYPE.get(row["contract_type"], ""), width=140),
    columns.number("端末数", lambda row: row["terminals"]["total"], width=76, sort="terminals"),
    columns.number("オンライン", lambda row: row["terminals"]["online"], width=90),
    columns.number("エラー", lambda row: row["terminals"]["error"], width=72, sort="trouble"),
    columns.number("オフライン", lambda row: row["terminals"]["offline"], width=90),
    columns.number("メンテナンス中", lambda row: row["terminals"]["maintenance"], width=110),
    columns.text("担当者", "contact_person", width=110),
    columns.text("電話番号", "contact_phone", width=130),
)


@refreshing
def headline() -> None:
    reading = live.block(
        "fleet.customers_headline", "顧客一覧", PATH, headline=True, right=_title_buttons, sort="-trouble", limit=1
    )
    if reading is None:
        return
    page: PageCustomerItem = reading.data
    total, items = page["total"], page["items"]
    if not total:
        st.markdown("まだ顧客が登録されていません。")
        return
    st.markdown(f"登録されている顧客は{total:,}社です。{_worst_text(items[0])}")


def _worst_text(customer: CustomerItem) -> str:
    counts = customer["terminals"]
    if not counts["offline"] + counts["error"]:
        return "端末に異常のある顧客はありません。"
    return (
        f"異常のある端末が最も多いのは**{plain(customer['company_name'])}**で、"
        f"オフライン {counts['offline']:,}台、エラー {counts['error']:,}台です。"
    )


def _title_buttons() -> None:
    if has_permission("core:import:create"):
        link("取り込む", "/imports")
    if has_permission("fleet:customer:create"):
        dialogs.button("顧客を登録する", customer_drawer.register, key="customers.new", icon="add", type="primary")


@refreshing
def draw_list(chosen: filters.Filters) -> None:
    tables.table(
        "fleet.customers_list",
        "",
        PATH,
        COLUMNS,
        counter="社",
        sorts=SORTS,
        filters=chosen,
        actions={"詳細": customer_drawer.drawer},
        export=Export.of(PATH),
        empty=tables.Empty(
            "まだ顧客が登録されていません", "「顧客を登録する」から登録するか、ファイルを取り込んでください。"
        ),
    )


headline()
draw_list(
    filters.bar(
        filters.Text("q", "キーワード", "会社名・担当者"),
        filters.Choice("contract_type", "契約種別", CONTRACT_TYPE),
        filters.Choice("archived", "表示", {"true": "アーカイブ済み"}, otherwise="使用中"),
    )
)
