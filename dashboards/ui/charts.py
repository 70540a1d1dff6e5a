"""Charts that look alike: our colours and font, Japanese dates, units, and a title that says what one sees.

Browsers fetch Plotly, almost five megabytes, with the first chart: a page that can do without one should.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from itertools import cycle
from typing import TYPE_CHECKING, Any, Literal

import streamlit as st

from dashboards.ui import feedback, times
from dashboards.ui.status import Status

if TYPE_CHECKING:
    import plotly.graph_objects as go

HEIGHT = 300
# Streamlit's own buttons over a chart say nothing that the page needs.
CONFIG = {"displayModeBar": False, "locale": "ja", "scrollZoom": False}
# Room for a date at the axis; with more, every second or third is written.
MOST_TICKS = 14


def day(moment: date) -> str:
    """11/21(土)"""
    return f"{moment.month}/{moment.day}({times.WEEKDAYS[moment.weekday()]})"


@cache
def template() -> go.layout.Template:
    import plotly.graph_objects as go

    text, grid = st.get_option("theme.textColor"), st.get_option("theme.dataframeBorderColor")
    return go.layout.Template(
        layout=go.Layout(
            font={"family": st.get_option("theme.font"), "size": 13, "color": text},
            title={"font": {"size": 15, "weight": 700}, "x": 0, "xanchor": "left", "y": 0.98, "yanchor": "top"},
            colorway=st.get_option("theme.chartCategoricalColors"),
            paper_bgcolor="rgba(0,0,0,0)",
            plot_bgcolor="rgba(0,0,0,0)",
            margin={"l": 8, "r": 8, "t": 60, "b": 8},
            xaxis={"showgrid": False, "linecolor": grid, "ticks": "", "automargin": True, "fixedrange": True},
            yaxis={
                "gridcolor": grid,
                "gridwidth": 1,
                "zerolinecolor": grid,
                "tickformat": ",~r",
                "automargin": True,
                "fixedrange": True,
            },
            legend={
                "orientation": "h",
                "x": 1,
                "xanchor": "right",
                "y": 1.02,
                "yanchor": "bottom",
                "title": {"text": ""},
            },
            hoverlabel={"bgcolor": "#FFFFFF", "bordercolor": grid, "font": {"size": 13, "color": text}},
            bargap=0.35,
        )
    )


Series = Mapping[str, Sequence[float | None]]


def line(
    finding: str,
    x: Sequence[Any],
    series: Series,
    *,
    unit: str,
    key: str,
    goal: float | None = None,
    kinds: Iterable[Status] = (),
) -> None:
    """How something went over time. `finding` is the sentence that the chart shows; `goal` is drawn as 目標.

    A series that is named like one of `kinds` has the colour of its badge, here and below.
    """
    _draw(finding, x, series, unit, key, "line", goal, kinds)


def bar(
    finding: str,
    x: Sequence[Any],
    series: Series,
    *,
    unit: str,
    key: str,
    goal: float | None = None,
    kinds: Iterable[Status] = (),
) -> None:
    """Amounts side by side, from zero."""
    _draw(finding, x, series, unit, key, "bar", goal, kinds)


def stacked(
    finding: str, x: Sequence[Any], series: Series, *, unit: str, key: str, kinds: Iterable[Status] = ()
) -> None:
    """Parts of a whole, from zero."""
    _draw(finding, x, series, unit, key, "stacked", None, kinds)


def _draw(
    finding: str,
    x: Sequence[Any],
    series: Series,
    unit: str,
    key: str,
    kind: Literal["line", "bar", "stacked"],
    goal: float | None,
    kinds: Iterable[Status],
) -> None:
    if not any(value is not None for values in series.values() for value in values):
        feedback.empty("この期間のデータはありません", "期間を変えると表示されます。", icon=":material/bar_chart:")
        return
    import plotly.graph_objects as go

    labels = [_label(value) for value in x]
    colors = _colors(series, kinds)
    figure = go.Figure()
    for name, values in series.items():
        hover = f"%{{x}}<br>{name} <b>%{{y:,~r}}{unit}</b><extra></extra>"
        if kind == "line":
            figure.add_scatter(
                x=labels, y=[*values], name=name, mode="lines+markers", hovertemplate=hover, line_color=colors[name]
            )
        else:
            figure.add_bar(x=labels, y=[*values], name=name, hovertemplate=hover, marker_color=colors[name])
    if goal is not None:
        figure.add_hline(y=goal, line={"dash": "dot", "width": 1.5}, annotation_text=f"目標 {goal:,}{unit}")
    figure.update_layout(
        template=template(),
        title_text=finding,
        showlegend=len(series) > 1,
        height=HEIGHT,
        barmode="stack" if kind == "stacked" else "group",
    )
    figure.update_xaxes(type="category", nticks=MOST_TICKS, tickangle=0)
    figure.update_yaxes(ticksuffix=unit, rangemode="normal" if kind == "line" else "tozero")
    # theme=None: Streamlit's own template would win over ours.
    st.plotly_chart(figure, theme=None, config=CONFIG, key=key)


def _colors(series: Series, kinds: Iterable[Status]) -> dict[str, str]:
    """A status has its colour here too; everything else takes the palette's in turn."""
    known = {kind.word: st.get_option(f"theme.{kind.color}Color") for kind in kinds}
    palette = cycle(st.get_option("theme.chartCategoricalColors"))
    return {name: known.get(name) or next(palette) for name in series}


def _label(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{day(value)} {value.hour}:{value.minute:02}"
    return day(value) if isinstance(value, date) else str(value)
