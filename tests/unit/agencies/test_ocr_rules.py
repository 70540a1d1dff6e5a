"""明細の読み取り: from OCR lines of a page, in any rotation, to proposed values; doubtful values are marked."""

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


# A table with the values to the right of their labels, and other text that must not be read as a value.
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


def values(proposals: Proposals) -> dict[str, str]:
    return {name: field.value for name, field in proposals.fields.items()}


def rotated(lines: list[Line], degrees: float) -> list[Line]:
    """The page rotated clockwise about its centre; corners start at the upper left of the picture again."""
    angle = math.radians(degrees)

    def rotated_point(x: float, y: float) -> tuple[float, float]:
        dx, dy = x - 500, y - 700
        return (
            700 + dx * math.cos(angle) - dy * math.sin(angle),
            700 + dx * math.sin(angle) + dy * math.cos(angle),
        )

    rotated_lines = []
    for page_line in lines:
        corners = sorted(rotated_point(*point) for point in page_line.box)
        left, right = sorted(corners[:2], key=lambda point: point[1]), sorted(corners[2:], key=lambda point: point[1])
        rotated_lines.append(Line(page_line.text, page_line.score, (left[0], right[0], right[1], left[1])))
    return rotated_lines


def test_each_value_is_found_next_to_its_label_and_nothing_else() -> None:
    proposals = read(PAGE)

    assert values(proposals) == VALUES
    assert proposals.turn == 0
    assert all(field.is_sure for field in proposals.fields.values())
    assert proposals.fields["latest_charges"].box == (0.4, 0.3143, 0.5032, 0.3314)


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
def test_a_rotated_or_skewed_page_reads_the_same(degrees: float, turn: int) -> None:
    proposals = read(rotated(PAGE, degrees), size=(1400, 1400))

    assert values(proposals) == VALUES
    assert proposals.turn == turn


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
def test_a_month_is_read_in_either_calendar_unless_it_is_impossible(text: str, month: str | None) -> None:
    assert values(read([line(10, 10, text)])).get("latest_date") == month


def test_a_supply_point_in_pieces_is_joined_and_its_letters_become_digits() -> None:
    pieces = [line(10, 10, "供給地点特定番号"), line(260, 10, "O3-0000-1111"), line(480, 11, "-2222-3333-4444")]

    assert values(read(pieces))["power_customer_location_number"] == LOCATION


def test_a_supply_point_needs_no_label_but_an_area() -> None:
    assert values(read([line(10, 10, "03-0000-1111-2222-3333-4444")])) == {"power_customer_location_number": LOCATION}
    assert values(read([line(10, 10, "99-0000-1111-2222-3333-4444")])) == {}


def test_a_label_or_company_is_found_despite_misread_letters() -> None:
    misread = [
        line(60, 50, "打客様番号"),
        line(60, 80, "57371-26740-2-22"),
        line(60, 200, "関西電カ"),
        line(60, 300, f"供給地点特定番号 {LOCATION}"),
    ]

    fields = read(misread).fields

    assert fields["power_customer_number"].value == "57371-26740-2-22"
    assert "関西電力" in fields["power_customer_location_number"].notes[0]


def test_the_heading_of_the_page_is_no_label() -> None:
    assert values(read([line(60, 50, "電気ご使用量のお知らせ", height=34), line(80, 95, "12345")])) == {}


def test_a_low_score_is_not_sure() -> None:
    doubtful = [line(10, 10, "ご請求金額"), line(200, 10, "45,678円", score=0.89)]

    assert not read(doubtful).fields["latest_charges"].is_sure


def test_an_area_that_is_not_the_companys_is_pointed_out() -> None:
    by_code = read(PAGE, company="06").fields["power_customer_location_number"]
    by_name = read([*PAGE[:1], *PAGE[2:], line(620, 100, "関西電力株式会社")]).fields["power_customer_location_number"]

    for field in (by_code, by_name):
        assert "東京エリアで、電力会社「06:関西電力」と合いません" in field.notes[0]
        assert not field.is_sure


def test_a_tax_that_does_not_fit_is_pointed_out() -> None:
    misread = [page_line for page_line in PAGE if page_line.text != "45,678円"] + [line(400, 440, "48,678円")]

    assert "消費税等相当額（4,152円）" in read(misread).fields["latest_charges"].notes[0]


def test_two_values_for_one_label_are_pointed_out() -> None:
    twice = [*PAGE, line(60, 900, "ご請求金額"), line(400, 900, "99,999円")]

    assert "ほかにも候補があります（99999）" in read(twice).fields["latest_charges"].notes[0]


def test_a_second_reading_adds_missing_values_and_keeps_surer_ones() -> None:
    first = read([line(10, 10, "ご使用量 321kWh", 0.8), line(10, 50, "ご請求金額 5,000円", 0.99)])
    second = read([line(10, 10, "ご使用量 321kWh", 0.97), line(10, 50, "ご請求金額 6,000円", 0.7)])

    merged = rules.merge_proposals(first, second)

    assert values(merged) == {"latest_charges": "5000", "latest_power_usage": "321"}
    assert merged.fields["latest_power_usage"].score == 0.97


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
def test_a_correction_may_be_typed_as_it_is_printed(name: str, text: str, value: str) -> None:
    assert rules.normalize_value(name, text, TODAY) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [("latest_charges", "-5"), ("latest_charges", "1.5"), ("latest_power_usage", "多い"), ("latest_date", "9月")],
)
def test_an_impossible_correction_is_refused_with_a_message(name: str, text: str) -> None:
    with pytest.raises(ValueError, match="入力してください"):
        rules.normalize_value(name, text, TODAY)


TEXTS = st.text(max_size=30) | st.sampled_from([page_line.text for page_line in PAGE])
LINES = st.builds(line, st.floats(0, 1000), st.floats(0, 1400), TEXTS, st.floats(0, 1), st.floats(1, 80))


@given(st.lists(LINES, max_size=6))
def test_proposals_always_lie_on_the_picture_and_are_valid_corrections(lines: list[Line]) -> None:
    for name, field in read(lines).fields.items():
        assert rules.normalize_value(name, field.value, TODAY) == field.value or name.endswith("_number")
        left, top, right, bottom = field.box
        assert 0 <= left <= right <= 1
        assert 0 <= top <= bottom <= 1
