"""運営ダッシュボード (4.2.1): how does today go, what is left for people to do, and how does this week go?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import streamlit as st

from dashboards.core.message_drawer import STATES
from dashboards.menu import page_about
from dashboards.reservations import words
from dashboards.reservations.figure_words import counted, percent, points, value
from dashboards.reservations.operation_words import KINDS
from dashboards.ui import charts, columns, feedback, figures, live, tables, times
from dashboards.ui.columns import Row
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
    columns.text("内容", lambda row: KINDS.get(row["kind"], row["kind"]), width=208),
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
    found, faded = reading.data, reading.problem is not None
    if not faded:
        state_sentence(found)
    key_figures(found, faded=faded)
    left, right = st.columns([2, 3], gap="large")
    with left:
        states(found["states"])
    with right:
        operations(found)


def state_sentence(found: Row) -> None:
    said = (
        f"今日は予約を{found['requested']:,}件受け付けました。"
        if found["requested"]
        else "今日の予約はまだありません。"
    )
    if not found["still_open"]:
        st.success(f"{said}手動対応はすべて完了しています。", icon=":material/check_circle:")
        return
    said += f"手動対応が{found['still_open']:,}件残っています"
    if found["overdue"]:
        st.error(f"{said}（うち期限超過 {found['overdue']:,}件）。", icon=":material/alarm:")
    else:
        st.warning(f"{said}。期限を過ぎたものはありません。", icon=":material/support_agent:")


def key_figures(found: Row, *, faded: bool) -> None:
    done = sum(one["done"] for one in found["operations"])
    figures.row(
        [
            Figure(
                "今日の予約",
                f"{found['requested']:,}件",
                change=found["requested"] - found["before"],
                change_unit="件",
                against="前日の同じ時刻との差",
            ),
            Figure(
                "今日の手動対応",
                f"{found['begun']:,}件",
                f"対応済み {done:,}件・対応中 {found['begun'] - done:,}件",
            ),
            Figure(
                "未完了の手動対応",
                f"{found['still_open']:,}件",
                f"期限超過 {found['overdue']:,}件（前日までの分を含む）",
            ),
            Figure("今日が予約日", f"{found['starting']:,}件", "確定していて、今日お店へ行く予約です"),
        ],
        faded=faded,
    )


def states(found: Sequence[Row]) -> None:
    st.subheader("今日の予約（ステータス別）", anchor=False)
    if not found:
        feedback.empty("今日の予約はまだありません", "予約を受け付けると、ステータスごとの件数が並びます。")
        return
    tables.grid(f"{KEY}.states", "今日の予約のステータス別の件数", found, STATE_COLUMNS)
    link("予約一覧を開く", "/reservations")


def operations(found: Row) -> None:
    st.subheader("手動対応（内容別）", anchor=False)
    if not found["operations"]:
        feedback.empty("今日の手動対応はありません", "自動で進められない予約が出ると、内容ごとの件数が並びます。")
        return
    tables.grid(f"{KEY}.operations", "手動対応の内容別の件数", found["operations"], OPERATION_COLUMNS)
    link("手動対応を開く", "/operations")


@refreshing_figures
def week() -> None:
    reading = live.block(f"{KEY}.week", "今週", f"{PATH}/week")
    if reading is None:
        return
    found, faded = reading.data, reading.problem is not None
    this, before = found["this"], found["before"]
    figures.row(
        [
            rate("予約成功率", "success", this, before, "結果の出た予約のうち、確定した予約の割合です。"),
            rate("決済成功率", "payment", this, before, "決済リンクを送った予約のうち、支払いが済んだ予約の割合です。"),
            rate(
                "キャンセル率",
                "cancellation",
                this,
                before,
                "確定後に終わった予約（完了・キャンセル）のうち、キャンセルの割合です。",
                good="down",
            ),
        ],
        faded=faded,
    )
    left, right = st.columns(2, gap="large")
    with left:
        chart("今週の予約成功率", "success", found, found["success_goal"])
    with right:
        chart("今週の決済成功率", "payment", found, found["payment_goal"])


def rate(label: str, name: str, this: Row, before: Row, help: str, good: Good = "up") -> Figure:
    """Of this week, beside the week before."""
    earlier = f"前週 {percent(before[name])}" if before[name]["whole"] else "前週はありません"
    return Figure(
        label,
        percent(this[name]),
        f"{counted(this[name])}・{earlier}" if this[name]["whole"] else earlier,
        change=points(this[name], before[name]),
        change_unit="pt",
        against="前週比",
        good=good,
        help=help,
    )


def chart(label: str, name: str, found: Row, goal: int | None) -> None:
    whole = found["this"][name]
    if not whole["whole"]:
        feedback.empty(
            f"{label}は、まだ計算できません",
            "今週の結果が出ると、曜日ごとに表示されます。",
            icon=":material/bar_chart:",
        )
        return
    charts.bar(
        finding(label, whole, goal),
        [date.fromisoformat(one["day"]) for one in found["days"]],
        {label: [value(one[name]) for one in found["days"]]},
        unit="%",
        key=f"{KEY}.{name}",
        goal=goal,
        top=100,
        notes=[counted(one[name]) for one in found["days"]],
    )


def finding(label: str, share: Row, goal: int | None) -> str:
    """今週の予約成功率は92%（目標95%）"""
    said = f"{label}は{percent(share)}"
    return f"{said}（目標{goal}%）" if goal is not None else f"{said}（{counted(share)}）"


@refreshing_figures
def notices() -> None:
    reading = live.block(f"{KEY}.notices", "直近のSlack通知", f"{PATH}/notices")
    if reading is None:
        return
    items = reading.data["items"]
    if not items:
        feedback.empty("まだSlackへの通知はありません", "手動対応やインシデントが発生すると、新しい順に並びます。")
        return
    with st.container(border=True):
        for one in items:
            st.markdown(notice(one))


def notice(one: Row) -> str:
    """送信済み 予約ID: QRV-ABC123 が全店NG (3分前), and below it when, where to and why not."""
    state = STATES.get(one["state"], UNKNOWN)
    at = times.parse(one["created_at"])
    more = f"{times.full(at)}・{one['recipient']}"
    if one["last_error"] and one["state"] != "sent":
        more += f"・{one['last_error']}"
    title = f"**{plain(one['title'])}**"
    if page := page_about("reservations", one["subject"]):
        title = f"[{title}]({page.address(one['subject_id'])})"
    return f"{state.badge()} {title}（{times.ago(at)}）  \n{small(plain(more))}"


today()
week()
notices()
