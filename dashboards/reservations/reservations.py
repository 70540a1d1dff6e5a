"""予約一覧: how do all reservations stand, and where is the one I look for?"""

from __future__ import annotations

import streamlit as st

from dashboards.reservations import choices, reservation_new, words
from dashboards.reservations.operation_actions import PATH
from dashboards.session import may
from dashboards.ui import columns, dialogs, filters, live, tables
from dashboards.ui.columns import Row
from dashboards.ui.exports import Export
from dashboards.ui.live import refreshing

KEY = "reservations.reservations"
DETAIL = "reservations/reservation.py"
UNDER_WAY = {"seeking": "店舗を探している予約", "paying": "決済を待つ予約", "refunding": "返金中の予約"}
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
    columns.badge("ステータス", words.state, words.SHOWN, width=152),
    columns.text("依頼者", "customer_name", width=96),
    columns.text("サービス", "service_name", width=100),
    columns.stamp("予約日時", "starts_at", sort="starts_at"),
    # A shop that is in no list is written down with its number.
    columns.text("店舗", lambda row: row["shop_name"] or "", width=176),
    columns.text("手動対応", lambda row: f"{row['open_operations']:,}件" if row["open_operations"] else "", width=72),
    columns.ago("受付", "created_at", sort="created_at"),
)


@refreshing
def headline() -> None:
    reading = live.block(f"{KEY}.counts", "予約一覧", f"{PATH}/counts", headline=True, right=_right)
    if reading is None or reading.problem:
        return
    st.markdown(sentence(reading.data))


def sentence(counts: Row) -> str:
    if not counts["total"]:
        return "まだ予約はありません。"
    under_way = [f"{what}が**{counts[name]:,}件**" for name, what in UNDER_WAY.items() if counts[name]]
    said = f"{'、'.join(under_way)}あります。" if under_way else "手配中の予約はありません。"
    said += f"確定している予約は{counts['confirmed']:,}件で、うち今日が{counts['today']:,}件です。"
    if counts["needs_people"]:
        return f"{said}:orange[**手動対応が必要な予約が{counts['needs_people']:,}件**]あります。"
    return f"{said}手動対応が必要な予約はありません。"


def _right() -> None:
    if may("reservations:reservation:create"):
        dialogs.button("予約を受け付ける", reservation_new.new, key=f"{KEY}.new", icon="add", type="primary")


@refreshing
def listed(chosen: filters.Filters) -> None:
    tables.table(
        f"{KEY}.list",
        "",
        PATH,
        COLUMNS,
        sorts=SORTS,
        filters=chosen,
        actions={"詳細": opened},
        export=Export.of(PATH),
        empty=tables.Empty(
            "まだ予約はありません", "AIアシスタントからの依頼と、「予約を受け付ける」で登録した予約が並びます。"
        ),
    )


def opened(row: Row) -> None:
    st.switch_page(DETAIL, query_params={"code": row["code"]})


headline()
listed(
    filters.bar(
        filters.Text("q", "キーワード", "予約ID・依頼者・電話番号", width=240),
        filters.Choice("state", "ステータス", words.STATE, width=190),
        filters.Dates("day", "予約日", asked=("since", "until"), width=240),
        more=[
            filters.Choice("service_id", "サービス", choices.services(), width=260),
            filters.Choice("shop_id", "店舗", choices.shops(), width=260),
            filters.Choice("needs_people", "手動対応", {"true": "手動対応あり", "false": "手動対応なし"}, width=260),
        ],
    )
)
