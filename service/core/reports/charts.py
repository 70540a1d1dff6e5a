"""Charts as positions and sizes, each a fraction (0 to 1) of the plot, which the template draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from service.core.reports.colours import CATEGORIES, TONES, Tone
from service.core.reports.model import BarChart, LineChart, ShareBar
from service.core.reports.scales import Axis, axis, label_indexes, number

# The fraction of its slot that a bar fills.
BAR_FILL = 0.72
# Lines with at most so many points have a dot at each.
MAX_DOTS = 40
# A narrower piece of the share bar has no room for its number.
MIN_LABELLED_WIDTH = 0.07


def colour(index: int, tone: Tone | None) -> str:
    return TONES[tone]["mark"] if tone else CATEGORIES[index % len(CATEGORIES)]


def _frame(chart: LineChart | BarChart | ShareBar, kind: str, is_empty: bool) -> dict[str, Any]:
    return {
        "kind": kind,
        "title": chart.title,
        "unit": "" if is_empty else chart.unit,
        "note": chart.note,
        "empty": chart.empty if is_empty else "",
        "alt": chart.empty if is_empty else chart.title,
        "legend": [],
    }


def _ticks(scale: Axis) -> list[dict[str, Any]]:
    return [{"at": scale.place(tick), "label": number(tick)} for tick in scale.ticks]


def _labels(labels: Sequence[str]) -> list[dict[str, Any]]:
    return [{"at": (index + 0.5) / len(labels), "text": labels[index]} for index in label_indexes(len(labels))]


def _legend(chart: LineChart | BarChart) -> list[dict[str, str]]:
    if len(chart.series) < 2:
        return []
    return [{"name": series.name, "colour": colour(index, series.tone)} for index, series in enumerate(chart.series)]


def bar_chart(chart: BarChart) -> dict[str, Any]:
    columns = [[series.values[index] or 0 for series in chart.series] for index in range(len(chart.labels))]
    frame = _frame(chart, "bars", not any(map(any, columns)))
    if frame["empty"]:
        return frame
    scale = axis([sum(column) for column in columns])
    bars = []
    for index, column in enumerate(columns):
        bottom = 0.0
        for series_index, value in enumerate(column):
            height = scale.place(value)
            bar: dict[str, Any] = {"x": (index + (1 - BAR_FILL) / 2) / len(columns), "width": BAR_FILL / len(columns)}
            bar |= {"y": bottom, "height": height, "colour": colour(series_index, chart.series[series_index].tone)}
            bar["unfinished"] = chart.last_unfinished and index == len(columns) - 1
            bottom += height
            bars.append(bar)
    return frame | {"ticks": _ticks(scale), "labels": _labels(chart.labels), "bars": bars, "legend": _legend(chart)}


def line_chart(chart: LineChart) -> dict[str, Any]:
    values = [value for series in chart.series for value in series.values if value is not None]
    frame = _frame(chart, "lines", not values)
    if frame["empty"]:
        return frame
    scale = axis(values, from_zero=False)
    lines = []
    for series_index, series in enumerate(chart.series):
        runs: list[list[dict[str, float]]] = [[]]
        for index, value in enumerate(series.values):
            if value is None:
                runs.append([])
            else:
                runs[-1].append({"x": (index + 0.5) / len(chart.labels), "y": scale.place(value)})
        non_empty_runs = [run for run in runs if run]
        lines.append(
            {"colour": colour(series_index, series.tone), "runs": non_empty_runs, "dots": len(chart.labels) <= MAX_DOTS}
        )
    if scale.bottom > 0:
        frame["note"] = f"縦軸は{number(scale.bottom)}から始まります。{chart.note}"
    return frame | {"ticks": _ticks(scale), "labels": _labels(chart.labels), "lines": lines, "legend": _legend(chart)}


def share_bar(chart: ShareBar) -> dict[str, Any]:
    total = sum(part.value for part in chart.parts)
    frame = _frame(chart, "share", total <= 0)
    if frame["empty"]:
        return frame
    pieces, legend, start = [], [], 0.0
    for index, part in enumerate(chart.parts):
        width = part.value / total
        part_colour = colour(index, part.tone)
        percent = f"{width:.1%}"
        if width:
            pieces.append(
                {
                    "x": start,
                    "width": width,
                    "colour": part_colour,
                    "inside": percent if width >= MIN_LABELLED_WIDTH else "",
                }
            )
        legend.append({"name": f"{part.name} {number(part.value)}{chart.unit}（{percent}）", "colour": part_colour})
        start += width
    return frame | {"unit": "", "pieces": pieces, "legend": legend}
