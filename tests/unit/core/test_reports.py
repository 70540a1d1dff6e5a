"""Reports as PDF: their text, reproducible output, and failed compilations."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from service.core.reports import (
    Badge,
    BarChart,
    Column,
    Figure,
    Figures,
    LineChart,
    Note,
    Part,
    Report,
    Section,
    Series,
    ShareBar,
    Table,
    charts,
)
from service.core.reports.colours import CATEGORIES, PAPER, TONES, Tone
from service.core.reports.model import Block, Cell
from service.core.reports.render import content, render
from service.core.reports.typeset import TypesetFailed, printable, typeset
from stack.home import ROOT
from tests import pdfs

NOW = datetime(2026, 11, 21, 0, 26, tzinfo=UTC)


def report(*blocks: Block, title: str = "端末状況レポート") -> Report:
    return Report(title, "2026/11/20 〜 2026/11/21", NOW, [Section("一覧", blocks)])


def every_block(rows: int = 3) -> Report:
    """A report with one block of each kind."""
    days = [f"11/{day}" for day in range(1, 31)]
    columns = [
        Column("店舗", 2),
        Column("状態", 0),
        Column("件数", 0, right=True),
        Column("平均", 0, right=True, digits=1),
    ]
    cells: list[list[Cell]] = [
        [f"新宿店 レジ{number}番", Badge("オンライン", "good"), 1000 + number, 2.5] for number in range(rows)
    ]
    return report(
        Figures([Figure("全端末", 10234, "台"), Figure("稼働率", "96.5", "%", "オンライン÷全端末", "good")]),
        ShareBar("オンラインは90%です", "台", [Part("オンライン", 90, "good"), Part("ほか", 10)], "なし"),
        BarChart("失敗は減りました", "件", days, [Series("成功", [*range(30)]), Series("失敗", [5] * 30)], "なし"),
        LineChart("稼働率は上がりました", "%", days, [Series("全体", [99 + day / 60 for day in range(30)])], "なし"),
        Table(columns, cells, "なし", total=["合計", "", 3003, 2.5]),
        Note("注記です。"),
    )


def test_every_block_of_a_report_is_printed() -> None:
    with capture_logs() as logs:
        pdf = render(every_block())

    text = "".join(pdfs.page_texts(pdf))
    for expected in (
        "端末状況レポート",
        "10,234",
        "96.5",
        "オンライン 90台（90.0%）",
        "単位: 件",
        "11/1",
        "1,002",
        "合計",
        "注記",
    ):
        assert expected in text, expected
    assert "作成 2026/11/21（土）9:26" in text
    assert "縦軸は99から始まります。" in text
    assert pdfs.page_sizes(pdf) == {(210, 297)}
    # Typst logs a warning for a missing font or size.
    assert logs == []


def test_a_long_table_repeats_its_header_and_numbers_its_pages() -> None:
    texts = pdfs.page_texts(render(every_block(rows=120)))

    assert len(texts) > 3
    for number, text in enumerate(texts, 1):
        assert f"{number} / {len(texts)}ページ" in text
    assert all("店舗" in text and "件数" in text for text in texts[1:])
    assert all("端末状況レポート" in text for text in texts)


HOSTILE = [
    '#import "x.typ": *',
    "*太字* _斜体_ `code`",
    "$x^2$",
    "[店舗] <label> @ref",
    "\\ 改行 \\u{41}",
    "= 見出し",
    "#sys.inputs",
    "\"引用\" 'q' -- ---",
    "// 注釈 /* */",
    "https://example.jp/~a",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_text_is_never_markup(name: str) -> None:
    table = Table([Column(name), Column("x")], [[name, "1"]], "なし", total=[name, ""])
    chart = BarChart(name, "件", [name], [Series(name, [1]), Series("b", [2])], "なし", note=name)

    [text] = pdfs.page_texts(render(report(Note(name), table, chart, title=name)))

    # Title, note, head, cell, sum, and of the chart: title, label, legend, note.
    assert text.count(name) == 9, text


def test_unprintable_characters_are_replaced_and_hidden_ones_marked() -> None:
    assert printable("新宿\x00店\ud800\x1b[0m") == "新宿〓店〓〓[0m"
    assert printable("evil\u202etxt.exe\u200b") == "evil［U+202E］txt.exe［U+200B］"
    assert printable("一行目\r\n二行目\t終") == "一行目\n二行目 終"
    [text] = pdfs.page_texts(render(report(Note("NUL\x00の店"))))
    assert "NUL〓の店" in text


def test_rare_kanji_of_names_are_in_the_font() -> None:
    [text] = pdfs.page_texts(render(report(Note("髙﨑 𠮷野家 ①㈱ 葛󠄀飾 〜–"))))

    assert "髙﨑 𠮷野家" in text


@pytest.mark.parametrize(
    "block",
    [
        Table([Column("店舗")], [], "まだありません。"),
        BarChart("題", "件", ["a"], [Series("s", [0])], "まだありません。"),
        BarChart("題", "件", [], [], "まだありません。"),
        LineChart("題", "件", ["a"], [Series("s", [None])], "まだありません。"),
        ShareBar("題", "台", [Part("a", 0)], "まだありません。"),
    ],
)
def test_an_empty_block_shows_its_text(block: Block) -> None:
    [text] = pdfs.page_texts(render(report(block)))

    assert "まだありません。" in text


def test_a_long_name_neither_leaves_its_cell_nor_the_page() -> None:
    names = ["W" * 100, "株式会社" * 25, "A-" * 50]
    rows: list[list[Cell]] = [[name, Badge("オンライン", "good"), name] for name in names]

    pdf = render(report(Table([Column("a"), Column("状態", 0), Column("b")], rows, "なし")))

    [text] = pdfs.page_texts(pdf)
    assert text.count("W") == 200
    assert text.count("株式会社") == 50


@pytest.mark.parametrize("lines", [38, 40, 42])
def test_a_table_without_room_for_its_first_rows_starts_on_the_next_page(lines: int) -> None:
    rows: list[list[Cell]] = [[f"新宿店 レジ{number}番", number] for number in range(1, 21)]
    table = Table([Column("設置店舗名"), Column("件数", 1, right=True)], rows, "なし")

    before, after = pdfs.page_texts(render(report(*[Note("注記です。")] * lines, table)))

    assert before.count("レジ") in ({0} if lines > 39 else {4, 5, 6})
    assert after.count("設置店舗名") == 1
    assert before.count("レジ") + after.count("レジ") == 20


@pytest.mark.parametrize("lines", [34, 36, 38])
def test_a_heading_and_the_note_below_it_go_to_the_next_page_with_their_table(lines: int) -> None:
    rows: list[list[Cell]] = [[f"新宿店 レジ{number}番", number] for number in range(1, 21)]
    table = Table([Column("設置店舗名"), Column("件数", 1, right=True)], rows, "なし")
    filler = report(*[Note("注記です。")] * lines)
    with_table = replace(filler, sections=[*filler.sections, Section("端末一覧", [Note("順に並べています。"), table])])

    [page] = [text for text in pdfs.page_texts(render(with_table)) if "端末一覧" in text]

    assert "順に並べています。" in page
    assert "レジ1番" in page


PRINT_DIGEST = """
import hashlib
from tests.unit.core.test_reports import every_block
from service.core.reports.render import render
print(hashlib.sha256(render(every_block(40))).hexdigest())
"""


def test_the_same_report_gives_the_same_file_in_any_environment() -> None:
    environments = [
        {"TZ": "America/New_York", "LC_ALL": "C"},
        {"TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "7"},
    ]

    digests = [
        subprocess.run(
            [sys.executable, "-c", PRINT_DIGEST],
            cwd=ROOT,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for environment in environments
    ]

    assert digests[0] == digests[1]
    assert len(digests[0]) == 65


def test_a_report_contains_its_creation_time() -> None:
    other = Report("端末状況レポート", "", datetime(2027, 1, 1, tzinfo=UTC), [])

    assert b"D:20270101000000" in render(other)


def test_cancelled_rendering_stops_at_once() -> None:
    class Cancelled(Exception):
        pass

    def cancel() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        render(every_block(rows=6000), while_waiting=cancel)
    # The next report does not wait for it.
    assert render(report(Note("次"))).startswith(b"%PDF")


def test_a_timeout_or_typesetting_error_raises_typeset_failed_with_the_reason() -> None:
    with pytest.raises(TypesetFailed, match="too long"):
        typeset("report.typ", content(every_block(rows=6000)), NOW, longest=0)
    with pytest.raises(TypesetFailed, match="dictionary does not contain key"):
        typeset("report.typ", {}, NOW)


def test_typst_is_never_loaded_into_our_own_process() -> None:
    """A child process uses the memory: a worker or service does not grow with the number of reports."""
    output = subprocess.run(
        [sys.executable, "-c", f"{PRINT_DIGEST}\nimport sys; print('typst' in sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert output.split()[-1] == "False"


def test_the_colours_are_those_of_the_dashboards() -> None:
    theme = tomllib.loads((ROOT / "dashboards" / ".streamlit" / "config.toml").read_text())["theme"]
    names: dict[Tone, str] = {"good": "green", "warning": "orange", "bad": "red", "info": "blue", "quiet": "gray"}

    assert list(CATEGORIES) == theme["chartCategoricalColors"]
    for tone, name in names.items():
        expected = {
            "mark": theme[f"{name}Color"],
            "ground": theme[f"{name}BackgroundColor"],
            "text": theme[f"{name}TextColor"],
        }
        assert TONES[tone] == expected
    assert PAPER["primary"] == theme["primaryColor"]
    assert (PAPER["text"], PAPER["border"]) == (theme["textColor"], theme["borderColor"])
    assert (PAPER["ground"], PAPER["head"]) == (
        theme["secondaryBackgroundColor"],
        theme["dataframeHeaderBackgroundColor"],
    )
    assert (PAPER["muted"], PAPER["head-text"]) == (theme["grayColor"], theme["dataframeHeaderTextColor"])


def test_bars_are_stacked_from_zero_and_the_last_one_may_be_unfinished() -> None:
    chart = charts.bar_chart(
        BarChart("題", "件", ["a", "b"], [Series("s", [10, 4]), Series("t", [10, 4])], "", last_unfinished=True)
    )

    assert [(bar["y"], bar["height"], bar["unfinished"]) for bar in chart["bars"]] == [
        (0, 0.5, False),
        (0.5, 0.5, False),
        (0, 0.2, True),
        (0.2, 0.2, True),
    ]
    assert [tick["label"] for tick in chart["ticks"]] == ["0", "5", "10", "15", "20"]


def test_a_gap_in_a_line_stays_a_gap() -> None:
    [line] = charts.line_chart(LineChart("題", "%", list("abcd"), [Series("s", [1, None, 3, 4])], ""))["lines"]

    assert [len(run) for run in line["runs"]] == [1, 2]
