"""A customer next to the list: facts, stores, open alerts; and the actions on the record."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

from dashboards.contract.fleet import CONTRACT_TYPE, FIELDS, CustomerDetail, CustomerItem
from dashboards.fleet import customer_hours
from dashboards.fleet.report_words import month_text
from dashboards.fleet.words import ALERT, TERMINAL
from dashboards.session import has_permission
from dashboards.ui import details, times
from dashboards.ui.fields import Choice, Text
from dashboards.ui.links import link, mail, telephone
from dashboards.ui.records import Record
from dashboards.ui.status import UNKNOWN
from dashboards.ui.text import plain, small

PATH = "/api/fleet/customers"
STORES_SHOWN = 20
RECORD = Record(
    key="customer",
    path=PATH,
    name=lambda customer: f"顧客「{customer['company_name']}」",
    fields=(
        Text("company_name", FIELDS["company_name"], 100, required=True, placeholder="ABC商事"),
        Text("contact_person", FIELDS["contact_person"], 50, required=True, placeholder="山田 太郎"),
        Text("contact_email", FIELDS["contact_email"], 254, required=True, placeholder="t.yamada@example.co.jp"),
        Text("contact_phone", FIELDS["contact_phone"], 20, required=True, placeholder="03-1234-5678"),
        Choice("contract_type", FIELDS["contract_type"], lambda: CONTRACT_TYPE, default="basic"),
    ),
    archiving="一覧から外れ、新しい端末を登録できなくなり、有効な登録コードは失効します。履歴は残り、あとで元に戻せます。"
    "使用中の端末がある顧客はアーカイブできません。",
    restoring="一覧に戻ります。端末はアーカイブされたままなので、必要なものを1台ずつ元に戻してください。",
)


def register() -> None:
    RECORD.new("顧客を登録する", lambda customer: f"{customer['company_name']}を登録しました。", icon="add_business")


def drawer(row: CustomerItem) -> None:
    RECORD.drawer({"id": row["id"], "name": row["company_name"]}, _show, icon="business", width="medium")


def _show(customer: CustomerDetail) -> None:
    st.markdown(f"**{plain(_status_text(customer))}**")
    _buttons(customer)
    _facts(customer)
    customer_hours.show(customer)
    _alerts(customer)
    _stores(customer)


def _status_text(customer: CustomerDetail) -> str:
    counts = customer["terminals"]
    if customer["archived_at"]:
        return f"{times.stamp(customer['archived_at'])}にアーカイブされました。"
    if not counts["total"]:
        return "使用中の端末はありません。"
    by_status = {"offline": counts["offline"], "error": counts["error"]}
    problems = [f"{TERMINAL[code].label} {count:,}台" for code, count in by_status.items() if count]
    if not problems:
        return f"使用中の端末{counts['total']:,}台に異常はありません。"
    return f"使用中の端末{counts['total']:,}台のうち、{'、'.join(problems)}です。"


def _buttons(customer: CustomerDetail) -> None:
    with st.container(horizontal=True):
        query = urlencode({"customer_id": customer["company_name"]})
        link("端末一覧を開く", f"/terminals?{query}", primary=True)
        if has_permission("fleet:customer:update"):
            RECORD.buttons(customer)


def _facts(customer: CustomerDetail) -> None:
    report = customer["last_report"]
    details.facts(
        {
            FIELDS["contact_person"]: customer["contact_person"],
            FIELDS["contact_email"]: mail(customer["contact_email"]),
            FIELDS["contact_phone"]: telephone(customer["contact_phone"]),
            FIELDS["contract_type"]: CONTRACT_TYPE.get(customer["contract_type"], ""),
            "店舗数": f"{customer['store_count']:,}店舗",
            "アーカイブ済みの端末": f"{customer['archived_terminals']:,}台",
            "最新の月次報告書": report
            and f"{month_text(report['month'][:7])}（{'送信済み' if report['sent_at'] else '未送信'}）",
            "登録日": times.stamp(customer["created_at"]),
        }
    )


def _alerts(customer: CustomerDetail) -> None:
    st.markdown(small("未解決のアラート"))
    if not customer["open_incidents"]:
        st.markdown("未解決のアラートはありません。")
        return
    with st.container(border=True, gap="small", key="customer.alerts"):
        for incident in customer["open_incidents"]:
            status, since = ALERT.get(incident["alert_type"], UNKNOWN), times.parse(incident["opened_at"])
            since_text = small(plain(f"{times.full(since)}（{times.ago(since)}）"))
            st.markdown(f"{status.badge()} {incident['members_open']:,}台が復旧待ち　{since_text}")
        query = urlencode({"customer_id": customer["company_name"]})
        link("アラート一覧で対応する", f"/alerts?{query}")


def _stores(customer: CustomerDetail) -> None:
    st.markdown(small("店舗"))
    if not customer["stores"]:
        st.markdown("端末のある店舗はありません。")
        return
    with st.container(border=True, gap="small", key="customer.stores"):
        for store in customer["stores"][:STORES_SHOWN]:
            counts = store["terminals"]
            problem_count = counts["offline"] + counts["error"]
            icon = ":red[:material/error:]" if problem_count else ":green[:material/check_circle:]"
            online_text = f"{counts['online']:,} / {counts['total']:,}台がオンライン"
            st.markdown(f"{icon} **{plain(store['store'])}**　{small(online_text)}")
        if customer["store_count"] > STORES_SHOWN:
            st.markdown(small(f"ほか{customer['store_count'] - STORES_SHOWN:,}店舗"))
