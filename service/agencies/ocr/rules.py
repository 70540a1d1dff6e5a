"""Proposes values for a site from the lines that OCR has read: pure functions of texts and their positions.

A value is found by its label: behind the label in the same line, to its right, or below it. Values are only proposals:
uncertain ones are marked, and an operator decides.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from statistics import median
from typing import Any

from service.agencies.fields import rules as fields
from service.core.values.texts import half_width

Point = tuple[float, float]


class State(StrEnum):
    WAITING = "waiting"
    READING = "reading"
    DONE = "done"
    FAILED = "failed"


# The fields of a site for which values are proposed, in the order in which they are shown.
FIELDS = (
    "latest_charges",
    "latest_power_usage",
    "latest_date",
    "power_customer_number",
    "power_customer_location_number",
)
# Proposals with a lower score are marked as uncertain.
SURE = 0.9
# When a reader is killed, its image is read again after this time; after MAX_ATTEMPTS tries it has failed.
LEASE = timedelta(minutes=2)
MAX_ATTEMPTS = 3
# A reader without a heartbeat for so long counts as stopped.
READER_TIMEOUT = timedelta(minutes=2)

_LABELS: dict[str, tuple[str, ...]] = {
    "latest_charges": (
        "(?:ご|御)?請求(?:予定)?(?:金)?額|お?支払(?:い)?(?:金)?額",
        "(?:電気)?料金合計|合計(?:金額|料金)",
        "(?:明細|電気)料金(?!計算|内訳|単価|メニュー|プラン)",
    ),
    "latest_power_usage": ("(?:(?:ご|御)?使用(?:電力)?量|電力使用量)(?!の(?:お知らせ|ご案内))",),
    "latest_date": ("(?:ご|御)?(?:使用|請求|明細)?(?:年月|月分)|検針月|(?:ご|御)(?:使用|請求)月",),
    "power_customer_number": ("客(?:様|さま|さん)番号|客(?:様|さま)No\\.?|ご?契約番号",),
    "power_customer_location_number": ("供給地点特定番号|供給地点番号|地点番号",),
}
_TAX = "消費税"
# Labels of other figures: of last year or last month, or a part of the sum.
_OTHER_FIGURES = re.compile("前年|昨年|前月|先月|うち|内訳|差額|比較|繰越|単価|燃料費|賦課金")
_AMOUNT = re.compile(
    r"(?<![\d.])[¥\\]?\s*(\d{1,3}(?:\s?[,.]\s?\d{3})+|\d{1,9})(?![\d]|\s?[,.]\s?\d|\s*(?:k[wv]|[月日年%A]))", re.I
)
_USAGE = re.compile(r"(?<![\d.])(\d{1,3}(?:,\s?\d{3})+|\d{1,7})(\.\d{1,2})?\s*k\s?[wv]\s?[hn]", re.I)
_USAGE_ALONE = re.compile(r"\s*(\d{1,3}(?:,\s?\d{3})+|\d{1,7})(\.\d{1,2})?\s*")
_MONTH = re.compile(r"(?:(20\d\d)|(?:令和|R)\s*(\d{1,2}|元))\s*(?:年|[./-])\s*(1[0-2]|0?[1-9])(?!\d)\s*(月分?)?", re.I)
_SUPPLY_POINT = re.compile(r"(?<!\d)(?:\d[\s-]*){21}\d(?!\d)")
_CUSTOMER = re.compile(r"(?<![\dA-Z])\d[\d\s-]{4,38}\d(?!\d)")
_LOOKALIKES = str.maketrans({"O": "0", "o": "0", "Q": "0", "I": "1", "l": "1", "|": "1", "S": "5", "B": "8"})
# 令和1 is 2019.
_REIWA = 2018


@dataclass(frozen=True)
class Line:
    """One piece of text. `score`: how sure the reader is; `box`: its four corners in pixels, clockwise from the upper
    left corner in the picture."""

    text: str
    score: float
    box: tuple[Point, Point, Point, Point]


@dataclass(frozen=True)
class Proposal:
    """`box`: left, top, right and bottom of the value, as fractions of the picture's width and height."""

    value: str
    score: float
    box: tuple[float, float, float, float]
    notes: tuple[str, ...] = ()

    @property
    def is_sure(self) -> bool:
        return self.score >= SURE and not self.notes


@dataclass(frozen=True)
class Proposals:
    """`turn`: by how many degrees the picture has to be turned clockwise so that its text is upright."""

    fields: dict[str, Proposal]
    turn: int = 0


@dataclass(frozen=True)
class _PlacedLine:
    """A line at its position on the upright page."""

    line: Line
    text: str
    left: float
    top: float
    right: float
    bottom: float

    @property
    def height(self) -> float:
        return self.bottom - self.top


@dataclass(frozen=True)
class _Candidate:
    value: str
    sources: tuple[_PlacedLine, ...]
    # The pattern of the label that led to it; "" when it was found without one.
    label: str = ""


def propose(lines: Sequence[Line], size: tuple[int, int], today: date, company: str | None = None) -> Proposals:
    """Proposes the values of a statement of `size` pixels. `company` is the code of 現在の電力会社, if it is known."""
    usable = [line for line in lines if line.text.strip()]
    if not usable:
        return Proposals({})
    best: dict[str, list[_Candidate]] = {}
    turn = 0
    for quarter in _quarters(usable):
        candidates = _find_candidates(_place_lines(usable, quarter), today)
        if not best or _score_of(candidates) > _score_of(best):
            best, turn = candidates, quarter
    text = "".join(half_width(line.text) for line in usable)
    tax = best.pop(_TAX, [])
    proposals = {
        name: _checked_proposal(name, best[name], size, company or _company(text), tax) for name in FIELDS if best[name]
    }
    return Proposals(proposals, turn)


def merge_proposals(first: Proposals, second: Proposals) -> Proposals:
    """Merges two readings of one picture: fields that either has found, and of both the value with the higher score."""
    merged = {
        name: max(
            (proposals.fields[name] for proposals in (first, second) if name in proposals.fields),
            key=lambda proposal: proposal.score,
        )
        for name in FIELDS
        if name in first.fields or name in second.fields
    }
    return Proposals(merged, second.turn if len(second.fields) >= len(first.fields) else first.turn)


def normalize_value(name: str, text: str, today: date) -> str:
    """The value that the operator accepted or corrected, normalized for the site. Raises ValueError with a message for
    the operator."""
    text = half_width(text)
    if name == "latest_charges":
        amount = re.sub(r"[\s,¥円]", "", text)
        if not re.fullmatch(r"\d{1,9}", amount):
            raise ValueError("金額は0以上の整数（円）で入力してください。例: 12345")
        return str(int(amount))
    if name == "latest_power_usage":
        usage = re.sub(r"[\s,]|kwh", "", text, flags=re.I)
        if not re.fullmatch(r"\d{1,10}(\.\d{1,2})?", usage):
            raise ValueError("使用量は0以上の数（kWh、小数は2桁まで）で入力してください。例: 321")
        return usage
    if name == "latest_date":
        match = _MONTH.fullmatch(text)
        return fields.usage_month(_year_month(match) if match else text, today)
    return text


def is_same(name: str, first: str, second: str) -> bool:
    """Whether both are the same value, apart from the hyphens of a number."""
    if name.endswith("_number"):
        return re.sub(r"[\s-]", "", first) == re.sub(r"[\s-]", "", second)
    return first == second


# --- positions of lines -----------------------------------------------------------------------------------------------


def _quarters(lines: Sequence[Line]) -> tuple[int, int]:
    """The two turns, in degrees, that may make the page upright. The shapes of the boxes tell horizontal from vertical
    text; which of the two is right, the labels tell later."""
    long_lines = [line for line in lines if len(line.text) >= 3] or list(lines)
    vertical = sum(_height(line) > _width(line) for line in long_lines)
    return (90, 270) if 2 * vertical > len(long_lines) else (0, 180)


def _width(line: Line) -> float:
    return math.dist(line.box[0], line.box[1])


def _height(line: Line) -> float:
    return math.dist(line.box[0], line.box[3])


def _place_lines(lines: Sequence[Line], quarter: int) -> list[_PlacedLine]:
    """The lines on the page turned clockwise by `quarter` degrees and straightened, from top to bottom."""
    turned = [(line, [_rotated(point, math.radians(quarter)) for point in line.box]) for line in lines]
    slants = [_slant(points) for line, points in turned if len(line.text) >= 4]
    slant = median(slants) if slants else 0.0
    placed = []
    for line, points in turned:
        straight = [_rotated(point, -slant) for point in points]
        across, down = sorted(x for x, _ in straight), sorted(y for _, y in straight)
        placed.append(
            _PlacedLine(
                line,
                half_width(line.text),
                (across[0] + across[1]) / 2,
                (down[0] + down[1]) / 2,
                (across[2] + across[3]) / 2,
                (down[2] + down[3]) / 2,
            )
        )
    return sorted(placed, key=lambda placed_line: (placed_line.top, placed_line.left))


def _rotated(point: Point, angle: float) -> Point:
    """The point rotated clockwise as seen in the picture, whose y axis points down. `angle` in radians."""
    x, y = point
    return x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)


def _slant(points: Sequence[Point]) -> float:
    """The slant of the longer sides in radians, when they are within 45 degrees of horizontal."""
    ordered = sorted(points, key=lambda point: point[0])
    (left, right) = (_midpoint(ordered[:2]), _midpoint(ordered[2:]))
    return math.atan2(right[1] - left[1], right[0] - left[0])


def _midpoint(points: Sequence[Point]) -> Point:
    return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)


def _to_the_right(page: Sequence[_PlacedLine], of: _PlacedLine) -> list[_PlacedLine]:
    """Lines in the same row to the right of `of`, the nearest first."""

    def in_row(line: _PlacedLine) -> bool:
        shared = min(line.bottom, of.bottom) - max(line.top, of.top)
        return line is not of and shared > 0.45 * min(line.height, of.height) and line.left > of.right - of.height

    return sorted(filter(in_row, page), key=lambda line: line.left)


def _below(page: Sequence[_PlacedLine], of: _PlacedLine) -> list[_PlacedLine]:
    """Lines below `of` within a few rows, the nearest first."""

    def under(line: _PlacedLine) -> bool:
        shared = min(line.right, of.right) - max(line.left, of.left)
        near = of.top + 0.5 * of.height < line.top < of.bottom + 2.5 * max(of.height, line.height)
        return line is not of and near and shared > 0.3 * min(line.right - line.left, of.right - of.left)

    return sorted(filter(under, page), key=lambda line: line.top)


# --- labels and values ------------------------------------------------------------------------------------------------


def _find_candidates(page: Sequence[_PlacedLine], today: date) -> dict[str, list[_Candidate]]:
    candidates = {name: [*_by_label(page, labels, _READERS[name])] for name, labels in _LABELS.items()}
    candidates[_TAX] = [*_by_label(page, (_TAX,), _read_charges, parts=True)]
    candidates["latest_date"] = [
        candidate for candidate in _months(page, candidates["latest_date"]) if _is_valid_month(candidate.value, today)
    ]
    if not candidates["power_customer_location_number"]:
        # Nothing else on a statement has 22 digits.
        candidates["power_customer_location_number"] = [
            _Candidate(value, (line,)) for line in page if (value := _read_supply_point(line.text, False))
        ]
    return candidates


def _score_of(candidates: dict[str, list[_Candidate]]) -> tuple[int, int]:
    """How many fields were found, and how many of them by their labels."""
    best = [candidates[name][0] for name in FIELDS if candidates[name]]
    return len(best), sum(candidate.label != "" for candidate in best)


def _by_label(
    page: Sequence[_PlacedLine], labels: Iterable[str], read: Callable[[str, bool], str | None], *, parts: bool = False
) -> Iterator[_Candidate]:
    """Values next to labels, the more specific labels first. `parts`: also next to labels of a part of the sum."""
    for pattern in labels:
        found = False
        for line in page:
            for match in re.finditer(_spaced(pattern), line.text):
                if not parts and (_OTHER_FIGURES.search(line.text[: match.end()]) or _TAX in line.text[: match.end()]):
                    continue
                if value := _find_value(page, line, line.text[match.end() :], read):
                    found = True
                    yield _Candidate(value[0], value[1], pattern)
        if found:
            return


def _spaced(pattern: str) -> str:
    """The pattern, with spaces allowed between Japanese characters: OCR sees spaces in widely printed text."""
    return re.sub(r"(?<=[぀-ヿ一-鿿])(?=[぀-ヿ一-鿿])", r"\\s*", pattern)


def _find_value(
    page: Sequence[_PlacedLine], label: _PlacedLine, rest: str, read: Callable[[str, bool], str | None]
) -> tuple[str, tuple[_PlacedLine, ...]] | None:
    if value := read(rest, True):
        return value, (label,)
    text, sources = rest, list[_PlacedLine]()
    for line in _to_the_right(page, label)[:4]:
        if sources and _is_label(line.text):
            break
        text, sources = f"{text} {line.text}", [*sources, line]
        # The value may be in this line alone, or continue the lines before it.
        if value := read(line.text, True):
            return value, (line,)
        if value := read(text, True):
            return value, tuple(sources)
    for line in _below(page, label)[:3]:
        if value := read(line.text, True):
            return value, (line,)
        if _is_label(line.text):
            break
    return None


def _is_label(text: str) -> bool:
    return any(re.search(_spaced(label), text) for labels in _LABELS.values() for label in labels)


def _read_charges(text: str, _: bool) -> str | None:
    match = _AMOUNT.search(re.sub(r"[(（\[].*?[)）\]]", " ", text))
    return str(int(re.sub(r"[\s,.]", "", match[1]))) if match else None


def _read_usage(text: str, _: bool) -> str | None:
    match = _USAGE.search(text) or _USAGE_ALONE.fullmatch(text)
    if not match:
        return None
    whole, fraction = str(int(re.sub(r"[\s,]", "", match[1]))), (match[2] or "").rstrip("0").rstrip(".")
    return whole + fraction


def _read_month(text: str, _: bool) -> str | None:
    match = _MONTH.search(text)
    return _year_month(match) if match else None


def _year_month(match: re.Match[str]) -> str:
    year = int(match[1]) if match[1] else _REIWA + (1 if match[2] == "元" else int(match[2]))
    return f"{year}-{int(match[3]):02}"


def _months(page: Sequence[_PlacedLine], by_label: list[_Candidate]) -> list[_Candidate]:
    """Months written as 2026年9月分 need no label, and come first."""
    with_suffix = [
        _Candidate(_year_month(match), (line,), "月分")
        for line in page
        for match in _MONTH.finditer(line.text)
        if match[4] == "月分" and not _OTHER_FIGURES.search(line.text)
    ]
    return with_suffix + by_label


def _is_valid_month(value: str, today: date) -> bool:
    try:
        fields.usage_month(value, today)
    except ValueError:
        return False
    return True


def _read_supply_point(text: str, labelled: bool) -> str | None:
    match = _SUPPLY_POINT.search(text) or (_SUPPLY_POINT.search(text.translate(_LOOKALIKES)) if labelled else None)
    digits = re.sub(r"\D", "", match[0]) if match else ""
    return digits if labelled or digits[:2] in fields.AREAS else None


def _read_customer_number(text: str, _: bool) -> str | None:
    match = _CUSTOMER.search(text) or _CUSTOMER.search(text.translate(_LOOKALIKES))
    number = re.sub(r"\s*-\s*|\s+", lambda between: "-" if "-" in between[0] else "", match[0]) if match else ""
    # 22 digits or more are a supply point, not a customer number.
    return number if number and len(re.sub(r"\D", "", number)) < 22 else None


_READERS: dict[str, Callable[[str, bool], str | None]] = {
    "latest_charges": _read_charges,
    "latest_power_usage": _read_usage,
    "latest_date": _read_month,
    "power_customer_number": _read_customer_number,
    "power_customer_location_number": _read_supply_point,
}


# --- checks -----------------------------------------------------------------------------------------------------------


def _checked_proposal(
    name: str, candidates: Sequence[_Candidate], size: tuple[int, int], company: str | None, tax: Sequence[_Candidate]
) -> Proposal:
    first = candidates[0]
    notes = []
    others = [
        candidate.value
        for candidate in candidates[1:]
        if candidate.label == first.label and not is_same(name, candidate.value, first.value)
    ]
    if others:
        listed = "、".join(dict.fromkeys(others[:3]))
        notes.append(f"ほかにも候補があります（{listed}）。画像と見比べてください。")
    if name == "power_customer_location_number":
        try:
            fields.supply_point(first.value, "electricity", company)
        except ValueError as error:
            notes.append(str(error))
    if name == "latest_charges" and tax and not _tax_fits(int(first.value), int(tax[0].value)):
        notes.append(
            f"消費税等相当額（{int(tax[0].value):,}円）が料金の10/110と合いません。金額を画像と見比べてください。"
        )
    score = min(source.line.score for source in first.sources)
    return Proposal(first.value, round(score, 3), _box(first.sources, size), tuple(notes))


def _tax_fits(charges: int, tax: int) -> bool:
    """Whether the tax is 10/110 of the charges, with a tolerance: some parts of a bill are not taxed."""
    expected = charges * 10 / 110
    return abs(tax - expected) <= max(2.0, expected * 0.02)


def _box(sources: Sequence[_PlacedLine], size: tuple[int, int]) -> tuple[float, float, float, float]:
    xs = [x / size[0] for source in sources for x, _ in source.line.box]
    ys = [y / size[1] for source in sources for _, y in source.line.box]
    left, top, right, bottom = (round(min(1.0, max(0.0, edge)), 4) for edge in (min(xs), min(ys), max(xs), max(ys)))
    return left, top, right, bottom


def _company(text: str) -> str | None:
    """The code of the area's company, when the statement names exactly one. カ and 力 look alike."""
    normalized = text.replace(" ", "").replace("電カ", "電力")
    codes = [code for code, name in fields.AREAS.items() if f"{name}電力" in normalized]
    return codes[0] if len(codes) == 1 else None


def as_stored(proposals: Proposals, engine: str) -> dict[str, Any]:
    return {
        "engine": engine,
        "turn": proposals.turn,
        "fields": {
            name: {
                "value": proposal.value,
                "score": proposal.score,
                "box": list(proposal.box),
                "notes": list(proposal.notes),
            }
            for name, proposal in proposals.fields.items()
        },
    }
