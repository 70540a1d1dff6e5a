"""運営ダッシュボード (4.2.1): today's reservations, the open work, and the figures of this week."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import streamlit as st

from dashboards.contract.reservations import TASK, FiguresShare, Notice, Notices, StateCount, Today, Week
from dashboards.core.message_drawer import STATES
from dashboards.menu import page_for_subject
from dashboards.reservations import sentences, words
from dashboards.reservations.figure_words import percent, points, ratio_text, value
from dashboards.ui import charts, columns, feedback, figures, live, tables, times
from dashboards.ui.figures import Figure, Good
from dashboards.ui.links import link
from dashboards.ui.live import refreshing_figures
from dashboards.ui.status import UNKNOWN
from dashboards.ui.text import plain, small

PATH = "/api/reservations/dashboard"
KEY = "reservations.dashboard"
STATE_COLUMNS = (
    columns.badge("ステータス", "state", words.STATE, width=176),
    columns.number("件数", "number", width=72),
)
OPERATION_COLUMNS = (
    columns.text("内容", lambda row: TASK.get(row["kind"], row["kind"]), width=208),
    columns.number("今日の発生", lambda row: row["open"] + row["done"], width=84),
    columns.number("対応済み", "done", width=76),
    columns.number("対応中", "open", width=68),
    columns.number("前日まで", "carried", width=76, help="前日までに発生し、まだ完了していないものです。"),
)


@refreshing_figures
def today() -> None:
    reading = live.block(f"{KEY}.today", "運営ダッシュボード", f"{PATH}/today", headline=True)
    if reading is None:
        return
    data: Today = reading.data
    faded = reading.problem is not None
    if not faded:
        sentences.today(data).draw()
    key_figures(data, faded=faded)
    left, right = st.columns([2, 3], gap="large")
    with left:
        states(data["states"])
    with right:
        operations(data)


def key_figures(data: Today, *, faded: bool) -> None:
    done = sum(row["done"] for row in data["operations"])
    figures.row(
        [
            Figure(
                "今日の予約",
                f"{data['requested']:,}件",
                change=data["requested"] - data["before"],
                change_unit="件",
                against="前日の同じ時刻との差",
            ),
            Figure(
                "今日の手動対応",
                f"{data['begun']:,}件",
                f"対応済み {done:,}件・対応中 {data['begun'] - done:,}件",
            ),
            Figure(
                "未完了の手動対応",
                f"{data['still_open']:,}件",
                f"期限超過 {data['overdue']:,}件（前日までの分を含む）",
            ),
            Figure("今日が予約日", f"{data['starting']:,}件", "確定していて、今日お店へ行く予約です"),
        ],
        faded=faded,
    )


def states(rows: Sequence[StateCount]) -> None:
    st.subheader("今日の予約（ステータス別）", anchor=False)
    if not rows:
        feedback.empty("今日の予約はまだありません", "予約を受け付けると、ステータスごとの件数が並びます。")
        return
    tables.grid(f"{KEY}.states", "今日の予約のステータス別の件数", rows, STATE_COLUMNS)
    link("予約一覧を開く", "/reservations")


def operations(data: Today) -> None:
    st.subheader("手動対応（内容別）", anchor=False)
    if not data["operations"]:
        feedback.empty("今日の手動対応はありません", "自動で進められない予約が出ると、内容ごとの件数が並びます。")
        return
    tables.grid(f"{KEY}.operations", "手動対応の内容別の件数", data["operations"], OPERATION_COLUMNS)
    link("手動対応を開く", "/operations")


@refreshing_figures
def week() -> None:
    reading = live.block(f"{KEY}.week", "今週", f"{PATH}/week")
    if reading is None:
        return
    data: Week = reading.data
    current, before = data["this"], data["before"]
    figures.row(
        [
            rate(
                "予約成功率",
                current["success"],
                before["success"],
                "結果の出た予約のうち、確定した予約の割合です。",
            ),
            rate(
                "決済成功率",
                current["payment"],
                before["payment"],
                "決済リンクを送った予約のうち、支払いが済んだ予約の割合です。",
            ),
            rate(
                "キャンセル率",
                current["cancellation"],
                before["cancellation"],
                "確定後に終わった予約（完了・キャンセル）のうち、キャンセルの割合です。",
                good="down",
            ),
        ],
        faded=reading.problem is not None,
    )
    left, right = st.columns(2, gap="large")
    with left:
        by_day = {day["day"]: day["success"] for day in data["days"]}
        chart("今週の予約成功率", "success", current["success"], by_day, data["success_goal"])
    with right:
        by_day = {day["day"]: day["payment"] for day in data["days"]}
        chart("今週の決済成功率", "payment", current["payment"], by_day, data["payment_goal"])


def rate(label: str, current: FiguresShare, before: FiguresShare, help: str, good: Good = "up") -> Figure:
    """A rate of this week, next to the week before."""
    earlier = f"前週 {percent(before)}" if before["whole"] else "前週はありません"
    return Figure(
        label,
        percent(current),
        f"{ratio_text(current)}・{earlier}" if current["whole"] else earlier,
        change=points(current, before),
        change_unit="pt",
        against="前週比",
        good=good,
        help=help,
    )


def chart(label: str, key: str, week_rate: FiguresShare, by_day: Mapping[str, FiguresShare], goal: int | None) -> None:
    if not week_rate["whole"]:
        feedback.empty(
            f"{label}は、まだ計算できません",
            "今週の結果が出ると、曜日ごとに表示されます。",
            icon=":material/bar_chart:",
        )
        return
    charts.bar(
        chart_title(label, week_rate, goal),
        [date.fromisoformat(day) for day in by_day],
        {label: [*map(value, by_day.values())]},
        unit="%",
        key=f"{KEY}.{key}",
        goal=goal,
        top=100,
        notes=[*map(ratio_text, by_day.values())],
    )


def chart_title(label: str, ratio: FiguresShare, goal: int | None) -> str:
    """今週の予約成功率は92%（目標95%）"""
    text = f"{label}は{percent(ratio)}"
    return f"{text}（目標{goal}%）" if goal is not None else f"{text}（{ratio_text(ratio)}）"


@refreshing_figures
def notices() -> None:
    reading = live.block(f"{KEY}.notices", "直近のSlack通知", f"{PATH}/notices")
    if reading is None:
        return
    recent: Notices = reading.data
    items = recent["items"]
    if not items:
        feedback.empty("まだSlackへの通知はありません", "手動対応やインシデントが発生すると、新しい順に並びます。")
        return
    with st.container(border=True):
        for row in items:
            st.markdown(notice(row))


def notice(row: Notice) -> str:
    """送信済み 予約ID: QRV-ABC123 が全店NG (3分前), and below it the time, the recipient and the error."""
    state = STATES.get(row["state"], UNKNOWN)
    created_at = times.parse(row["created_at"])
    details = f"{times.full(created_at)}・{row['recipient']}"
    if row["last_error"] and row["state"] != "sent":
        details += f"・{row['last_error']}"
    title = f"**{plain(row['title'])}**"
    if page := page_for_subject("reservations", row["subject"]):
        title = f"[{title}]({page.address(row['subject_id'])})"
    return f"{state.badge()} {title}（{times.ago(created_at)}）  \n{small(plain(details))}"


today()
week()
notices()
