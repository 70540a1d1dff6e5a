"""端末詳細, 推移: the load of the PC, and how long the terminal was online, over a day, a week, a month, a year."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import streamlit as st

from dashboards.fleet.terminals_table import PATH
from dashboards.fleet.words import DAY
from dashboards.ui import bound, charts, live, times
from dashboards.ui.live import refreshing
from dashboards.ui.text import small

SPANS = {24: "24時間", 168: "7日", 720: "30日", 8760: "1年"}
DAYS_FROM = 720
AVERAGE, HIGHEST = "平均", "最高"


def show(terminal_id: int) -> None:
    hours = st.segmented_control(
        "期間",
        [*SPANS],
        default=24,
        required=True,
        format_func=lambda hours: SPANS[hours],
        key=bound.page_key("span"),
        bind="query-params",
    )
    _draw(terminal_id, hours or 24)


@refreshing
def _draw(terminal_id: int, hours: int) -> None:
    reading = live.block("fleet.metrics", f"{SPANS[hours]}の推移", f"{PATH}/{terminal_id}/metrics", hours=hours)
    if reading is None:
        return
    points = reading.data["points"]
    timestamps = [times.parse(point["at"]) for point in points]
    x: list[Any] = [timestamp.date() for timestamp in timestamps] if hours >= DAYS_FROM else list(timestamps)
    left, right = st.columns(2, gap="medium")
    with left:
        _draw_usage("CPU使用率", x, points, "cpu")
    with right:
        _draw_usage("メモリ使用率", x, points, "memory")
    left, right = st.columns(2, gap="medium")
    with left:
        disk = [point["disk_highest"] for point in points]
        maximum = max((value for value in disk if value is not None), default=None)
        charts.line(f"ディスク使用率は最高{maximum}%", x, {HIGHEST: disk}, unit="%", top=100, key="terminal.disk")
    with right:
        if hours >= DAYS_FROM:
            _draw_availability(x, points)
        else:
            _draw_heartbeats(x, points, timedelta(seconds=reading.data["step_seconds"]))
    st.markdown(small("線が途切れている時間帯は、通信がありませんでした。"))


def _draw_usage(label: str, x: Sequence[Any], points: Sequence[dict[str, Any]], name: str) -> None:
    series = {
        AVERAGE: [point[f"{name}_average"] for point in points],
        HIGHEST: [point[f"{name}_highest"] for point in points],
    }
    charts.line(_usage_title(label, points, name), x, series, unit="%", top=100, key=f"terminal.{name}")


def _usage_title(label: str, points: Sequence[dict[str, Any]], name: str) -> str:
    with_data = [point for point in points if point[f"{name}_average"] is not None]
    if not with_data:
        return label
    count = sum(point["heartbeats"] for point in with_data)
    mean = sum(point[f"{name}_average"] * point["heartbeats"] for point in with_data) / count
    return f"{label}は平均{mean:.0f}%、最高{max(point[f'{name}_highest'] for point in with_data)}%"


def _draw_availability(x: Sequence[Any], points: Sequence[dict[str, Any]]) -> None:
    seconds_by_day = [point["seconds"] for point in points if point["seconds"]]
    total = sum(sum(day.values()) - day["closed"] for day in seconds_by_day)
    online = sum(day["online"] for day in seconds_by_day)
    title = f"オンラインは登録期間（閉店中を除く）の{online / total:.1%}" if total else "日ごとの状態"
    hours = {
        status.label: [round(point["seconds"][code] / 3600, 1) if point["seconds"] else None for point in points]
        for code, status in DAY.items()
    }
    charts.stacked(title, x, hours, unit="時間", top=24, key="terminal.days", statuses=DAY.values())


def _draw_heartbeats(x: Sequence[Any], points: Sequence[dict[str, Any]], step: timedelta) -> None:
    counts = [point["heartbeats"] for point in points]
    empty_steps = sum(count == 0 for count in counts)
    gaps_text = f"通信のない時間は合計{times.duration(empty_steps * step)}" if empty_steps else "途切れなし"
    title = f"通信{sum(counts):,}回、{gaps_text}"
    charts.bar(title, x, {"通信": counts}, unit="回", key="terminal.heartbeats")
