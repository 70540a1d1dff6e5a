"""ホーム: a sentence about each area, and what is due in all of them; for who only reads figures, those of the week."""

from __future__ import annotations

from datetime import date
from importlib import import_module

import streamlit as st

from dashboards.contract.core import AreaState, AreaWeek, Home, WeekFigure
from dashboards.core import due
from dashboards.menu import page_at
from dashboards.ui import figures, live, times
from dashboards.ui.figures import Figure
from dashboards.ui.live import refreshing
from dashboards.ui.sentence import Sentence
from dashboards.ui.text import small

NOTHING_YET = Sentence("まだ記録がありません。")
UNITS = {"count": "件", "yen": "¥", "percent": "%"}


@refreshing
def page() -> None:
    reading = live.block(due.HOME, "ホーム", "/api/home", headline=True)
    if reading is None:
        return
    data: Home = reading.data
    if data["failed"]:
        failures(data)
    with st.container(gap="xsmall", key="core.home.states"):
        for state in data["states"]:
            area_sentence(state, data["areas"])
    for week in data["weeks"]:
        week_figures(week, data["areas"], faded=reading.problem is not None)
    if data["has_due"] or not data["weeks"]:
        due.table(data)


def failures(data: Home) -> None:
    names = "、".join(f"{data['areas'][failure['area']]}の{failure['title']}" for failure in data["failed"])
    st.warning(
        f"次の内容を読み込めませんでした: {names}。ほかの内容は最新です。自動でもう一度読み込みます。",
        icon=":material/sync_problem:",
    )


def area_sentence(state: AreaState, areas: dict[str, str]) -> None:
    """What the area's first page says, and the way there."""
    sentence = NOTHING_YET
    if state["figures"] is not None:
        sentence = import_module(f"dashboards.{state['area']}.sentences").SENTENCES[state["key"]](state["figures"])
    left, right = st.columns([1, 5], gap="xxsmall", vertical_alignment="center")
    left.page_link(page_at(state["address"]).file, label=f"**{areas[state['area']]}** :material/chevron_right:")
    right.markdown(f"{sentence.mark()} {sentence.text}")


def week_figures(week: AreaWeek, areas: dict[str, str], *, faded: bool) -> None:
    since, until = (times.day(date.fromisoformat(week[name])) for name in ("since", "until"))
    entry = page_at(week["address"])
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(f"{areas[week['area']]}の{week['title']}", anchor=False, width="content")
        st.page_link(entry.file, label=f"{entry.title}を開く", width="content")
    figures.row([week_figure(figure) for figure in week["figures"]], faded=faded)
    st.markdown(small(f"{since}から{until}までの7日間の数字です。グラフは、その前の7日間を含む14日間の推移です。"))


def week_figure(figure: WeekFigure) -> Figure:
    value, before, unit = figure["value"], figure["before"], UNITS[figure["unit"]]
    return Figure(
        figure["title"],
        amount(value, unit),
        f"前の7日間 {amount(before, unit)}",
        change=None if value is None or before is None else round(value - before, 2),
        change_unit="pt" if unit == "%" else unit,
        against="前週比",
        good=figure["good"],
        history=figure["series"] if len(figure["series"]) > 1 else None,
    )


def amount(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    if unit == "%":
        return f"{value:g}%"
    prefix, suffix = figures.affixes(unit)
    return f"{'-' if value < 0 else ''}{prefix}{abs(value):,.0f}{suffix}"


page()
