"""From lines that a machine read to values for a site: pure functions of texts and where they stand.

Labels lead to values: what stands behind a label in its line, to its right, or below it. Nothing of this is right just
because it was read: what is uncertain says so, and a person decides.
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
from service.core.texts import plain

Point = tuple[float, float]


class State(StrEnum):
    WAITING = "waiting"
    READING = "reading"
    DONE = "done"
    FAILED = "failed"


class Decision(StrEnum):
    """What became of a proposal."""

    ACCEPTED = "accepted"
    CORRECTED = "corrected"


# What is proposed, in the order in which it is shown; the names are a site's.
FIELDS = (
    "latest_charges",
    "latest_power_usage",
    "latest_date",
    "power_customer_number",
    "power_customer_location_number",
)
# Below this somebody should look twice.
SURE = 0.9
# A killed reader's image is read again after so long; one that kills its reader each time is given up.
LEASE = timedelta(minutes=2)
MOST_ATTEMPTS = 3
# A reader that said nothing for so long is not there.
GONE_AFTER = timedelta(minutes=2)

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
# Not a statement's own figures: last year's, last month's, and what is a part of the sum.
_OTHERS = re.compile("前年|昨年|前月|先月|うち|内訳|差額|比較|繰越|単価|燃料費|賦課金")
_AMOUNT = re.compile(
    r"(?<![\d.])[¥\\]?\s*(\d{1,3}(?:\s?[,.]\s?\d{3})+|\d{1,9})(?![\d]|\s?[,.]\s?\d|\s*(?:k[wv]|[月日年%A]))", re.I
)
_USAGE = re.compile(r"(?<![\d.])(\d{1,3}(?:,\s?\d{3})+|\d{1,7})(\.\d{1,2})?\s*k\s?[wv]\s?[hn]", re.I)
_USAGE_ALONE = re.compile(r"\s*(\d{1,3}(?:,\s?\d{3})+|\d{1,7})(\.\d{1,2})?\s*")
_MONTH = re.compile(r"(?:(20\d\d)|(?:令和|R)\s*(\d{1,2}|元))\s*(?:年|[./-])\s*(1[0-2]|0?[1-9])(?!\d)\s*(月分?)?", re.I)
_SUPPLY_POINT = re.compile(r"(?<!\d)(?:\d[\s-]*){21}\d(?!\d)")
_CUSTOMER = re.compile(r"(?<![\dA-Z])\d[\d\s-]{4,38}\d(?!\d)")
_ALIKE = str.maketrans({"O": "0", "o": "0", "Q": "0", "I": "1", "l": "1", "|": "1", "S": "5", "B": "8"})
# 令和1 is 2019.
_REIWA = 2018


@dataclass(frozen=True)
class Line:
    """One stretch of text: how sure the reader is, and its four corners in pixels, the upper left one of the picture
    first, then clockwise."""

    text: str
    score: float
    box: tuple[Point, Point, Point, Point]


@dataclass(frozen=True)
class Proposal:
    """`box`: left, top, right and bottom of where it stands, as parts of the picture's width and height."""

    value: str
    score: float
    box: tuple[float, float, float, float]
    notes: tuple[str, ...] = ()

    @property
    def is_sure(self) -> bool:
        return self.score >= SURE and not self.notes


@dataclass(frozen=True)
class Proposals:
    """`turn`: by how many degrees the picture has to be turned clockwise so that its text stands upright."""

    fields: dict[str, Proposal]
    turn: int = 0


@dataclass(frozen=True)
class _Placed:
    """A line on the page as it would be if it stood upright."""

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
class _Found:
    value: str
    sources: tuple[_Placed, ...]
    # It was found with its label; what looks like nothing else needs none.
    label: str = ""


def propose(lines: Sequence[Line], size: tuple[int, int], today: date, company: str | None = None) -> Proposals:
    """The values of a statement of `size` pixels. `company` is the code of 現在の電力会社 where it is known."""
    usable = [line for line in lines if line.text.strip()]
    if not usable:
        return Proposals({})
    best: dict[str, list[_Found]] = {}
    turn = 0
    for quarter in _quarters(usable):
        found = _all(_upright(usable, quarter), today)
        if not best or _worth(found) > _worth(best):
            best, turn = found, quarter
    text = "".join(plain(line.text) for line in usable)
    tax = best.pop(_TAX, [])
    proposals = {name: _judged(name, best[name], size, company or _company(text), tax) for name in FIELDS if best[name]}
    return Proposals(proposals, turn)


def better(first: Proposals, second: Proposals) -> Proposals:
    """Of two looks at one picture: what the one found that the other did not, and of both the surer value."""
    both = {
        name: max((one.fields[name] for one in (first, second) if name in one.fields), key=lambda one: one.score)
        for name in FIELDS
        if name in first.fields or name in second.fields
    }
    return Proposals(both, second.turn if len(second.fields) >= len(first.fields) else first.turn)


def typed(name: str, text: str, today: date) -> str:
    """What a person made of a proposal, in the form in which the site takes it. Raises ValueError, in words."""
    text = plain(text)
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
        found = _MONTH.fullmatch(text)
        return fields.usage_month(_year_month(found) if found else text, today)
    return text


def is_same(name: str, one: str, other: str) -> bool:
    """Whether both mean one value: the hyphens of a number mean nothing."""
    if name.endswith("_number"):
        return re.sub(r"[\s-]", "", one) == re.sub(r"[\s-]", "", other)
    return one == other


# --- where lines stand ------------------------------------------------------------------------------------------------


def _quarters(lines: Sequence[Line]) -> tuple[int, int]:
    """By what the page may have to be turned. Boxes tell lying from standing; which of two ways is up, the labels."""
    long = [line for line in lines if len(line.text) >= 3] or list(lines)
    standing = sum(_height(line) > _width(line) for line in long)
    return (90, 270) if 2 * standing > len(long) else (0, 180)


def _width(line: Line) -> float:
    return math.dist(line.box[0], line.box[1])


def _height(line: Line) -> float:
    return math.dist(line.box[0], line.box[3])


def _upright(lines: Sequence[Line], quarter: int) -> list[_Placed]:
    """On the page turned clockwise by so many degrees and freed of its slant, from top to bottom."""
    turned = [(line, [_rotated(point, math.radians(quarter)) for point in line.box]) for line in lines]
    slants = [_slant(points) for line, points in turned if len(line.text) >= 4]
    slant = median(slants) if slants else 0.0
    placed = []
    for line, points in turned:
        straight = [_rotated(point, -slant) for point in points]
        across, down = sorted(x for x, _ in straight), sorted(y for _, y in straight)
        placed.append(
            _Placed(
                line,
                plain(line.text),
                (across[0] + across[1]) / 2,
                (down[0] + down[1]) / 2,
                (across[2] + across[3]) / 2,
                (down[2] + down[3]) / 2,
            )
        )
    return sorted(placed, key=lambda one: (one.top, one.left))


def _rotated(point: Point, angle: float) -> Point:
    """Clockwise, as the picture is seen: its y grows downwards."""
    x, y = point
    return x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)


def _slant(points: Sequence[Point]) -> float:
    """Of the longer sides, within an eighth of a turn of lying."""
    ordered = sorted(points, key=lambda point: point[0])
    (left, right) = (_middle(ordered[:2]), _middle(ordered[2:]))
    return math.atan2(right[1] - left[1], right[0] - left[0])


def _middle(points: Sequence[Point]) -> Point:
    return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)


def _to_the_right(page: Sequence[_Placed], of: _Placed) -> list[_Placed]:
    """In one row with it, the nearest first."""

    def in_row(one: _Placed) -> bool:
        shared = min(one.bottom, of.bottom) - max(one.top, of.top)
        return one is not of and shared > 0.45 * min(one.height, of.height) and one.left > of.right - of.height

    return sorted(filter(in_row, page), key=lambda one: one.left)


def _below(page: Sequence[_Placed], of: _Placed) -> list[_Placed]:
    """Under it within some rows, the nearest first."""

    def under(one: _Placed) -> bool:
        shared = min(one.right, of.right) - max(one.left, of.left)
        near = of.top + 0.5 * of.height < one.top < of.bottom + 2.5 * max(of.height, one.height)
        return one is not of and near and shared > 0.3 * min(one.right - one.left, of.right - of.left)

    return sorted(filter(under, page), key=lambda one: one.top)


# --- labels and values ------------------------------------------------------------------------------------------------


def _all(page: Sequence[_Placed], today: date) -> dict[str, list[_Found]]:
    found = {name: [*_by_label(page, labels, _READERS[name])] for name, labels in _LABELS.items()}
    found[_TAX] = [*_by_label(page, (_TAX,), _charges, parts=True)]
    found["latest_date"] = [one for one in _months(page, found["latest_date"]) if _is_month(one.value, today)]
    if not found["power_customer_location_number"]:
        # Nothing else on a statement has 22 digits.
        found["power_customer_location_number"] = [
            _Found(value, (one,)) for one in page if (value := _supply_point(one.text, False))
        ]
    return found


def _worth(found: dict[str, list[_Found]]) -> tuple[int, int]:
    """How many fields there are, and how many of them with their labels."""
    kept = [found[name][0] for name in FIELDS if found[name]]
    return len(kept), sum(one.label != "" for one in kept)


def _by_label(
    page: Sequence[_Placed], labels: Iterable[str], read: Callable[[str, bool], str | None], *, parts: bool = False
) -> Iterator[_Found]:
    """Values beside labels, the more telling labels first. `parts`: of labels that say that they are a part, too."""
    for pattern in labels:
        before = False
        for one in page:
            for match in re.finditer(_spaced(pattern), one.text):
                if not parts and (_OTHERS.search(one.text[: match.end()]) or _TAX in one.text[: match.end()]):
                    continue
                if value := _beside(page, one, one.text[match.end() :], read):
                    before = True
                    yield _Found(value[0], value[1], pattern)
        if before:
            return


def _spaced(pattern: str) -> str:
    """A reader may see spaces between characters that are printed wide."""
    return re.sub(r"(?<=[぀-ヿ一-鿿])(?=[぀-ヿ一-鿿])", r"\\s*", pattern)


def _beside(
    page: Sequence[_Placed], label: _Placed, rest: str, read: Callable[[str, bool], str | None]
) -> tuple[str, tuple[_Placed, ...]] | None:
    if value := read(rest, True):
        return value, (label,)
    text, sources = rest, list[_Placed]()
    for one in _to_the_right(page, label)[:4]:
        if sources and _is_label(one.text):
            break
        text, sources = f"{text} {one.text}", [*sources, one]
        # Alone it may be whole; if not, with what stands before it.
        if value := read(one.text, True):
            return value, (one,)
        if value := read(text, True):
            return value, tuple(sources)
    for one in _below(page, label)[:3]:
        if value := read(one.text, True):
            return value, (one,)
        if _is_label(one.text):
            break
    return None


def _is_label(text: str) -> bool:
    return any(re.search(_spaced(label), text) for labels in _LABELS.values() for label in labels)


def _charges(text: str, _: bool) -> str | None:
    found = _AMOUNT.search(re.sub(r"[(（\[].*?[)）\]]", " ", text))
    return str(int(re.sub(r"[\s,.]", "", found[1]))) if found else None


def _usage(text: str, _: bool) -> str | None:
    found = _USAGE.search(text) or _USAGE_ALONE.fullmatch(text)
    if not found:
        return None
    whole, fraction = str(int(re.sub(r"[\s,]", "", found[1]))), (found[2] or "").rstrip("0").rstrip(".")
    return whole + fraction


def _month(text: str, _: bool) -> str | None:
    found = _MONTH.search(text)
    return _year_month(found) if found else None


def _year_month(found: re.Match[str]) -> str:
    year = int(found[1]) if found[1] else _REIWA + (1 if found[2] == "元" else int(found[2]))
    return f"{year}-{int(found[3]):02}"


def _months(page: Sequence[_Placed], by_label: list[_Found]) -> list[_Found]:
    """2026年9月分 says itself what it is."""
    own = [
        _Found(_year_month(match), (one,), "月分")
        for one in page
        for match in _MONTH.finditer(one.text)
        if match[4] == "月分" and not _OTHERS.search(one.text)
    ]
    return own + by_label


def _is_month(value: str, today: date) -> bool:
    try:
        fields.usage_month(value, today)
    except ValueError:
        return False
    return True


def _supply_point(text: str, labelled: bool) -> str | None:
    found = _SUPPLY_POINT.search(text) or (_SUPPLY_POINT.search(text.translate(_ALIKE)) if labelled else None)
    digits = re.sub(r"\D", "", found[0]) if found else ""
    return digits if labelled or digits[:2] in fields.AREAS else None


def _customer(text: str, _: bool) -> str | None:
    found = _CUSTOMER.search(text) or _CUSTOMER.search(text.translate(_ALIKE))
    number = re.sub(r"\s*-\s*|\s+", lambda between: "-" if "-" in between[0] else "", found[0]) if found else ""
    # A supply point that stands below it.
    return number if number and len(re.sub(r"\D", "", number)) < 22 else None


_READERS: dict[str, Callable[[str, bool], str | None]] = {
    "latest_charges": _charges,
    "latest_power_usage": _usage,
    "latest_date": _month,
    "power_customer_number": _customer,
    "power_customer_location_number": _supply_point,
}


# --- checks -----------------------------------------------------------------------------------------------------------


def _judged(
    name: str, found: Sequence[_Found], size: tuple[int, int], company: str | None, tax: Sequence[_Found]
) -> Proposal:
    first = found[0]
    notes = []
    others = [one.value for one in found[1:] if one.label == first.label and not is_same(name, one.value, first.value)]
    if others:
        named = "、".join(dict.fromkeys(others[:3]))
        notes.append(f"ほかにも候補があります（{named}）。画像と見比べてください。")
    if name == "power_customer_location_number":
        try:
            fields.supply_point(first.value, "electricity", company)
        except ValueError as error:
            notes.append(str(error))
    if name == "latest_charges" and tax and not _fits(int(first.value), int(tax[0].value)):
        notes.append(
            f"消費税等相当額（{int(tax[0].value):,}円）が料金の10/110と合いません。金額を画像と見比べてください。"
        )
    score = min(one.line.score for one in first.sources)
    return Proposal(first.value, round(score, 3), _area(first.sources, size), tuple(notes))


def _fits(charges: int, tax: int) -> bool:
    """A tenth in it; some parts of a bill bear no tax."""
    expected = charges * 10 / 110
    return abs(tax - expected) <= max(2.0, expected * 0.02)


def _area(sources: Sequence[_Placed], size: tuple[int, int]) -> tuple[float, float, float, float]:
    xs = [x / size[0] for one in sources for x, _ in one.line.box]
    ys = [y / size[1] for one in sources for _, y in one.line.box]
    left, top, right, bottom = (round(min(1.0, max(0.0, at)), 4) for at in (min(xs), min(ys), max(xs), max(ys)))
    return left, top, right, bottom


def _company(text: str) -> str | None:
    """The area's own company, where a statement names just one. カ and 力 look alike."""
    seen = text.replace(" ", "").replace("電カ", "電力")
    named = [code for code, name in fields.AREAS.items() if f"{name}電力" in seen]
    return named[0] if len(named) == 1 else None


def as_stored(proposals: Proposals, engine: str) -> dict[str, Any]:
    return {
        "engine": engine,
        "turn": proposals.turn,
        "fields": {
            name: {"value": one.value, "score": one.score, "box": list(one.box), "notes": list(one.notes)}
            for name, one in proposals.fields.items()
        },
    }
