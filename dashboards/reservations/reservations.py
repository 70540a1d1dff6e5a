"""予約一覧: the state of all reservations, and the search for one."""

from __future__ import annotations

import streamlit as st

from dashboards.contract.reservations import DeskCounts, ReservationItem
from dashboards.reservations import choices, reservation_new, words
from dashboards.reservations.operation_actions import PATH
from dashboards.session import has_permission
from dashboards.ui import columns, dialogs, filters, live, tables
from dashboards.ui.exports import Export
from dashboards.ui.live import refreshing

KEY = "reservations.reservations"
DETAIL = "reservations/reservation.py"
SORTS = {
    "-created_at": "受付の新しい順",
    "created_at": "受付の古い順",
    "starts_at": "予約日時の早い順",
    "-starts_at": "予約日時の遅い順",
    "state_since": "今のステータスが長い順",
    "-state_since": "最近ステータスが変わった順",
}
COLUMNS = (
    columns.text("予約ID", "code", width=100),
    columns.badge("ステータス", words.display_state, words.DISPLAY_STATE, width=152),
    columns.text("依頼者", "customer_name", width=96),
    columns.text("サービス", "service_name", width=100),
    columns.stamp("予約日時", "starts_at", sort="starts_at"),
    # A shop outside of the list is stored as text, with its number.
    columns.text("店舗", lambda row: row["shop_name"] or "", width=176),
    columns.text("手動対応", lambda row: f"{row['open_operations']:,}件" if row["open_operations"] else "", width=72),
    columns.ago("受付", "created_at", sort="created_at"),
)


@refreshing
def headline() -> None:
    reading = live.block(f"{KEY}.counts", "予約一覧", f"{PATH}/counts", headline=True, right=_actions)
    if reading is None or reading.problem:
        return
    st.markdown(sentence(reading.data))


def sentence(counts: DeskCounts) -> str:
    if not counts["total"]:
        return "まだ予約はありません。"
    open_counts = {
        "店舗を探している予約": counts["seeking"],
        "決済を待つ予約": counts["paying"],
        "返金中の予約": counts["refunding"],
    }
    open_parts = [f"{label}が**{count:,}件**" for label, count in open_counts.items() if count]
    text = f"{'、'.join(open_parts)}あります。" if open_parts else "手配中の予約はありません。"
    text += f"確定している予約は{counts['confirmed']:,}件で、うち今日が{counts['today']:,}件です。"
    if counts["needs_people"]:
        return f"{text}:orange[**手動対応が必要な予約が{counts['needs_people']:,}件**]あります。"
    return f"{text}手動対応が必要な予約はありません。"


def _actions() -> None:
    if has_permission("reservations:reservation:create"):
        dialogs.button("予約を受け付ける", reservation_new.new, key=f"{KEY}.new", icon="add", type="primary")


@refreshing
def show_list(chosen: filters.Filters) -> None:
    tables.table(
        f"{KEY}.list",
        "",
        PATH,
        COLUMNS,
        sorts=SORTS,
        filters=chosen,
        actions={"詳細": open_detail},
        address=lambda row: f"/reservation?code={row['code']}",
        export=Export.of(PATH),
        empty=tables.Empty(
            "まだ予約はありません", "AIアシスタントからの依頼と、「予約を受け付ける」で登録した予約が並びます。"
        ),
    )


def open_detail(row: ReservationItem) -> None:
    st.switch_page(DETAIL, query_params={"code": row["code"]})


headline()
show_list(
    filters.bar(
        filters.Text("q", "キーワード", "予約ID・依頼者・電話番号", width=240),
        filters.Choice("state", "ステータス", words.STATE, width=190),
        filters.Dates("day", "予約日", parameters=("since", "until"), width=240),
        more=[
            filters.Choice("service_id", "サービス", choices.services(), width=260),
            filters.Choice("shop_id", "店舗", choices.shops(), width=260),
            filters.Choice("needs_people", "手動対応", {"true": "手動対応あり", "false": "手動対応なし"}, width=260),
        ],
    )
)
