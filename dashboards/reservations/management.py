"""経営ダッシュボード (4.2.2): the development of reservations and sales, and the share of each service and shop."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from dashboards import session
from dashboards.contract.reservations import FiguresShare, ManagementOverview
from dashboards.reservations import management_parts, management_reports, sentences
from dashboards.reservations.figure_words import NONE, month, percent, points, ratio_text, short_month, yen
from dashboards.reservations.management_parts import PATH
from dashboards.session import has_permission
from dashboards.ui import charts, columns, confirm, dialogs, feedback, figures, filters, flash, live, tables
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


def _rate(label: str, name: str) -> columns.Column:
    def cell(row: columns.Row) -> str:
        return NONE if row[name] is None else f"{row[name]:g}%"

    return columns.text(label, cell, width=96, alignment="right")


COLUMNS = (
    columns.text("月", lambda row: month(row["month"]), width=104, sort="month"),
    columns.number("予約件数", "requested", sort="requested"),
    columns.number("確定", "confirmed", width=68),
    columns.number("不成立", "failed", width=68),
    _rate("予約成功率", "success_percent"),
    _rate("決済成功率", "payment_percent"),
    _rate("キャンセル率", "cancellation_percent"),
    columns.number("手動対応", "operations"),
    columns.money("売上", "sales", sort="sales"),
)


def buttons() -> None:
    if has_permission("reservations:management:recount"):
        dialogs.button("集計し直す", confirm_recount, key=f"{KEY}.recount", icon="calculate")


def confirm_recount() -> None:
    def recount(_: str, _idempotency_key: str) -> None:
        result = session.api().post(f"{PATH}/recount", idempotency_key=None)
        flash.add(f"{result['months']:,}か月分を集計し直しました。")

    confirm.confirm(
        f"{KEY}.recount",
        "すべての月を集計し直しますか？",
        "最初の予約の月から、昨日までの数字を計算し直します。通常は、毎日2:30に自動で集計しています。",
        action="集計し直す",
        do=recount,
        success="",
        danger=False,
    )


@refreshing_figures
def overview() -> None:
    reading = live.block(f"{KEY}.overview", "経営ダッシュボード", PATH, headline=True, right=buttons)
    if reading is None:
        return
    data: ManagementOverview = reading.data
    faded = reading.problem is not None
    if not data["months"]:
        feedback.empty(
            "まだ集計された月はありません",
            "毎日2:30に、前日までの予約と売上を集計します。最初の集計が終わると、ここに表示されます。",
            icon=":material/bar_chart:",
        )
        return
    if not faded:
        sentences.management(data).draw()
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


def trends(data: ManagementOverview) -> None:
    left, right = st.columns(2, gap="large")
    labels = [short_month(row["month"]) for row in data["months"]]
    with left:
        st.subheader("月間予約件数推移", anchor=False)
        charts.bar(
            chart_title(data, "予約", [row["requested"] for row in data["months"]], in_items),
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
            chart_title(data, "売上", [row["sales"] for row in data["months"]], yen),
            labels,
            {"売上": [row["sales"] for row in data["months"]]},
            unit="¥",
            key=f"{KEY}.sales",
            notes=[f"支払 {yen(row['paid'])}・返金 {yen(row['refunded'])}" for row in data["months"]],
        )


def chart_title(data: ManagementOverview, subject: str, numbers: Sequence[int], shown: Callable[[int], str]) -> str:
    """2026年10月の予約は60件（前月比 +25%）; a month that is not over is not compared."""
    text = f"{month(data['months'][-1]['month'])}の{subject}は{shown(numbers[-1])}"
    if not data["is_over"]:
        return text + sentences.until(data)
    before = numbers[-2] if len(numbers) > 1 else 0
    if before <= 0:
        return text
    change = round((numbers[-1] - before) / before, 2)
    return f"{text}（前月比 {change:+.0%}）" if change else f"{text}（前月と同じ水準）"


def in_items(count: int) -> str:
    return f"{count:,}件"


def key_figures(data: ManagementOverview, *, faded: bool) -> None:
    current = data["months"][-1]
    before = data["months"][-2] if len(data["months"]) > 1 else None

    def amount(
        label: str, count: int, earlier: int | None, shown: Callable[[int], str], unit: str, good: Good = "up"
    ) -> Figure:
        # A month that is not over is not compared with a whole month.
        change = count - earlier if earlier is not None and data["is_over"] else None
        note = "前月の集計はありません" if earlier is None else f"前月 {shown(earlier)}"
        return Figure(label, shown(count), note, change=change, change_unit=unit, against="前月比", good=good)

    def rate(label: str, now: FiguresShare, earlier: FiguresShare | None, good: Good = "up") -> Figure:
        return Figure(
            label,
            percent(now),
            ratio_text(now) if now["whole"] else "",
            change=points(now, earlier) if earlier else None,
            change_unit="pt",
            against="前月比",
            good=good,
        )

    # Six figures in a row leave no room for millions.
    figures.row(
        [
            amount("予約件数", current["requested"], before and before["requested"], in_items, "件"),
            amount("売上", current["sales"], before and before["sales"], yen, "¥"),
            amount("手動対応", current["operations"], before and before["operations"], in_items, "件", "down"),
        ],
        faded=faded,
    )
    figures.row(
        [
            rate("予約成功率", current["success"], before and before["success"]),
            rate("決済成功率", current["payment"], before and before["payment"]),
            rate("キャンセル率", current["cancellation"], before and before["cancellation"], "down"),
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
    shown: ManagementOverview | None = live.last_answer(f"{KEY}.overview")
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
