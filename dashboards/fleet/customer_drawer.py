"""A customer next to the list: facts, stores, open alerts; and the actions on the record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.contract.fleet import CONTRACT_TYPE
from dashboards.fleet import customer_hours
from dashboards.fleet.report_words import month_text
from dashboards.fleet.words import ALERT, TERMINAL
from dashboards.session import has_permission
from dashboards.ui import details, dialogs, editing, feedback, forms, times
from dashboards.ui.columns import Row
from dashboards.ui.links import link
from dashboards.ui.status import UNKNOWN
from dashboards.ui.text import plain, small

PATH = "/api/fleet/customers"
STORES_SHOWN = 20
LABELS = {
    "company_name": "会社名",
    "contact_person": "担当者",
    "contact_email": "連絡先メール",
    "contact_phone": "電話番号",
    "contract_type": "契約種別",
}
MAX_LENGTHS = {"company_name": 100, "contact_person": 50, "contact_email": 254, "contact_phone": 20}
HINTS = {
    "company_name": "ABC商事",
    "contact_person": "山田 太郎",
    "contact_email": "t.yamada@example.co.jp",
    "contact_phone": "03-1234-5678",
}


def drawer(row: Row) -> None:
    @dialogs.dialog(plain(row["company_name"]), position="right", width="medium", icon=":material/business:")
    def show() -> None:
        try:
            customer = session.api().get(f"{PATH}/{row['id']}")
        except ApiProblem as problem:
            feedback.failed(problem, key="customer.drawer")
            return
        st.markdown(f"**{plain(_status_text(customer))}**")
        _buttons(customer)
        _facts(customer)
        customer_hours.show(customer)
        _alerts(customer)
        _stores(customer)

    show()


def _status_text(customer: Row) -> str:
    counts = customer["terminals"]
    if customer["archived_at"]:
        return f"{times.full(times.parse(customer['archived_at']))}にアーカイブされました。"
    if not counts["total"]:
        return "使用中の端末はありません。"
    problems = [f"{TERMINAL[code].word} {counts[code]:,}台" for code in ("offline", "error") if counts[code]]
    if not problems:
        return f"使用中の端末{counts['total']:,}台に異常はありません。"
    return f"使用中の端末{counts['total']:,}台のうち、{'、'.join(problems)}です。"


def _buttons(customer: Row) -> None:
    with st.container(horizontal=True):
        query = urlencode({"customer_id": customer["company_name"]})
        link("端末一覧を開く", f"/terminals?{query}", primary=True)
        if not has_permission("fleet:customer:update"):
            return
        if customer["archived_at"]:
            dialogs.button("元に戻す", restore, customer, key="customer.restore", icon="unarchive")
        else:
            dialogs.button("編集する", edit, customer, key="customer.edit", icon="edit")
            dialogs.button("アーカイブする", archive, customer, key="customer.archive", icon="archive")


def _facts(customer: Row) -> None:
    report = customer["last_report"]
    details.facts(
        {
            LABELS["contact_person"]: customer["contact_person"],
            LABELS["contact_email"]: customer["contact_email"],
            LABELS["contact_phone"]: customer["contact_phone"],
            LABELS["contract_type"]: CONTRACT_TYPE.get(customer["contract_type"], ""),
            "店舗数": f"{customer['store_count']:,}店舗",
            "アーカイブ済みの端末": f"{customer['archived_terminals']:,}台",
            "最新の月次報告書": report
            and f"{month_text(report['month'][:7])}（{'送信済み' if report['sent_at'] else '未送信'}）",
            "登録日": times.full(times.parse(customer["created_at"])),
        }
    )


def _alerts(customer: Row) -> None:
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


def _stores(customer: Row) -> None:
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


def _fields(form: forms.Form, values: Mapping[str, Any]) -> dict[str, Any]:
    typed = {
        name: form.field(
            name,
            st.text_input,
            LABELS[name],
            required=True,
            value=values.get(name, ""),
            max_chars=MAX_LENGTHS[name],
            placeholder=HINTS[name],
        ).strip()
        for name in MAX_LENGTHS
    }
    kinds = [*CONTRACT_TYPE]
    typed["contract_type"] = form.field(
        "contract_type",
        st.selectbox,
        LABELS["contract_type"],
        options=kinds,
        index=kinds.index(values.get("contract_type", kinds[0])),
        format_func=lambda kind: CONTRACT_TYPE[kind],
    )
    return typed


def register() -> None:
    @dialogs.dialog("顧客を登録する", width="medium", icon=":material/add_business:")
    def show_form() -> None:
        with forms.form("customer.new", submit="登録する") as form:
            typed = _fields(form, {})
        if form.submitted:
            form.send(
                lambda once: session.api().post(PATH, typed, once=once),
                done=f"{typed['company_name']}を登録しました。",
            )

    show_form()


RECORD = editing.Record(
    key="customer",
    path=PATH,
    labels=LABELS,
    name=lambda customer: f"顧客「{customer['company_name']}」",
    fields=_fields,
    in_words=lambda customer: {"contract_type": CONTRACT_TYPE.get(customer["contract_type"], "")},
)


def edit(customer: Row) -> None:
    RECORD.edit({name: customer[name] for name in ("id", "version", *LABELS)})


def archive(customer: Row) -> None:
    RECORD.archive(
        customer,
        "一覧から外れ、新しい端末を登録できなくなり、有効な登録コードは失効します。履歴は残り、あとで元に戻せます。"
        "使用中の端末がある顧客はアーカイブできません。",
    )


def restore(customer: Row) -> None:
    RECORD.restore(
        customer, "一覧に戻ります。端末はアーカイブされたままなので、必要なものを1台ずつ元に戻してください。"
    )
