"""監視: the state of the system now, the last day, and the alarms."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboards.contract.reservations import ALARM_KIND, AlarmItem, AlarmsState, Charts, Check, Outages
from dashboards.ui import charts, columns, feedback, figures, filters, live, tables, times
from dashboards.ui.figures import Figure
from dashboards.ui.live import refreshing, refreshing_figures
from dashboards.ui.status import Status
from dashboards.ui.text import plain, small

KEY, PATH = "reservations.monitoring", "/api/reservations/alarms"
STATE = f"{KEY}.state"
STATES = {
    "fine": Status("正常", "green", "check_circle"),
    "high": Status("基準超過", "orange", "trending_up"),
    "alarm": Status("アラート中", "red", "error"),
    "unknown": Status("データなし", "gray", "help"),
}
ALARM = {
    "open": Status("発生中", "red", "error"),
    "over": Status("解決済み", "green", "check_circle"),
}
CHECKS = (
    columns.text("監視項目", "title", width=140),
    columns.badge("状態", "state", STATES, width=110),
    columns.text("現在の値", lambda row: row["shown"] or "–", width=88),
    columns.text("基準", lambda row: row["limit"].removeprefix("基準 "), width=170),
    columns.text("確認頻度", lambda row: f"{row['every_minutes']}分間隔（自動）", width=124),
    columns.text("対応優先度", "priority", width=84),
    columns.text("内容", lambda row: row["detail"] or "–", width=330),
)
ALARMS = (
    columns.text("アラート", "text", width=190),
    columns.badge("状態", lambda row: "over" if row["over_at"] else "open", ALARM, width=104),
    columns.stamp("発生", "begun_at", sort="begun_at"),
    columns.stamp("解決", "over_at"),
    columns.text("継続時間", lambda row: lasting(row), width=84),
    columns.text("最大値", "worst", width=72, alignment="right"),
    columns.text("発生時の内容", lambda row: row["detail"] or "–", width=310),
)
SORTS = {"-begun_at": "発生が新しい順", "begun_at": "発生が古い順"}


def lasting(row: AlarmItem) -> str:
    # Alarms use the real time, not the product's clock.
    until = times.parse(row["over_at"]) if row["over_at"] else times.real_now()
    return times.duration(until - times.parse(row["begun_at"]))


@refreshing
def headline() -> None:
    reading = live.block(STATE, "監視", f"{PATH}/state", headline=True)
    if reading is None:
        return
    state: AlarmsState = reading.data
    if not reading.problem:
        state_sentence(state)
    figures.row([_figure(check) for check in state["checks"]], faded=reading.problem is not None)
    tables.grid(f"{KEY}.checks", "監視項目", state["checks"], CHECKS)


def state_sentence(state: AlarmsState) -> None:
    alarms = [check for check in state["checks"] if check["state"] == "alarm"]
    if alarms:
        text = "、".join(f"{check['title']}（{_since(check)}）" for check in alarms)
        st.error(f"アラートが{len(alarms)}件発生しています。{plain(text)}。", icon=":material/error:")
    if state["silent_jobs"]:
        names = "」「".join(state["silent_jobs"])
        st.error(
            f"定期処理「{plain(names)}」が動いていません。プログラムの状態を確認してください。",
            icon=":material/sync_problem:",
        )
    elif not state["is_measured"]:
        st.warning(
            "直近の測定値がありません。定期処理が動き始めると、1分以内に表示されます。",
            icon=":material/hourglass_empty:",
        )
    elif not alarms:
        _quiet(state["checks"])


def _quiet(checks: list[Check]) -> None:
    high, unknown = (
        "、".join(check["title"] for check in checks if check["state"] == state) for state in ("high", "unknown")
    )
    note = f"データが足りず判定していない項目があります（{unknown}）。" if unknown else ""
    if high:
        text = f"基準を超えている項目があります（{high}）。基準の時間続くと、アラートとして通知します。{note}"
        st.warning(text, icon=":material/trending_up:")
    else:
        st.success(f"現在、アラートはありません。{note}", icon=":material/check_circle:")


def _since(check: Check) -> str:
    value = check["shown"] or "–"
    if not check["since"]:
        return value
    return f"{value}、{times.duration(times.real_now() - times.parse(check['since']))}前から"


def _figure(check: Check) -> Figure:
    share = check["value"] / 100 if check["kind"] in ("cpu", "memory") and check["value"] is not None else None
    return Figure(
        check["title"], check["shown"] or "–", check["limit"], share=None if share is None else min(1.0, share)
    )


@refreshing_figures
def day() -> None:
    reading = live.block(f"{KEY}.charts", "直近24時間", f"{PATH}/charts")
    if reading is None:
        return
    recorded: Charts = reading.data
    points = recorded["points"]
    x = [times.clock(times.parse(point["at"]))[:5] for point in points]
    left, right = st.columns(2, gap="medium")
    with left:
        machine = {
            "CPU使用率": _rounded([point["cpu"] for point in points]),
            "メモリ使用率": _rounded([point["memory"] for point in points]),
        }
        charts.line(
            chart_title("サーバーの使用率（10分ごとの平均）", "CPUは最大", machine["CPU使用率"], "%"),
            x,
            machine,
            unit="%",
            key=f"{KEY}.machine",
            goal=80,
            goal_word="CPUの基準",
            top=100,
        )
    with right:
        queue = {"待っている処理": _rounded([point["queue"] for point in points])}
        charts.line(
            chart_title("待っている処理", "最大", queue["待っている処理"], "件"),
            x,
            queue,
            unit="件",
            key=f"{KEY}.queue",
            goal=100,
            goal_word="基準",
            top=max(120, *(1.1 * (value or 0) for value in queue["待っている処理"])),
        )
    errors = {"エラー率": _rounded([point["errors"] for point in points], 2)}
    charts.line(
        chart_title("エラー率（応答が50件以上あった時間帯）", "最大", errors["エラー率"], "%"),
        x,
        errors,
        unit="%",
        key=f"{KEY}.errors",
        goal=5,
        goal_word="基準",
        top=max(6, *(1.1 * (value or 0) for value in errors["エラー率"])),
    )


def _rounded(values: Sequence[float | None], digits: int = 1) -> list[float | None]:
    return [None if value is None else round(value, digits) for value in values]


def chart_title(subject: str, label: str, values: list[float | None], unit: str) -> str:
    """What the chart shows, as a sentence."""
    present = [value for value in values if value is not None]
    return f"{subject}: {label} {max(present):,g}{unit}" if present else subject


@refreshing
def show_list(chosen: filters.Filters) -> None:
    tables.table(
        f"{KEY}.list",
        "",
        PATH,
        ALARMS,
        sorts=SORTS,
        filters=chosen,
        rows=20,
        empty=tables.Empty("アラートはまだ発生していません", "基準を超えると、Slackに通知し、ここに記録します。"),
    )


@refreshing_figures
def outages() -> None:
    reading = live.block(f"{KEY}.outages", "今月の停止", f"{PATH}/outages")
    if reading is None:
        return
    report: Outages = reading.data
    if not report["items"]:
        feedback.empty(
            "今月、停止の記録はありません",
            "監視プログラムが、データサービスと画面の応答を確認しています。",
            icon=":material/check_circle:",
        )
        return
    st.markdown(f"今月の停止は{report['total']:,}回、合わせて{minutes(report['down_minutes'])}です。")
    for outage in report["items"]:
        start, end = times.parse(outage["start"]), times.parse(outage["end"])
        st.markdown(
            small(f"{times.full(start)}から{minutes((end - start).total_seconds() / 60)}　{plain(outage['words'])}")
        )


def minutes(count: float) -> str:
    return f"{count:,.1f}分" if count < 10 else f"{count:,.0f}分"


headline()
day()
st.subheader("アラートの記録", anchor=False)
show_list(
    filters.bar(
        filters.Choice("state", "状態", ALARM),
        filters.Choice("kind", "監視項目", ALARM_KIND),
    )
)
outages()
