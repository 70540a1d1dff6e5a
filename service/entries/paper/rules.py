"""紙の入退台帳 and 詳細レポート on paper: pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from service.core.reports import Column, Figure, Figures, Note, Report, Section, Table
from service.core.values.times import TOKYO, format_day, local_date
from service.entries.attendance.schemas import MonthReport
from service.entries.rules import Presence

LIST_TITLE, MONTH_TITLE = "紙の入退台帳", "出欠の詳細レポート"
NO_CLASS = "組なし"
HOW_TO = (
    "停電や通信の障害で入退登録画面が使えないときに使います。登園・降園のたびに時刻を書き、保護者の方に署名をいただいてください。"
    "復旧したら「出欠表管理」に出席状態を入力し、この用紙は園で保管してください。"
)
SPARE_ROWS = 3
LIST_COLUMNS = (
    Column("園児名", 2.2),
    Column("保護者名", 2.2),
    Column("入 時刻", 1),
    Column("署名", 1.5),
    Column("出 時刻", 1),
    Column("署名", 1.5),
)
MONTH_HEADER = ("日付", "出席状態", "登園", "降園", "送り迎えの回数", "備考")


class ListedChild(NamedTuple):
    """A child on the list. `parents`: their names."""

    name: str
    kana: str
    class_name: str
    parents: str


def paper_list(nursery: str, now: datetime, children: Sequence[ListedChild]) -> Report:
    """`children` are sorted by class. Each class has spare rows for guests."""
    blank = ("",) * (len(LIST_COLUMNS) - 2)
    sections = [Section("", [Note(HOW_TO)])]
    for group, members in groupby(children, key=lambda child: child.class_name):
        rows = [(child.name, child.parents, *blank) for child in members]
        rows += [("", "", *blank)] * SPARE_ROWS
        sections.append(
            Section(
                f"{group or NO_CLASS}（{len(rows) - SPARE_ROWS}人）",
                [Table(LIST_COLUMNS, rows, empty="", by_hand=True)],
            )
        )
    if not children:
        sections.append(Section("", [Table(LIST_COLUMNS, (), empty="園児が登録されていません。")]))
    return Report(
        title=LIST_TITLE,
        period=f"{nursery}　{format_day(local_date(now))}　園児 {len(children)}人",
        made_at=now,
        sections=sections,
    )


def presence_label(presence: Presence | None, suggested: bool) -> str:
    if presence is None:
        return ""
    return presence.label + ("（スキャンから）" if suggested else "")


def month_rows(report: MonthReport) -> Iterator[tuple[str, ...]]:
    for day in report.days:
        yield (
            format_day(day.day),
            presence_label(day.presence, day.suggested),
            _clock(day.first_entry),
            _clock(day.last_exit),
            str(len(day.scans)) if day.scans else "",
            day.note,
        )


def month_title(report: MonthReport) -> str:
    return f"{MONTH_TITLE}_{report.child_name}_{report.month:%Y-%m}"


def month_report(report: MonthReport, now: datetime) -> Report:
    counts = report.counts
    figures = [Figure(presence.label, counts[presence], "日") for presence in Presence]
    widths = (1.5, 1.5, 0.8, 0.8, 1, 2.4)
    columns = [Column(title, width) for title, width in zip(MONTH_HEADER, widths, strict=True)]
    place = "　".join(filter(None, (report.nursery_name, report.class_name)))
    return Report(
        title=f"{MONTH_TITLE}　{report.child_name}",
        period=f"{place}　{report.month.year}年{report.month.month}月",
        made_at=now,
        sections=[
            Section("", [Figures(figures)]),
            Section("", [Table(columns, _rows(report), empty="この月の記録はまだありません。")]),
            Section(
                "", [Note("「（スキャンから）」は、職員がまだ入力していない日を、入退の記録から推定したものです。")]
            ),
        ],
    )


def _rows(report: MonthReport) -> Sequence[tuple[str | None, ...]]:
    return [tuple(cell or None for cell in row) for row in month_rows(report)]


def _clock(at: datetime | None) -> str:
    return f"{at.astimezone(TOKYO):%H:%M:%S}" if at else ""


def sorted_by_class(children: Iterable[ListedChild]) -> list[ListedChild]:
    """Those without a class come last."""
    return sorted(children, key=lambda child: (not child.class_name, child.class_name, child.kana))
