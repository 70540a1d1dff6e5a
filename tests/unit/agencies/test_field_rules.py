"""Which values the fields of an application accept, and how they are normalised."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.agencies.fields import rules

TODAY = date(2026, 11, 21)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("7123456789012", "7123456789012"),
        ("4011001098993", "4011001098993"),
        ("7000012050002", "7000012050002"),
        (" ７１２３４５６７８９０１２ ", "7123456789012"),
        ("7-1234-5678-9012", "7123456789012"),
    ],
)
def test_a_corporation_number_is_thirteen_digits(typed: str, stored: str) -> None:
    assert rules.corporation_number(typed) == stored


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("8123456789012", "検査数字"),
        ("123456789012", "会社法人等番号"),
        ("71234567890", "入力は11桁"),
        ("7123456789O12", "数字だけ"),
        ("", "数字だけ"),
    ],
)
def test_an_invalid_corporation_number_is_refused_with_a_message(typed: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        rules.corporation_number(typed)


@given(st.text("0123456789", min_size=12, max_size=12), st.integers(0, 12), st.sampled_from("0123456789"))
def test_a_wrong_digit_in_a_corporation_number_is_refused_but_for_0_and_9(base: str, position: int, digit: str) -> None:
    number = rules.check_digit(base) + base
    typed = number[:position] + digit + number[position + 1 :]

    assert rules.corporation_number(number) == number
    if typed != number and (position == 0 or {number[position], digit} != {"0", "9"}):
        with pytest.raises(ValueError, match="検査数字"):
            rules.corporation_number(typed)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("アオキ", "アオキ"),
        ("あおき　まこと", "アオキ　マコト"),
        ("ｱｵｷ ｼﾞｭﾝ", "アオキ　ジュン"),
        ("ｺ-ﾋ-ｶﾞｰﾃﾞﾝ", "コーヒーガーデン"),
        ("か\u3099らす・ゔぃら", "ガラス・ヴィラ"),
        ("  サトウ  ", "サトウ"),
    ],
)
def test_a_reading_is_full_width_katakana(typed: str, stored: str) -> None:
    assert rules.kana(typed) == stored


@pytest.mark.parametrize(
    ("typed", "quoted"), [("山田タロウ", "「山田」"), ("ABC商事", "「ABC商事」"), ("タナカ-イトウ", "「-」")]
)
def test_invalid_characters_in_a_reading_are_named(typed: str, quoted: str) -> None:
    with pytest.raises(ValueError, match=f"{quoted}は使えません"):
        rules.kana(typed)


@pytest.mark.parametrize("typed", ["", " ", "・・", "ー"])
def test_a_reading_has_letters(typed: str) -> None:
    with pytest.raises(ValueError, match="全角カタカナ"):
        rules.kana(typed)


@given(st.text(st.characters(min_codepoint=0x3041, max_codepoint=0x30FC), max_size=20))
def test_a_proposed_reading_stays_as_it_is(typed: str) -> None:
    if proposed := rules.proposed_kana(typed):
        assert rules.kana(proposed) == proposed


def test_a_reading_is_proposed_only_where_it_is_certain() -> None:
    assert rules.proposed_kana("さくら") == "サクラ"
    assert rules.proposed_kana("株式会社ABC") == "カブシキガイシャエービーシー"
    assert rules.proposed_kana("㈱ＸＹＺ") == "カブシキガイシャエックスワイゼット"
    assert rules.proposed_kana("有限会社 さくら") == "ユウゲンガイシャ　サクラ"
    assert rules.proposed_kana("ひまわり亭") is None
    assert rules.proposed_kana("Cafe") is None


@pytest.mark.parametrize(
    "typed", ["1500043", "150-0043", "〒150-0043", "〒 １５０－００４３", "150ー0043", " 150 0043 "]
)
def test_a_postal_code_is_seven_digits(typed: str) -> None:
    assert rules.zip_code(typed) == "1500043"


@pytest.mark.parametrize("typed", ["150-004", "15000433", "1500-043", "東京", "〒", "", "150-0043\n150-0044"])
def test_an_invalid_postal_code_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="7桁"):
        rules.zip_code(typed)


def test_a_postal_code_is_shown_with_its_hyphen() -> None:
    assert rules.format_zip("1234567") == "123-4567"


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("03-1234-5678", "03-1234-5678"),
        ("０３（１２３４）５６７８", "03-1234-5678"),
        ("(0422)12-3456", "0422-12-3456"),
        ("045 123 4567", "045-123-4567"),
        ("045-1234567", "045-123-4567"),
        ("045ー123ー4567", "045-123-4567"),
        ("04992-2-1234", "04992-2-1234"),
        ("0312345678", "03-1234-5678"),
        ("0612345678", "06-1234-5678"),
        ("0451234567", "0451234567"),
        ("09012345678", "090-1234-5678"),
        ("090-12345678", "090-1234-5678"),
        ("06012345678", "060-1234-5678"),
        ("05012345678", "050-1234-5678"),
        ("0120123456", "0120-123-456"),
        ("0120-12-3456", "0120-123-456"),
        ("08001234567", "0800-123-4567"),
        ("0570-012-345", "0570-012-345"),
        ("+81 90-1234-5678", "090-1234-5678"),
        ("+81 (0)3 1234 5678", "03-1234-5678"),
    ],
)
def test_a_telephone_number_has_the_hyphens_that_are_certain(typed: str, stored: str) -> None:
    assert rules.phone(typed) == stored
    assert rules.phone(stored) == stored


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("090-1234-567", "11桁です（入力は10桁）"),
        ("03-1234-56789", "10桁です（入力は11桁）"),
        ("1234-5678", "市外局番から"),
        ("00-1234-5678", "市外局番から"),
        ("03-1234-5678 内線12", "数字とハイフンだけ"),
        ("", "数字とハイフンだけ"),
    ],
)
def test_an_invalid_telephone_number_is_refused_with_a_message(typed: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        rules.phone(typed)


def test_a_number_with_unknown_parts_must_have_hyphens() -> None:
    assert rules.phone_parts("0422-12-3456") == ("0422", "12", "3456")
    assert rules.phone_parts("09012345678") == ("090", "1234", "5678")
    with pytest.raises(ValueError, match="ハイフンを付けて"):
        rules.phone_parts("0451234567")


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("aoki@ABC.Example", "aoki@abc.example"),
        (" ａｏｋｉ＠ａｂｃ．ｃｏ．ｊｐ ", "aoki@abc.co.jp"),
        ("a..b@docomo.ne.jp", "a..b@docomo.ne.jp"),
    ],
)
def test_a_mail_address_is_stored_in_half_width_letters(typed: str, stored: str) -> None:
    assert rules.mail(typed) == stored


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "aoki",
        "aoki@abc",
        "a b@abc.example",
        "a@b@abc.example",
        "青木@abc.example",
        "a@abc..jp",
        f"{'a' * 250}@abc.jp",
    ],
)
def test_an_invalid_mail_address_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="メールアドレス"):
        rules.mail(typed)


POWER = "0300111222333344445555"


@pytest.mark.parametrize(
    "typed", [POWER, "03-0011-1222-3333-4444-5555", "０３　００１１　１２２２　３３３３　４４４４　５５５５"]
)
@pytest.mark.parametrize("company", ["03", "99", None, ""])
def test_a_supply_point_of_electricity_has_22_digits_and_its_companys_area(typed: str, company: str | None) -> None:
    assert rules.supply_point(typed, "electricity", company) == POWER


@pytest.mark.parametrize(
    ("typed", "service", "company", "why"),
    [
        (POWER, "electricity", "06", "東京エリアで、電力会社「06:関西電力」と合いません"),
        ("11" + POWER[2:], "electricity", None, "01～10"),
        (POWER[:-1], "electricity", None, "22桁です（入力は21桁）。明細の番号を確認"),
        (POWER[:17], "electricity", None, "サービス種別"),
        (POWER, "gas", None, "ガスの供給地点特定番号は17桁です（入力は22桁）。サービス種別"),
        ("03-ABC", "electricity", None, "数字とハイフンだけ"),
        ("", "gas", None, "17桁"),
    ],
)
def test_an_invalid_supply_point_is_refused_with_a_message(
    typed: str, service: rules.Service, company: str | None, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        rules.supply_point(typed, service, company)


def test_a_supply_point_is_shown_in_the_groups_of_a_statement() -> None:
    assert rules.format_supply_point(POWER) == "03-0011-1222-3333-4444-5555"
    assert rules.supply_point("1234-5678-9012-34567", "gas", "03") == "12345678901234567"
    assert rules.format_supply_point("12345678901234567") == "12345678901234567"


@pytest.mark.parametrize("birthday", [date(2008, 11, 21), date(1900, 1, 1), date(1980, 2, 29)])
def test_a_signer_is_at_least_eighteen_years_old(birthday: date) -> None:
    assert rules.birthday(birthday, TODAY) == birthday


@pytest.mark.parametrize(
    ("birthday", "why"),
    [(date(2026, 11, 22), "未来"), (date(1899, 12, 31), "1900年より前"), (date(2008, 11, 22), "入力は17歳")],
)
def test_an_impossible_birthday_is_refused_with_a_message(birthday: date, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        rules.birthday(birthday, TODAY)


@pytest.mark.parametrize(
    "typed", ["2026/1", "2026-01", "2026.1", "2026年1月", "２０２６年１月分", "202601", " 2026年 1月 "]
)
def test_the_month_of_a_statement_is_normalised(typed: str) -> None:
    assert rules.usage_month(typed, TODAY) == "2026-01"


def test_statements_are_of_the_last_ten_years_up_to_next_month() -> None:
    assert rules.usage_month("2026/12", TODAY) == "2026-12"
    assert rules.usage_month("2016/11", TODAY) == "2016-11"
    for typed, why in (
        ("2027/1", "来月より先"),
        ("2016/10", "10年より前"),
        ("2026/13", "01から12"),
        ("先月", "西暦"),
        ("", "西暦"),
    ):
        with pytest.raises(ValueError, match=why):
            rules.usage_month(typed, TODAY)
