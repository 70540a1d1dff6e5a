"""Prose from Markdown: parsed, printed as PDF, and rendered into web pages, with the same text in both."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from jinja2 import Template
from structlog.testing import capture_logs

from service.core.pages.shell import TEMPLATES
from service.core.reports.markdown import escaped, sections
from service.core.reports.model import Report
from service.core.reports.prose import Box, Dialogue, Grid, Heading, Items, Paragraph, Question, Run, Verbatim
from service.core.reports.render import cached_pdf, content, digest, render, render_cached
from tests import pdfs
from tests.unit.core.test_reports import HOSTILE

NOW = datetime(2026, 11, 21, 0, 26, tzinfo=UTC)
TEXT = """\
はじめの **文。** 次の文と[一覧](https://genba.example/guides/)と`code`。
つながる行。

## 手順

1. 一つ目
2. 二つ目
   - 中の項目

> [!注意]
> 気をつけて。

```対話
お客様：花束を**予約**したいです。
AI：承知しました。
```

```
  {"a": 1}
```

| 名前 | 説明 |
| --- | --- |
| 花束 | 店頭で |

### 小見出し
"""


def prose_report(text: str, **options: bool) -> Report:
    return Report("手引き", "提携店向け", NOW, sections(text, **options))


def page_html(report: Report) -> str:
    template: Template = TEMPLATES.from_string(
        '{% from "prose.html" import prose %}'
        "{% for one in sections %}{{ one.title }}{{ prose(one.blocks) }}{% endfor %}"
    )
    return template.render(sections=content(report)["sections"])


def test_every_kind_of_block_is_read() -> None:
    first, second = sections(TEXT)

    assert first.title == ""
    assert first.blocks == [
        Paragraph(
            (
                Run("はじめの"),
                Run("文。", bold=True),
                Run("次の文と"),
                Run("一覧", href="https://genba.example/guides/"),
                Run("と"),
                Run("code", code=True),
                Run("。つながる行。"),
            )
        )
    ]
    assert second.title == "手順"
    steps, box, talk, code, table, heading = second.blocks
    assert isinstance(steps, Items)
    assert steps.numbered
    assert steps.entries[1] == [Paragraph((Run("二つ目"),)), Items([[Paragraph((Run("中の項目"),))]])]
    assert box == Box("注意", "warning", [Paragraph((Run("気をつけて。"),))])
    assert talk == Dialogue(
        [
            ("お客様", (Run("花束を"), Run("予約", bold=True), Run("したいです。"))),
            ("AI", (Run("承知しました。"),)),
        ]
    )
    assert code == Verbatim('  {"a": 1}')
    assert table == Grid([(Run("名前"),), (Run("説明"),)], [[(Run("花束"),), (Run("店頭で"),)]])
    assert heading == Heading((Run("小見出し"),))


def test_each_question_has_its_answer() -> None:
    [payment, change] = sections(
        "## 支払い\n\n### いつまで？\n\n10分です。\n\n- 補足\n\n## 変更\n\n### できる？\n\nはい。", questions=True
    )

    [question] = payment.blocks
    assert isinstance(question, Question)
    assert question.words == (Run("いつまで？"),)
    assert len(question.blocks) == 2
    assert [type(block) for block in change.blocks] == [Question]


@pytest.mark.parametrize("text", ["---", "![写真](x.png)", "> ただの引用", "> [!謎]\n> 何か", "*斜体*"])
def test_unsupported_markdown_is_an_error_and_never_dropped(text: str) -> None:
    with pytest.raises(ValueError, match=r"no block shows|no text shows|a box begins"):
        sections(text)


@pytest.mark.parametrize(
    "name", [*HOSTILE, "<script>x</script>", "| 表 | 列 |", "1. 一", "- 項", "> 引用", "&amp; ~~x~~"]
)
def test_a_name_is_never_markup(name: str) -> None:
    """In Markdown, in a PDF, and in a web page."""
    report = prose_report(f"{escaped(name)}\n\n- {escaped(name)}\n\n| a | b |\n| --- | --- |\n| {escaped(name)} | x |")

    blocks = report.sections[0].blocks
    assert blocks[0] == Paragraph((Run(name),))
    assert blocks[2] == Grid([(Run("a"),), (Run("b"),)], [[(Run(name),), (Run("x"),)]])
    [text] = pdfs.page_texts(render(report))
    assert text.count(name) == 3, text
    assert "<script" not in page_html(report)


def test_all_text_is_in_the_pdf_and_on_the_web_page() -> None:
    report = prose_report(TEXT)
    with capture_logs() as logs:
        pdf = render(report)
    assert logs == []
    pdf_text, html = "".join("".join(pdfs.page_texts(pdf)).split()), "".join(page_html(report).split())

    for text in (
        "はじめの",
        "次の文と",
        "つながる行。",
        "一つ目",
        "中の項目",
        "気をつけて。",
        "承知しました。",
        "店頭で",
        "小見出し",
    ):
        assert text in pdf_text, text
        assert text in html, text
    assert '<ahref="https://genba.example/guides/">一覧</a>' in html


def test_a_report_with_the_same_content_is_cached() -> None:
    report = prose_report("同じ文。")
    later = Report(report.title, report.period, datetime(2026, 12, 1, tzinfo=UTC), report.sections)

    first = render_cached(report)
    assert cached_pdf(later) is first
    assert render_cached(later) is first
    other = prose_report("違う文。")
    assert digest(other) != digest(report)
    assert cached_pdf(other) is None
