"""Charts that look alike: our colours and font, Japanese dates, units, and a title that says what one sees.

Browsers fetch Plotly, almost five megabytes, with the first chart: a page that can do without one should.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import cache, partial
from itertools import cycle
from math import ceil
from typing import TYPE_CHECKING, Any, Literal
from unicodedata import east_asian_width

import streamlit as st

from dashboards.ui import feedback, figures, times
from dashboards.ui.status import Status

if TYPE_CHECKING:
    import plotly.graph_objects as go

HEIGHT = 300
# Things that are counted one by one at the axis.
FEW = 5
# Streamlit's own buttons over a chart say nothing that the page needs.
CONFIG = {"displayModeBar": False, "locale": "ja", "scrollZoom": False}
# In pixels: the axis of a chart that has half of a desk's page, letters at the axis, and the least between two words.
AXIS_WIDTH, FULL, HALF, GAP = 420, 13, 8, 16


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
            xaxis={
                "showgrid": False,
                "linecolor": grid,
                "ticks": "",
                "ticklabelstandoff": 6,
                "automargin": True,
                "fixedrange": True,
            },
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


def _draw(
    kind: Literal["line", "bar", "stacked"],
    finding: str,
    x: Sequence[Any],
    series: Series,
    *,
    unit: str,
    key: str,
    goal: float | None = None,
    goal_word: str = "目標",
    top: float | None = None,
    kinds: Iterable[Status] = (),
    notes: Sequence[str] = (),
) -> None:
    """`finding` is the sentence that the chart shows; `goal` is drawn as 目標, or as `goal_word`; `top` is where the
    axis ends, from zero, so that a quiet hour does not look like a busy one. `notes` stand below the value at each
    of `x`.

    A series that is named like one of `kinds` has the colour of its badge.
    """
    if not any(value is not None for values in series.values() for value in values):
        feedback.empty("この期間のデータはありません", "期間を変えると表示されます。", icon=":material/bar_chart:")
        return
    import plotly.graph_objects as go

    labels = [_label(value) for value in x]
    colors = _colors(series, kinds)
    before, after = figures.around(unit)
    figure = go.Figure()
    for name, values in series.items():
        note = "<br>%{customdata}" if notes else ""
        hover = f"%{{x}}<br>{name} <b>{before}%{{y:,~r}}{after}</b>{note}<extra></extra>"
        drawn: dict[str, Any] = {"x": labels, "y": [*values], "name": name, "hovertemplate": hover}
        drawn["customdata"] = [*notes] or None
        if kind == "line":
            figure.add_scatter(**drawn, mode="lines+markers", line_color=colors[name])
        else:
            figure.add_bar(**drawn, marker_color=colors[name])
    if goal is not None:
        figure.add_hline(
            y=goal, line={"dash": "dot", "width": 1.5}, annotation_text=f"{goal_word} {before}{goal:,}{after}"
        )
    figure.update_layout(
        template=template(),
        title_text=finding,
        showlegend=len(series) > 1,
        height=HEIGHT,
        barmode="stack" if kind == "stacked" else "group",
    )
    figure.update_xaxes(type="category", tickvals=ticks(labels), tickangle=0)
    figure.update_yaxes(tickprefix=before, ticksuffix=after, rangemode="normal" if kind == "line" else "tozero")
    if top is not None:
        figure.update_yaxes(range=[0, top])
    elif kind != "line" and _is_a_few(series.values()):
        # There is no half of a thing that is counted.
        figure.update_yaxes(dtick=1)
    # theme=None: Streamlit's own template would win over ours.
    st.plotly_chart(figure, theme=None, config=CONFIG, key=key)


# How something went over time; amounts side by side, from zero; parts of a whole, from zero.
line, bar, stacked = partial(_draw, "line"), partial(_draw, "bar"), partial(_draw, "stacked")


def ticks(labels: Sequence[str]) -> list[str]:
    """Those of the labels that are written at the axis, evenly, and no more than stand beside each other. The last one,
    which is the newest, is always among them."""
    if not labels:
        return []
    widest = max(sum(FULL if east_asian_width(letter) in "FWA" else HALF for letter in label) for label in labels)
    step = ceil(len(labels) / max(2, AXIS_WIDTH // (widest + GAP)))
    return [*labels[(len(labels) - 1) % step :: step]]


def _is_a_few(series: Iterable[Sequence[float | None]]) -> bool:
    """Whether whole numbers are so small that the axis would count in parts of one."""
    totals = [sum(value or 0 for value in values) for values in zip(*series, strict=False)]
    return all(float(total).is_integer() for total in totals) and max(totals, default=0) <= FEW


def _colors(series: Series, kinds: Iterable[Status]) -> dict[str, str]:
    """A status has its colour here too; everything else takes the palette's in turn."""
    known = {kind.word: st.get_option(f"theme.{kind.color}Color") for kind in kinds}
    palette = cycle(st.get_option("theme.chartCategoricalColors"))
    return {name: known.get(name) or next(palette) for name in series}


def _label(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{day(value)} {value.hour}:{value.minute:02}"
    return day(value) if isinstance(value, date) else str(value)
