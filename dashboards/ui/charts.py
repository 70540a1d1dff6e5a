"""Charts in one style: our colours and font, Japanese dates, units, and a title that says what the chart shows.

Browsers load Plotly, almost five megabytes, with the first chart: a page that can do without one should.
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
# Counts up to this get an axis tick for each.
MAX_UNIT_TICKS = 5
# Streamlit's buttons above a chart are of no use here.
CONFIG = {"displayModeBar": False, "locale": "ja", "scrollZoom": False}
# In pixels: the axis of a chart in half of a desktop page, a full-width and a half-width letter, and the least gap
# between two labels.
AXIS_WIDTH, FULL_WIDTH, HALF_WIDTH, LABEL_GAP = 420, 13, 8, 16


def day(value: date) -> str:
    """11/21(土)"""
    return f"{value.month}/{value.day}({times.WEEKDAYS[value.weekday()]})"


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
    statuses: Iterable[Status] = (),
    notes: Sequence[str] = (),
) -> None:
    """`finding` is the title: the sentence that the chart shows. `goal` is drawn as 目標, or as `goal_word`. `top` is
    the end of the axis, which starts at zero, so that a quiet hour does not look like a busy one. `notes` are shown
    below the value at each of `x`.

    A series with the label of one of `kinds` has the colour of that badge.
    """
    if not any(value is not None for values in series.values() for value in values):
        feedback.empty("この期間のデータはありません", "期間を変えると表示されます。", icon=":material/bar_chart:")
        return
    import plotly.graph_objects as go

    labels = [_label(value) for value in x]
    colors = _colors(series, statuses)
    prefix, suffix = figures.affixes(unit)
    figure = go.Figure()
    for name, values in series.items():
        note = "<br>%{customdata}" if notes else ""
        hover = f"%{{x}}<br>{name} <b>{prefix}%{{y:,~r}}{suffix}</b>{note}<extra></extra>"
        trace: dict[str, Any] = {"x": labels, "y": [*values], "name": name, "hovertemplate": hover}
        trace["customdata"] = [*notes] or None
        if kind == "line":
            figure.add_scatter(**trace, mode="lines+markers", line_color=colors[name])
        else:
            figure.add_bar(**trace, marker_color=colors[name])
    if goal is not None:
        figure.add_hline(
            y=goal, line={"dash": "dot", "width": 1.5}, annotation_text=f"{goal_word} {prefix}{goal:,}{suffix}"
        )
    figure.update_layout(
        template=template(),
        title_text=finding,
        showlegend=len(series) > 1,
        height=HEIGHT,
        barmode="stack" if kind == "stacked" else "group",
    )
    figure.update_xaxes(type="category", tickvals=ticks(labels), tickangle=0)
    figure.update_yaxes(tickprefix=prefix, ticksuffix=suffix, rangemode="normal" if kind == "line" else "tozero")
    if top is not None:
        figure.update_yaxes(range=[0, top])
    elif kind != "line" and _has_small_counts(series.values()):
        # Counts have no halves.
        figure.update_yaxes(dtick=1)
    # theme=None: Streamlit's own template would win over ours.
    st.plotly_chart(figure, theme=None, config=CONFIG, key=key)


# Lines: a course over time. Bars: amounts side by side, from zero. Stacked: parts of a whole, from zero.
line, bar, stacked = partial(_draw, "line"), partial(_draw, "bar"), partial(_draw, "stacked")


def ticks(labels: Sequence[str]) -> list[str]:
    """The labels to write at the axis: evenly spaced, as many as fit, and always the last one, which is the newest."""
    if not labels:
        return []
    widest = max(
        sum(FULL_WIDTH if east_asian_width(letter) in "FWA" else HALF_WIDTH for letter in label) for label in labels
    )
    step = ceil(len(labels) / max(2, AXIS_WIDTH // (widest + LABEL_GAP)))
    return [*labels[(len(labels) - 1) % step :: step]]


def _has_small_counts(series: Iterable[Sequence[float | None]]) -> bool:
    """Whether all values are integers so small that Plotly would put fractions at the axis."""
    totals = [sum(value or 0 for value in values) for values in zip(*series, strict=False)]
    return all(float(total).is_integer() for total in totals) and max(totals, default=0) <= MAX_UNIT_TICKS


def _colors(series: Series, statuses: Iterable[Status]) -> dict[str, str]:
    """A status has the colour of its badge; all other series take the palette's colours in turn."""
    by_label = {status.label: st.get_option(f"theme.{status.color}Color") for status in statuses}
    palette = cycle(st.get_option("theme.chartCategoricalColors"))
    return {name: by_label.get(name) or next(palette) for name in series}


def _label(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{day(value)} {value.hour}:{value.minute:02}"
    return day(value) if isinstance(value, date) else str(value)
