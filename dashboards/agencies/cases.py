"""投入案件一覧: the requests that wait to be entered."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboards import session
from dashboards.agencies import numbers, sentences, words
from dashboards.contract.agencies import CaseItem
from dashboards.ui import bulk, cache, columns, filters, live, tables
from dashboards.ui.live import refreshing
from dashboards.ui.status import Status

PATH = "/api/agencies/cases"
CASE = "agencies/case.py"
STATUS_FILTER = {code: status.label for code, status in words.STATUS.items()} | {"all": "全件"}
CLAIMED = {"me": "自分が担当", "nobody": "担当者なし", "others": "ほかの人が担当"}
SORTS = {
    "created_at": "依頼の古い順",
    "-created_at": "依頼の新しい順",
    "-updated_at": "更新の新しい順",
    "corporation": "法人名順",
}
UNREAD = Status("未読あり", "blue", "mark_chat_unread")


@refreshing
def headline() -> None:
    reading = live.block("agencies.cases.counts", "投入案件一覧", f"{PATH}/counts", headline=True)
    if reading is not None:
        sentences.cases(reading.data).draw()


def conditions() -> filters.Filters:
    return filters.bar(
        filters.Choice("status", "ステータス", STATUS_FILTER, width=160, otherwise="残りあり"),
        filters.Text("q", "法人名", "法人名・カナ", width=220),
        filters.Choice("sales_id", "営業担当者", sales_people(), width=200),
        filters.Dates("days", "投入依頼日", parameters=("since", "until")),
        more=(
            filters.Choice("agency_id", "代理店", numbers.agencies()),
            filters.Choice("claimed", "担当", CLAIMED),
            filters.Choice("unread", "未読", {True: "未読のコメントあり"}),
            filters.Choice("open", "残りなし", {"false": numbers.WITH_DONE}, otherwise="含めない"),
        ),
    )


def sales_people() -> dict[int, str]:
    return cache.load_cached(
        "agencies.cases.sales",
        lambda: {
            person["id"]: f"{person['name']}（{person['agency_name']}）"
            for person in session.api().get(f"{PATH}/sales-people")["items"]
        },
    )


@refreshing
def show_list(chosen: filters.Filters) -> None:
    tables.table(
        "agencies.cases",
        "",
        PATH,
        (
            columns.text("依頼ID", lambda row: str(row["id"]), width=72),
            columns.badge("ステータス", words.list_status, words.LIST_STATUS, width=110),
            columns.text("法人名", "corporation_name", width=180, sort="corporation"),
            columns.text("地点数", words.entered_ratio, width=64, alignment="right"),
            columns.badges("未読", lambda row: ["unread"] if row["unread"] else [], {"unread": UNREAD}, width=96),
            columns.text("営業担当者", "requested_by_name", width=104),
            columns.text("代理店", "agency_name", width=124),
            columns.text("担当", lambda row: row["claimed_by_name"] or "", width=96),
            columns.stamp("投入依頼日", "created_at", sort="created_at"),
        ),
        sorts=SORTS,
        filters=chosen,
        actions={"開く": open_case},
        address=lambda row: f"/case?id={row['id']}",
        bulk={"担当する": claim} if session.has_permission("agencies:case:update") else None,
        empty=tables.Empty("投入を待っている案件はありません", "営業担当者が投入依頼を送信すると、ここに並びます。"),
    )


def claim(cases: Sequence[CaseItem]) -> None:
    bulk.confirm(
        "agencies.cases.claim",
        cases,
        f"案件{len(cases):,}件の担当になりますか？",
        "ほかの人が担当している案件は、そのままにします。",
        action="担当する",
        name=lambda case: f"依頼 {case['id']}　{case['corporation_name']}",
        do=lambda case, _, key: session.api().post(f"{PATH}/{case['id']}/claim", {}, idempotency_key=key),
    )


def open_case(row: CaseItem) -> None:
    st.switch_page(CASE, query_params={"id": str(row["id"])})


headline()
show_list(conditions())
