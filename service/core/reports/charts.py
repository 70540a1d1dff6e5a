"""Charts as places and sizes, each a part (0 to 1) of the plot, for the template to draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from service.core.reports.colours import CATEGORIES, TONES, Tone
from service.core.reports.model import BarChart, LineChart, ShareBar
from service.core.reports.scales import Axis, axis, number, shown

# A bar's part of the room it has.
FILLED = 0.72
# Points of a line that are still marked one by one.
DOTTED = 40
# A piece of the share bar narrower than this has no room for its number.
NARROW = 0.07


def colour(place: int, tone: Tone | None) -> str:
    return TONES[tone]["mark"] if tone else CATEGORIES[place % len(CATEGORIES)]


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
    return [{"at": (place + 0.5) / len(labels), "text": labels[place]} for place in shown(len(labels))]


def _legend(chart: LineChart | BarChart) -> list[dict[str, str]]:
    if len(chart.series) < 2:
        return []
    return [{"name": one.name, "colour": colour(place, one.tone)} for place, one in enumerate(chart.series)]


def bar_chart(chart: BarChart) -> dict[str, Any]:
    columns = [[one.values[place] or 0 for one in chart.series] for place in range(len(chart.labels))]
    frame = _frame(chart, "bars", not any(map(any, columns)))
    if frame["empty"]:
        return frame
    scale = axis([sum(column) for column in columns])
    bars = []
    for place, column in enumerate(columns):
        below = 0.0
        for which, value in enumerate(column):
            height = scale.place(value)
            bar: dict[str, Any] = {"x": (place + (1 - FILLED) / 2) / len(columns), "width": FILLED / len(columns)}
            bar |= {"y": below, "height": height, "colour": colour(which, chart.series[which].tone)}
            bar["unfinished"] = chart.last_unfinished and place == len(columns) - 1
            below += height
            bars.append(bar)
    return frame | {"ticks": _ticks(scale), "labels": _labels(chart.labels), "bars": bars, "legend": _legend(chart)}


def line_chart(chart: LineChart) -> dict[str, Any]:
    values = [value for one in chart.series for value in one.values if value is not None]
    frame = _frame(chart, "lines", not values)
    if frame["empty"]:
        return frame
    scale = axis(values, from_zero=False)
    lines = []
    for which, one in enumerate(chart.series):
        runs: list[list[dict[str, float]]] = [[]]
        for place, value in enumerate(one.values):
            if value is None:
                runs.append([])
            else:
                runs[-1].append({"x": (place + 0.5) / len(chart.labels), "y": scale.place(value)})
        drawn = [run for run in runs if run]
        lines.append({"colour": colour(which, one.tone), "runs": drawn, "dots": len(chart.labels) <= DOTTED})
    if scale.bottom > 0:
        frame["note"] = f"縦軸は{number(scale.bottom)}から始まります。{chart.note}"
    return frame | {"ticks": _ticks(scale), "labels": _labels(chart.labels), "lines": lines, "legend": _legend(chart)}


def share_bar(chart: ShareBar) -> dict[str, Any]:
    whole = sum(part.value for part in chart.parts)
    frame = _frame(chart, "share", whole <= 0)
    if frame["empty"]:
        return frame
    pieces, legend, start = [], [], 0.0
    for which, part in enumerate(chart.parts):
        width = part.value / whole
        drawn = colour(which, part.tone)
        percent = f"{width:.1%}"
        if width:
            pieces.append({"x": start, "width": width, "colour": drawn, "inside": percent if width >= NARROW else ""})
        legend.append({"name": f"{part.name} {number(part.value)}{chart.unit}（{percent}）", "colour": drawn})
        start += width
    return frame | {"unit": "", "pieces": pieces, "legend": legend}
