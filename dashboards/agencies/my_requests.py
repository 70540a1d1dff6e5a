"""マイ依頼一覧 (3.4): the state of the user's requests, and which ones were sent back."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.agencies import sending, sentences, words
from dashboards.client import ApiProblem
from dashboards.contract.agencies import RequestItem
from dashboards.ui import columns, details, dialogs, filters, live, tables, times
from dashboards.ui.exports import Export
from dashboards.ui.links import link
from dashboards.ui.status import Status
from dashboards.ui.text import small

KEY = "agencies.my_requests"
MAX_SENT_BACK = 5
PATH = sending.PATH
NEW = Status("未読", "red", "notifications_active")
OWNER_OPTIONS = {"false": "代理店のすべて"}
UNREAD_OPTIONS = {"true": "未読の不備通知あり"}


@live.refreshing
def headline() -> None:
    reading = live.block(f"{KEY}.counts", "マイ依頼一覧", f"{PATH}/counts", headline=True, right=new_request)
    if reading is not None:
        sentences.requests(reading.data).draw()
        if reading.data["deficient"]:
            sent_back()


def sent_back() -> None:
    """The requests that were sent back, as links: on a phone the table's buttons are outside of the screen."""
    try:
        result = live.fetch(PATH, status="deficient", sort="-updated_at", limit=MAX_SENT_BACK)
    except ApiProblem:
        return  # the list below shows the problem
    with st.container(border=True, gap="small", key=f"{KEY}.sent_back"):
        for request in result["items"]:
            with st.container(horizontal=True, vertical_alignment="center"):
                unread_badge = f" {NEW.badge()}" if request["unread"] else ""
                st.markdown(f"{words.STATUS['deficient'].badge()}{unread_badge}", width="content")
                link(request["corporation_name"], sending.request_url(request["id"]))
                updated = times.ago(times.parse(request["updated_at"]))
                st.markdown(small(f"依頼ID {request['id']}・{updated}に更新"), width="content")
        if result["total"] > len(result["items"]):
            st.markdown(small(f"ほかに{result['total'] - len(result['items']):,}件あります。一覧で確認してください。"))


def new_request() -> None:
    if session.has_permission("agencies:request:create"):
        link("既存法人に地点追加", "/add-site")
        link("新規投入依頼", "/new-request", primary=True)


def first_request() -> None:
    if session.has_permission("agencies:request:create"):
        link("新規投入依頼を開く", "/new-request", primary=True)


def conditions() -> filters.Filters:
    return filters.bar(
        filters.Choice("status", "ステータス", words.STATUS, width=150),
        filters.Text("q", "法人名", "法人名・カナの一部", width=220),
        filters.Choice("unread", "不備通知", UNREAD_OPTIONS, width=190),
        more=(*owner_filter(), filters.Dates("created", "投入依頼日", parameters=("since", "until"))),
    )


def owner_filter() -> tuple[filters.Field, ...]:
    """The user's own requests are the default. Users who see all agencies have no own requests."""
    if session.has_permission("agencies:agency:read"):
        return ()
    return (filters.Choice("mine", "依頼者", OWNER_OPTIONS, otherwise="自分の依頼"),)


@live.refreshing
def show_list(chosen: filters.Filters) -> None:
    tables.table(
        f"{KEY}.list",
        "",
        PATH,
        (
            columns.text("依頼ID", lambda row: str(row["id"]), width=76, sort="id"),
            columns.badge("ステータス", words.list_status, words.LIST_STATUS, width=110, sort=""),
            columns.badges("不備通知", lambda row: ["new"] if row["unread"] else [], {"new": NEW}, width=90),
            columns.text("法人名", "corporation_name", width=240, sort="corporation"),
            columns.text("地点数", words.entered_ratio, width=76, alignment="right"),
            columns.text("営業担当者", "requested_by_name", width=130),
            columns.ago("投入依頼日", "created_at", sort="created_at"),
        ),
        sorts={
            "-created_at": "新しい順",
            "created_at": "古い順",
            "-updated_at": "更新が新しい順",
            "corporation": "法人名順",
            "-id": "依頼IDの大きい順",
            "id": "依頼IDの小さい順",
        },
        filters=chosen,
        actions={"詳細": drawer},
        export=Export.of(PATH),
        empty=tables.Empty(
            "まだ投入依頼はありません", "法人情報と明細画像を入力して、最初の依頼を提出してください。", first_request
        ),
    )


def drawer(row: RequestItem) -> None:
    @dialogs.dialog(f"依頼 {row['id']}", position="right", width="small", icon=":material/assignment:")
    def show() -> None:
        status = words.LIST_STATUS[words.list_status(row)]
        st.markdown(f"{status.badge()} {NEW.badge() if row['unread'] else ''}")
        label = "不備を確認して修正する" if row["status"] == "deficient" else "依頼を開く"
        link(label, sending.request_url(row["id"]), primary=True)
        details.facts(
            {
                "法人名": row["corporation_name"],
                "地点数": f"投入済 {words.entered_ratio(row)}",
                "不備通知": f"未読{row['unread']:,}件" if row["unread"] else "",
                "営業担当者": row["requested_by_name"],
                "代理店": row["agency_name"],
                "投入依頼日": times.stamp(row["created_at"]),
                "最終更新": times.stamp(row["updated_at"]),
            }
        )
        if may_cancel(row):
            dialogs.button("依頼をキャンセルする", sending.cancel, row, key=f"{KEY}.cancel", icon="block")

    show()


def may_cancel(row: RequestItem) -> bool:
    return bool(
        session.has_permission("agencies:request:cancel")
        and row["is_open"]
        and (row["is_mine"] or session.has_permission("agencies:agency:read"))
    )


headline()
show_list(conditions())
