"""Row `paper` of `make bench`: what setting type costs. Run with a paper's name, it makes that one alone."""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from service.core.printing import labels
from service.core.reports import Badge, Column, Report, Section, Table
from service.core.reports.render import render
from tests.load.rows import Goal, Part
from tests.processes import last_line

MADE_AT = datetime(2026, 11, 21, 0, 26, tzinfo=UTC)
COLUMNS = (
    Column("シリアル番号", 2),
    Column("店舗", 3),
    Column("顧客企業", 3),
    Column("状態", 1),
    Column("件数", 1, right=True),
)


@dataclass(frozen=True)
class Cost:
    """CPU seconds and the most memory (MB) of the process that sets type, and the file's size in kB."""

    cpu: float
    megabytes: float
    kilobytes: float


def table(rows: int) -> bytes:
    cells = [
        (f"TC200-{n:06}", f"新宿店 レジ{n}番", "株式会社 田中ストア", Badge("正常", "good"), n) for n in range(rows)
    ]
    listed = Section("一覧", [Table(COLUMNS, cells, empty="端末はありません。")])
    return render(Report(title="端末一覧", period="2026年11月", made_at=MADE_AT, sections=[listed]))


def sheets(count: int, symbology: labels.Symbology) -> bytes:
    printed = [labels.Label(f"TC200-{n:06}", (f"TC200-{n:06}", f"新宿店 レジ{n}番", "ABC商事")) for n in range(count)]
    return labels.sheets(printed, labels.STOCKS["24"], MADE_AT, symbology)


PAPERS: dict[str, Callable[[], bytes]] = {
    "a table of 500 rows": lambda: table(500),
    "a table of 1,500 rows": lambda: table(1500),
    "200 labels with QR codes": lambda: sheets(200, "qr"),
    "200 labels with Code 128": lambda: sheets(200, "code128"),
    "2,000 labels with QR codes": lambda: sheets(2000, "qr"),
}


def claims() -> Part:
    """Each is made in a process of its own, whose only child is the one that sets type."""
    costs = {name: Cost(*json.loads(last_line("-m", "tests.load.paper_work", name))) for name in PAPERS}
    table, most = costs["a table of 500 rows"], max(costs.values(), key=lambda cost: cost.megabytes)
    return [
        "| on paper | CPU s | memory MB | file kB |",
        "| --- | ---: | ---: | ---: |",
        *(f"| {name} | {it.cpu:.1f} | {it.megabytes:.0f} | {it.kilobytes:,.0f} |" for name, it in costs.items()),
    ], [
        Goal("a table of 500 rows on paper under 1 CPU-s", f"{table.cpu:.1f} s", table.cpu < 1),
        Goal("setting type needs at most 500 MB", f"{most.megabytes:.0f} MB", most.megabytes <= 500),
    ]


if __name__ == "__main__":
    made = PAPERS[sys.argv[1]]()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps([used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6, len(made) / 1e3]))
