"""明細の読み取り: from lines on a page to proposals, whichever way the page lies; what is doubtful says so."""

from __future__ import annotations

import math
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.agencies.ocr import rules
from service.agencies.ocr.rules import Line, Proposals

TODAY = date(2026, 11, 22)
SIZE = (1000, 1400)
LOCATION = "0300001111222233334444"


def line(x: float, y: float, text: str, score: float = 0.99, height: float = 24) -> Line:
    width = height * sum(1.0 if ord(letter) > 255 else 0.55 for letter in text)
    return Line(text, score, ((x, y), (x + width, y), (x + width, y + height), (x, y + height)))


# As drawn: a table with the values to the right of their labels, and what is not meant around it.
PAGE = [
    line(60, 50, "2026年9月分電気ご使用量のお知らせ", height=34),
    line(620, 100, "東京電力エナジーパートナー"),
    line(60, 200, "お客様番号"),
    line(400, 200, "12345-67890-1-00"),
    line(60, 260, "供給地点特定番号"),
    line(400, 260, "03-0000-1111-2222-3333-4444"),
    line(60, 320, "ご使用期間"),
    line(400, 320, "9月3日～10月2日（30日間）"),
    line(60, 380, "ご使用量"),
    line(400, 380, "1,234kWh"),
    line(60, 440, "ご請求金額"),
    line(400, 440, "45,678円"),
    line(60, 500, "うち消費税等相当額"),
    line(400, 500, "4,152円"),
    line(60, 560, "前年同月使用量"),
    line(400, 560, "2,345kWh"),
    line(60, 800, "基本料金 1,180円40銭"),
    line(60, 1300, "お問い合わせ 0120-995-113"),
]
VALUES = {
    "latest_charges": "45678",
    "latest_power_usage": "1234",
    "latest_date": "2026-09",
    "power_customer_number": "12345-67890-1-00",
    "power_customer_location_number": LOCATION,
}


def read(lines: list[Line], company: str | None = None, size: tuple[int, int] = SIZE) -> Proposals:
    return rules.propose(lines, size, TODAY, company)


def values(found: Proposals) -> dict[str, str]:
    return {name: one.value for name, one in found.fields.items()}


def turned(lines: list[Line], degrees: float) -> list[Line]:
    """The page turned clockwise about its middle; corners again from the upper left of the picture."""
    angle = math.radians(degrees)

    def at(x: float, y: float) -> tuple[float, float]:
        dx, dy = x - 500, y - 700
        return (
            700 + dx * math.cos(angle) - dy * math.sin(angle),
            700 + dx * math.sin(angle) + dy * math.cos(angle),
        )

    moved = []
    for one in lines:
        across = sorted(at(*point) for point in one.box)
        left, right = sorted(across[:2], key=lambda p: p[1]), sorted(across[2:], key=lambda p: p[1])
        moved.append(Line(one.text, one.score, (left[0], right[0], right[1], left[1])))
    return moved


def test_each_value_is_found_beside_its_label_and_nothing_else_is_taken_for_it() -> None:
    found = read(PAGE)

    assert values(found) == VALUES
    assert found.turn == 0
    assert all(one.is_sure for one in found.fields.values())
    assert found.fields["latest_charges"].box == (0.4, 0.3143, 0.5032, 0.3314)


def test_values_below_their_labels_and_within_their_lines_are_found_too() -> None:
    below = [
        line(60, 200, "ご使用量"),
        line(400, 200, "ご請求予定金額"),
        line(80, 235, "１，２３４ｋＷｈ"),
        line(420, 235, "￥45,678"),
        line(60, 300, "お客さま番号: 12345678901"),
        line(60, 340, "供給地点特定番号　03 0000 1111 2222 3333 4444"),
        line(60, 400, "令和８年９月分"),
    ]

    assert values(read(below)) == VALUES | {"power_customer_number": "12345678901"}


@pytest.mark.parametrize(
    ("degrees", "turn"), [(0, 0), (90, 270), (180, 180), (270, 90), (2.5, 0), (-2.5, 0), (92, 270)]
)
def test_a_page_that_lies_on_its_side_or_is_askew_reads_the_same(degrees: float, turn: int) -> None:
    found = read(turned(PAGE, degrees), size=(1400, 1400))

    assert values(found) == VALUES
    assert found.turn == turn


@pytest.mark.parametrize(
    ("text", "month"),
    [
        ("ご使用年月 2026/9", "2026-09"),
        ("検針月：令和8年9月", "2026-09"),
        ("R8年 10月分", "2026-10"),
        ("２０２６年１１月分", "2026-11"),
        ("ご請求年月 2019.13", None),
        ("2031年4月分", None),
        ("前年同月 2025年9月分", None),
    ],
)
def test_a_month_is_read_in_either_calendar_and_never_one_that_cannot_be(text: str, month: str | None) -> None:
    assert values(read([line(10, 10, text)])).get("latest_date") == month


def test_a_supply_point_in_pieces_is_put_together_and_letters_in_it_are_digits() -> None:
    pieces = [line(10, 10, "供給地点特定番号"), line(260, 10, "O3-0000-1111"), line(480, 11, "-2222-3333-4444")]

    assert values(read(pieces))["power_customer_location_number"] == LOCATION


def test_a_supply_point_needs_no_label_but_an_area() -> None:
    assert values(read([line(10, 10, "03-0000-1111-2222-3333-4444")])) == {"power_customer_location_number": LOCATION}
    assert values(read([line(10, 10, "99-0000-1111-2222-3333-4444")])) == {}


def test_letters_that_look_alike_hide_neither_a_label_nor_a_company() -> None:
    alike = [
        line(60, 50, "打客様番号"),
        line(60, 80, "57371-26740-2-22"),
        line(60, 200, "関西電カ"),
        line(60, 300, f"供給地点特定番号 {LOCATION}"),
    ]

    found = read(alike).fields

    assert found["power_customer_number"].value == "57371-26740-2-22"
    assert "関西電力" in found["power_customer_location_number"].notes[0]


def test_the_heading_of_the_page_is_no_label() -> None:
    assert values(read([line(60, 50, "電気ご使用量のお知らせ", height=34), line(80, 95, "12345")])) == {}


def test_a_low_score_is_not_sure() -> None:
    doubtful = [line(10, 10, "ご請求金額"), line(200, 10, "45,678円", score=0.89)]

    assert not read(doubtful).fields["latest_charges"].is_sure


def test_an_area_that_is_not_the_companys_is_pointed_out() -> None:
    told = read(PAGE, company="06").fields["power_customer_location_number"]
    named = read([*PAGE[:1], *PAGE[2:], line(620, 100, "関西電力株式会社")]).fields["power_customer_location_number"]

    for one in (told, named):
        assert "東京エリアで、電力会社「06:関西電力」と合いません" in one.notes[0]
        assert not one.is_sure


def test_a_tax_that_does_not_fit_is_pointed_out() -> None:
    misread = [one for one in PAGE if one.text != "45,678円"] + [line(400, 440, "48,678円")]

    assert "消費税等相当額（4,152円）" in read(misread).fields["latest_charges"].notes[0]


def test_two_values_for_one_label_are_pointed_out() -> None:
    twice = [*PAGE, line(60, 900, "ご請求金額"), line(400, 900, "99,999円")]

    assert "ほかにも候補があります（99999）" in read(twice).fields["latest_charges"].notes[0]


def test_a_second_look_adds_what_was_missing_and_keeps_what_was_surer() -> None:
    first = read([line(10, 10, "ご使用量 321kWh", 0.8), line(10, 50, "ご請求金額 5,000円", 0.99)])
    second = read([line(10, 10, "ご使用量 321kWh", 0.97), line(10, 50, "ご請求金額 6,000円", 0.7)])

    both = rules.merge_proposals(first, second)

    assert values(both) == {"latest_charges": "5000", "latest_power_usage": "321"}
    assert both.fields["latest_power_usage"].score == 0.97


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("latest_charges", "￥４５，６７８円", "45678"),
        ("latest_power_usage", "1,234.5 kWh", "1234.5"),
        ("latest_date", "令和8年9月分", "2026-09"),
        ("latest_date", "2026/9", "2026-09"),
        ("power_customer_number", " １２３-4 ", "123-4"),
    ],
)
def test_what_a_person_corrects_may_be_typed_as_it_is_printed(name: str, text: str, value: str) -> None:
    assert rules.normalize_value(name, text, TODAY) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [("latest_charges", "-5"), ("latest_charges", "1.5"), ("latest_power_usage", "多い"), ("latest_date", "9月")],
)
def test_what_cannot_be_is_refused_in_words(name: str, text: str) -> None:
    with pytest.raises(ValueError, match="入力してください"):
        rules.normalize_value(name, text, TODAY)


TEXTS = st.text(max_size=30) | st.sampled_from([one.text for one in PAGE])
LINES = st.builds(line, st.floats(0, 1000), st.floats(0, 1400), TEXTS, st.floats(0, 1), st.floats(1, 80))


@given(st.lists(LINES, max_size=6))
def test_whatever_was_seen_proposals_lie_on_the_picture_and_can_be_typed(lines: list[Line]) -> None:
    for name, one in read(lines).fields.items():
        assert rules.normalize_value(name, one.value, TODAY) == one.value or name.endswith("_number")
        left, top, right, bottom = one.box
        assert 0 <= left <= right <= 1
        assert 0 <= top <= bottom <= 1
