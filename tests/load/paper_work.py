"""Row `paper` of `make bench`: the cost of typesetting. Run with the name of a document, it makes only that one."""

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
from tests.load.rows import Claim, RowResult
from tests.processes import last_output_line

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
    """CPU seconds and peak memory (MB) of the typesetting process, and the file's size in kB."""

    cpu: float
    megabytes: float
    kilobytes: float


def table(rows: int) -> bytes:
    cells = [
        (f"TC200-{n:06}", f"新宿店 レジ{n}番", "株式会社 田中ストア", Badge("正常", "good"), n) for n in range(rows)
    ]
    section = Section("一覧", [Table(COLUMNS, cells, empty="端末はありません。")])
    return render(Report(title="端末一覧", period="2026年11月", made_at=MADE_AT, sections=[section]))


def sheets(count: int, symbology: labels.Symbology) -> bytes:
    label_list = [
        labels.Label(f"TC200-{n:06}", (f"TC200-{n:06}", f"新宿店 レジ{n}番", "ABC商事")) for n in range(count)
    ]
    return labels.sheets(label_list, labels.STOCKS["24"], MADE_AT, symbology)


DOCUMENTS: dict[str, Callable[[], bytes]] = {
    "a table of 500 rows": lambda: table(500),
    "a table of 1,500 rows": lambda: table(1500),
    "200 labels with QR codes": lambda: sheets(200, "qr"),
    "200 labels with Code 128": lambda: sheets(200, "code128"),
    "2,000 labels with QR codes": lambda: sheets(2000, "qr"),
}


def claims() -> RowResult:
    """Each document is made in its own process, whose only child is the typesetter."""
    costs = {name: Cost(*json.loads(last_output_line("-m", "tests.load.paper_work", name))) for name in DOCUMENTS}
    table_cost, largest = costs["a table of 500 rows"], max(costs.values(), key=lambda cost: cost.megabytes)
    return [
        "| on paper | CPU s | memory MB | file kB |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {name} | {cost.cpu:.1f} | {cost.megabytes:.0f} | {cost.kilobytes:,.0f} |"
            for name, cost in costs.items()
        ),
    ], [
        Claim.under(1, "CPU-s", "a table of 500 rows on paper", table_cost.cpu, digits=1),
        Claim("setting type needs at most 500 MB", f"{largest.megabytes:.0f} MB", largest.megabytes <= 500),
    ]


if __name__ == "__main__":
    document = DOCUMENTS[sys.argv[1]]()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps([usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6, len(document) / 1e3]))
