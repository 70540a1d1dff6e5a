"""経営ダッシュボード (4.2.2): the development of reservations and sales, and the share of each service and shop."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import streamlit as st

from dashboards import session
from dashboards.reservations import management_parts, management_reports
from dashboards.reservations.figure_words import NONE, month, percent, points, ratio_text, short_month, yen
from dashboards.reservations.management_parts import PATH
from dashboards.session import has_permission
from dashboards.ui import charts, columns, confirm, dialogs, feedback, figures, filters, flash, live, tables, times
from dashboards.ui.columns import Row
from dashboards.ui.exports import Export
from dashboards.ui.figures import Figure, Good
from dashboards.ui.live import refreshing_figures
from dashboards.ui.text import small

KEY = "reservations.management"
SORTS = {"-month": "新しい月から", "month": "古い月から", "-requested": "予約件数の多い順", "-sales": "売上の多い順"}
DEFINITION = (
    "予約件数は受け付けた日で、確定は結果の出た日で数えます。"
    "売上は、支払額 − 返金額です（支払われた日・返金された日）。"
)


def _rate(name: str) -> columns.Column:
    titles = {"success": "予約成功率", "payment": "決済成功率", "cancellation": "キャンセル率"}

    def cell(row: Row) -> str:
        rate = row[f"{name}_percent"]
        return NONE if rate is None else f"{rate:g}%"

    return columns.text(titles[name], cell, width=96, alignment="right")


COLUMNS = (
    columns.text("月", lambda row: month(row["month"]), width=104, sort="month"),
    columns.number("予約件数", "requested", sort="requested"),
    columns.number("確定", "confirmed", width=68),
    columns.number("不成立", "failed", width=68),
    _rate("success"),
    _rate("payment"),
    _rate("cancellation"),
    columns.number("手動対応", "operations"),
    columns.money("売上", "sales", sort="sales"),
)


def buttons() -> None:
    if has_permission("reservations:management:recount"):
        dialogs.button("集計し直す", confirm_recount, key=f"{KEY}.recount", icon="calculate")


def confirm_recount() -> None:
    def recount(_: str, _idempotency_key: str) -> None:
        result = session.api().post(f"{PATH}/recount", once=None)
        flash.add(f"{result['months']:,}か月分を集計し直しました。")

    confirm.confirm(
        f"{KEY}.recount",
        "すべての月を集計し直しますか？",
        "最初の予約の月から、昨日までの数字を計算し直します。通常は、毎日2:30に自動で集計しています。",
        action="集計し直す",
        do=recount,
        done="",
        danger=False,
    )


@refreshing_figures
def overview() -> None:
    reading = live.block(f"{KEY}.overview", "経営ダッシュボード", PATH, headline=True, right=buttons)
    if reading is None:
        return
    data, faded = reading.data, reading.problem is not None
    if not data["months"]:
        feedback.empty(
            "まだ集計された月はありません",
            "毎日2:30に、前日までの予約と売上を集計します。最初の集計が終わると、ここに表示されます。",
            icon=":material/bar_chart:",
        )
        return
    if not faded:
        state_sentence(data)
    key_figures(data, faded=faded)
    if any(row["requested"] or row["confirmed"] or row["paid"] or row["refunded"] for row in data["months"]):
        trends(data)
    else:
        feedback.empty(
            "集計した月には、予約も売上もありません",
            "予約を受け付けると、翌日の集計から、月ごとの推移が表示されます。",
            icon=":material/bar_chart:",
        )
    st.markdown(small(DEFINITION))


def trends(data: Row) -> None:
    left, right = st.columns(2, gap="large")
    labels = [short_month(row["month"]) for row in data["months"]]
    with left:
        st.subheader("月間予約件数推移", anchor=False)
        charts.bar(
            chart_title(data, "予約", [f"{row['requested']:,}件" for row in data["months"]], "requested"),
            labels,
            {
                "予約件数": [row["requested"] for row in data["months"]],
                "確定": [row["confirmed"] for row in data["months"]],
            },
            unit="件",
            key=f"{KEY}.requested",
        )
    with right:
        st.subheader("月間売上推移", anchor=False)
        charts.bar(
            chart_title(data, "売上", [yen(row["sales"]) for row in data["months"]], "sales"),
            labels,
            {"売上": [row["sales"] for row in data["months"]]},
            unit="¥",
            key=f"{KEY}.sales",
            notes=[f"支払 {yen(row['paid'])}・返金 {yen(row['refunded'])}" for row in data["months"]],
        )


def state_sentence(data: Row) -> None:
    """The time of the count, and the newest month."""
    counted_at, newest = times.parse(data["counted_at"]), data["months"][-1]
    text = (
        f"{counted_at.month}月{counted_at.day}日 {counted_at.hour}:{counted_at.minute:02} 時点: "
        f"{month(newest['month'])}の予約は{newest['requested']:,}件、売上は{yen(newest['sales'])}です{until(data)}。"
    )
    if data["is_late"]:
        st.warning(f"{text}直近の深夜の集計がまだ終わっていません。", icon=":material/schedule:")
    else:
        st.info(text, icon=":material/monitoring:")


def until(data: Row) -> str:
    """（11/21まで）, for a month that is not over."""
    if data["is_over"]:
        return ""
    day = last_day(data)
    return f"（{day.month}/{day.day}まで）"


def last_day(data: Row) -> date:
    """The last whole day that was counted."""
    return (times.parse(data["counted_at"]) - timedelta(days=1)).date()


def chart_title(data: Row, subject: str, values: Sequence[str], name: str) -> str:
    """2026年10月の予約は60件（前月比 +25%）; a month that is not over is not compared."""
    months = data["months"]
    text = f"{month(months[-1]['month'])}の{subject}は{values[-1]}"
    if not data["is_over"]:
        return text + until(data)
    before = months[-2][name] if len(months) > 1 else 0
    if before <= 0:
        return text
    change = round((months[-1][name] - before) / before, 2)
    return f"{text}（前月比 {change:+.0%}）" if change else f"{text}（前月と同じ水準）"


def key_figures(data: Row, *, faded: bool) -> None:
    current = data["months"][-1]
    before = data["months"][-2] if len(data["months"]) > 1 else None
    is_over = data["is_over"]

    def amount(label: str, name: str, text: str, earlier: str, unit: str, good: Good = "up") -> Figure:
        # A month that is not over is not compared with a whole month.
        change = current[name] - before[name] if before and is_over else None
        note = f"前月 {earlier}" if before else "前月の集計はありません"
        return Figure(label, text, note, change=change, change_unit=unit, against="前月比", good=good)

    def rate(label: str, name: str, good: Good = "up") -> Figure:
        change = points(current[name], before[name]) if before else None
        note = ratio_text(current[name]) if current[name]["whole"] else ""
        return Figure(
            label,
            percent(current[name]),
            note,
            change=change,
            change_unit="pt",
            against="前月比",
            good=good,
        )

    # Six figures in a row leave no room for millions.
    figures.row(
        [
            amount(
                "予約件数",
                "requested",
                f"{current['requested']:,}件",
                f"{before['requested']:,}件" if before else "",
                "件",
            ),
            amount("売上", "sales", yen(current["sales"]), yen(before["sales"]) if before else "", "¥"),
            amount(
                "手動対応",
                "operations",
                f"{current['operations']:,}件",
                f"{before['operations']:,}件" if before else "",
                "件",
                "down",
            ),
        ],
        faded=faded,
    )
    figures.row(
        [
            rate("予約成功率", "success"),
            rate("決済成功率", "payment"),
            rate("キャンセル率", "cancellation", "down"),
        ],
        faded=faded,
    )


@refreshing_figures
def parts(chosen: filters.Filters) -> None:
    reading = live.block(f"{KEY}.parts", "", f"{PATH}/parts", **chosen.query)
    if reading is not None:
        management_parts.draw(reading.data, KEY, chosen.query)


@refreshing_figures
def show_months() -> None:
    tables.table(
        f"{KEY}.months",
        "月ごとの数字",
        f"{PATH}/months",
        COLUMNS,
        counter="か月",
        sorts=SORTS,
        actions={"内訳": management_reports.drawer},
        export=Export.of(f"{PATH}/months"),
        empty=tables.Empty("まだ集計された月はありません", "毎日2:30に、前日までの予約と売上を集計します。"),
    )


def page() -> None:
    overview()
    shown = live.last_answer(f"{KEY}.overview")
    if shown is None or not shown["months"]:
        return
    st.subheader("サービスと提携店の内訳", anchor=False)
    parts(
        filters.bar(
            filters.Choice(
                "month", "月", {code: month(code) for code in shown["all_months"]}, otherwise="直近12か月", width=180
            )
        )
    )
    show_months()
    management_reports.section()


page()
