"""手動対応: the tasks for operators, the time left for each, and their owners."""

from __future__ import annotations

import streamlit as st

from dashboards.contract.reservations import TASK, QueueCounts
from dashboards.reservations import choices, roster
from dashboards.reservations.operation_drawer import PATH, drawer
from dashboards.reservations.operation_words import PRIORITY, RESPONSE, owner, time_left
from dashboards.ui import bound, columns, dialogs, figures, filters, live, tables, times
from dashboards.ui.exports import Export
from dashboards.ui.figures import Figure
from dashboards.ui.live import refreshing

KEY = "reservations.operations"
PARTS = ("対応一覧", "オンコール当番")
SORTS = {
    "due_at": "対応期限が近い順",
    "opened_at": "発生が古い順",
    "-opened_at": "発生が新しい順",
    "-resolved_at": "完了が新しい順",
}
COLUMNS = (
    columns.text("内容", "title", width=176),
    columns.badge("優先度", "priority", PRIORITY, width=84),
    columns.badge("期限", "response", RESPONSE, width=110),
    columns.text("残り時間", time_left, width=164, sort="due_at"),
    columns.text("担当", owner, width=96),
    columns.text("予約ID", "code", width=108),
    columns.text("依頼者", "customer_name", width=96),
    columns.ago("発生", "opened_at", sort="opened_at"),
)


@refreshing
def headline() -> None:
    reading = live.block(f"{KEY}.counts", "手動対応", f"{PATH}/counts", headline=True)
    if reading is None:
        return
    counts: QueueCounts = reading.data
    if not reading.problem:
        state_sentence(counts)
    on_call = counts["on_call"]
    figures.row(
        [
            Figure("未完了", f"{counts['open']:,}件", f"うち自分の担当 {counts['mine']:,}件"),
            Figure("担当者なし", f"{counts['unclaimed']:,}件", "担当が決まるまで、期限の前と後に通知します"),
            Figure("期限超過", f"{counts['overdue']:,}件", f"期限間近 {counts['near']:,}件"),
            Figure(
                "今の当番",
                on_call["name"] if on_call else "なし",
                f"{on_call['phone_shown']}・{times.short(times.parse(on_call['ends_at']))}まで"
                if on_call
                else "営業時間外は、当番にSMSで知らせます",
            ),
        ],
        faded=reading.problem is not None,
    )


def state_sentence(counts: QueueCounts) -> None:
    if not counts["open"]:
        done_note = f"今日は{counts['resolved_today']:,}件を完了しました。" if counts["resolved_today"] else ""
        st.success(f"現在、手動対応が必要な予約はありません。{done_note}", icon=":material/check_circle:")
        return
    text = f"手動対応が{counts['open']:,}件あります。"
    reasons = [
        reason
        for count, reason in (
            (counts["overdue"], f"期限を過ぎたものが{counts['overdue']:,}件"),
            (counts["near"], f"まもなく期限のものが{counts['near']:,}件"),
            (counts["unclaimed"], f"担当者のいないものが{counts['unclaimed']:,}件"),
        )
        if count
    ]
    message = f"{text}{'、'.join(reasons)}です。" if reasons else f"{text}すべて担当者がいて、期限内です。"
    if counts["overdue"]:
        st.error(message, icon=":material/alarm:")
    elif reasons:
        st.warning(message, icon=":material/notifications_active:")
    else:
        st.info(message, icon=":material/info:")


@refreshing
def show_list(chosen: filters.Filters) -> None:
    tables.table(
        f"{KEY}.list",
        "",
        PATH,
        COLUMNS,
        sorts=SORTS,
        filters=chosen,
        actions={"対応する": drawer},
        export=Export.of(PATH),
        empty=tables.Empty(
            "手動対応が必要な予約はありません", "自動で進められない予約が出ると、ここに期限の近い順に並びます。"
        ),
    )


def page() -> None:
    headline()
    part = bound.choose_part(PARTS)
    if part == PARTS[1]:
        roster.section()
        return
    show_list(
        filters.bar(
            filters.Text("q", "キーワード", "予約ID・依頼者・電話番号"),
            filters.Choice("priority", "優先度", PRIORITY),
            filters.Choice("owner", "担当", {"me": "自分", "none": "担当者なし"} | choices.assignees()),
            more=[
                filters.Choice("kind", "内容", TASK, width=240),
                filters.Choice("late", "期限", {"true": "期限を過ぎたもの"}, width=220),
                filters.Choice("state", "表示", {"resolved": "完了済み", "all": "すべて（完了済みを含む）"}, width=220),
            ],
        )
    )


page()
dialogs.open_requested(PATH, drawer)
