"""端末詳細, 学習した営業時間: when the terminal is expected to be online, as text, and the switch."""

from __future__ import annotations

import streamlit as st

from dashboards.contract.fleet import SpanItem, TerminalDetail, TerminalHours
from dashboards.fleet import hours_switch
from dashboards.fleet.terminals_table import PATH
from dashboards.session import has_permission
from dashboards.ui import details, live, times
from dashboards.ui.live import refreshing
from dashboards.ui.text import plain

TITLE = "学習した営業時間"
WEEKDAYS = "月火水木金土日"


@refreshing
def show(terminal: TerminalDetail) -> None:
    reading = live.block("fleet.hours", TITLE, f"{PATH}/{terminal['id']}/hours")
    if reading is None:
        return
    hours: TerminalHours = reading.data
    with st.container(border=True, key="terminal.hours"):
        st.markdown(plain(status_text(hours)))
        if hours["week"] and _is_on(hours):
            details.facts(week_text(hours["week"]))
        if has_permission("fleet:terminal:update") and hours["setting"] and hours["customer"]:
            place = f"端末 {terminal['serial_number']} の"
            hours_switch.draw("terminal", PATH, terminal["id"], place, is_on=hours["learned_hours"])


def _is_on(hours: TerminalHours) -> bool:
    return bool(hours["setting"] and hours["customer"] and hours["learned_hours"])


def status_text(opening_hours: TerminalHours) -> str:
    """What these hours mean for this terminal now."""
    if not opening_hours["setting"]:
        return (
            "営業時間の学習は、このシステムでは使われていません。時刻を問わず、通信が途絶えるとアラートを通知します。"
        )
    if not _is_on(opening_hours):
        scope_label = "この端末" if opening_hours["customer"] else "この顧客"
        return (
            f"営業時間の学習は、{scope_label}では使われていません。時刻を問わず、通信が途絶えるとアラートを通知します。"
        )
    if opening_hours["week"] is None:
        missing_days = opening_hours["days_needed"] - opening_hours["days"]
        if missing_days > 0:
            return f"学習中です（あと{missing_days}日）。それまでは、時刻を問わずアラートを通知します。"
        return "通信のある時間帯が決まっていません。時刻を問わず、通信が途絶えるとアラートを通知します。"
    if all(spans == [{"opens": 0, "closes": 24}] for spans in opening_hours["week"]):
        return "直近4週間の通信から学習しました。終日通信しているため、時刻を問わずアラートを通知します。"
    alert_after = opening_hours["alert_after"] and times.parse(opening_hours["alert_after"])
    if alert_after and alert_after > times.parse(opening_hours["as_of"]):
        return f"いまは営業時間外です。{times.full(alert_after)}までに通信がなければ、アラートを通知します。"
    return "直近4週間の通信から学習しました。営業時間外に通信が途絶えても、次の開店まではアラートを通知しません。"


def week_text(week: list[list[SpanItem]]) -> dict[str, str]:
    """Consecutive weekdays with the same hours share a line: 月～金 → 9:00～21:00."""
    lines: list[tuple[str, str]] = []
    for weekday, spans in zip(WEEKDAYS, week, strict=True):
        hours = "、".join(map(_span_text, spans)) or "休み"
        if lines and lines[-1][1] == hours:
            lines[-1] = (lines[-1][0] + weekday, hours)
        else:
            lines.append((weekday, hours))
    return {_weekdays_text(days): hours for days, hours in lines}


def _weekdays_text(weekdays: str) -> str:
    if len(weekdays) == len(WEEKDAYS):
        return "毎日"
    return f"{weekdays[0]}～{weekdays[-1]}" if len(weekdays) > 2 else "・".join(weekdays)


def _span_text(span: SpanItem) -> str:
    opens, closes = span["opens"], span["closes"]
    if (opens, closes) == (0, 24):
        return "24時間"
    return f"{opens}:00～翌{closes - 24}:00" if closes > 24 else f"{opens}:00～{closes}:00"
