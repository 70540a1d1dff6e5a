"""Checks of the fields of an application. Each check takes what the user typed and returns the normalized value that is
stored, or raises ValueError with a message for the field. No message repeats a card's digits."""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any, Literal, TypeVar

from service.core.values.texts import half_width
from service.core.values.times import Month, parse_month

Service = Literal["electricity", "gas"]
Checked = TypeVar("Checked")

# 供給エリア: the first two digits of an electricity supply point, and the code of the area's own 電力会社 (section 9).
AREAS = {
    "01": "北海道",
    "02": "東北",
    "03": "東京",
    "04": "中部",
    "05": "北陸",
    "06": "関西",
    "07": "中国",
    "08": "四国",
    "09": "九州",
    "10": "沖縄",
}
SUPPLY_POINT_DIGITS: dict[Service, int] = {"electricity": 22, "gas": 17}
ADULT, EARLIEST_BIRTH = 18, 1900
LONGEST_CARD_LIFE = 20
OLDEST_USAGE_MONTHS, USAGE_MONTHS_AHEAD = 120, 1

_KANA = re.compile(r"[ァ-ヴー・ ]*[ァ-ヴ][ァ-ヴー・ ]*")
_HIRAGANA = {code: code + 0x60 for code in range(ord("ぁ"), ord("ゔ") + 1)}
_MAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,63}")
_USAGE_MONTH = re.compile(r"([0-9]{4})(?:[-/.年]([0-9]{1,2})月?分?|([0-9]{2}))")


def _without_separators(text: str) -> str:
    return re.sub(r"[\s-]", "", half_width(text))


def _is_digits(text: str) -> bool:
    return re.fullmatch("[0-9]+", text) is not None


def corporation_number(text: str) -> str:
    """法人番号. Its check digit does not detect 0 typed for 9 at the same place, nor 9 for 0."""
    digits = _without_separators(text)
    if not _is_digits(digits):
        raise ValueError("法人番号に使えるのは数字だけです。13桁の数字で入力してください。")
    if len(digits) == 12:
        raise ValueError(
            "12桁の番号は登記の会社法人等番号です。"
            "国税庁の法人番号公表サイトで13桁の法人番号を確認して、入力してください。"
        )
    if len(digits) != 13:
        raise ValueError(f"法人番号は13桁です（入力は{len(digits)}桁）。番号を確認して、入力し直してください。")
    if digits[0] != check_digit(digits[1:]):
        raise ValueError("法人番号の検査数字（先頭の1桁）が合いません。打ち間違いがないか確認してください。")
    return digits


def check_digit(base: str) -> str:
    """The first digit of the 法人番号 whose other twelve are `base`."""
    total = sum(int(digit) * (1 if position % 2 else 2) for position, digit in enumerate(reversed(base), 1))
    return str(9 - total % 9)


def kana(text: str) -> str:
    """Full-width katakana, also from hiragana and half-width kana; one full-width space between words."""
    # In half-width kana the long vowel is often typed as a hyphen.
    full_width = unicodedata.normalize("NFKC", re.sub(r"(?<=[ｦ-ﾟ])-", "ｰ", text)).translate(_HIRAGANA)
    reading = " ".join(full_width.split())
    if not _KANA.fullmatch(reading):
        invalid = "".join(dict.fromkeys(re.sub(r"[ァ-ヴー・ ]", "", reading)))
        hint = f"「{invalid[:10]}」は使えません。" if invalid else ""
        raise ValueError(f"全角カタカナで入力してください。{hint}漢字や英数字は、読みをカタカナにしてください。")
    return reading.replace(" ", "　")


# Readings of legal forms, and of letters in company names.
_LEGAL_FORMS = {
    "株式会社": "カブシキガイシャ",
    "(株)": "カブシキガイシャ",
    "有限会社": "ユウゲンガイシャ",
    "(有)": "ユウゲンガイシャ",
    "合同会社": "ゴウドウガイシャ",
    "合資会社": "ゴウシガイシャ",
    "合名会社": "ゴウメイガイシャ",
    "一般社団法人": "イッパンシャダンホウジン",
    "一般財団法人": "イッパンザイダンホウジン",
    "医療法人": "イリョウホウジン",
    "社会福祉法人": "シャカイフクシホウジン",
}
_LETTER_READINGS = (
    "エー ビー シー ディー イー エフ ジー エイチ アイ ジェー ケー エル エム "
    "エヌ オー ピー キュー アール エス ティー ユー ブイ ダブリュー エックス ワイ ゼット"
)
_LETTERS = dict(zip(string.ascii_uppercase, _LETTER_READINGS.split(" "), strict=True))


def proposed_kana(name_text: str) -> str | None:
    """The reading of a name that has only kana, capital letters and a legal form. None for any other name: kanji have
    several readings, and lower-case letters form words."""
    name = half_width(name_text)
    for form, reading in _LEGAL_FORMS.items():
        name = name.replace(form, reading)
    try:
        return kana("".join(_LETTERS.get(letter, letter) for letter in name))
    except ValueError:
        return None


def zip_code(text: str) -> str:
    match = re.fullmatch(r"〒?\s*([0-9]{3})\s*-?\s*([0-9]{4})", half_width(text))
    if not match:
        raise ValueError("郵便番号は7桁の数字です。123-4567 の形で入力してください。")
    return match[1] + match[2]


def format_zip(digits: str) -> str:
    return f"{digits[:3]}-{digits[3:]}"


def phone(text: str) -> str:
    """A telephone number with the hyphens that are certain. For a landline they follow from the area code, which is
    known when the user typed a hyphen after it, and for Tokyo (03) and Osaka (06). Any other landline number is stored
    without hyphens."""
    typed = half_width(text)
    if typed.startswith("+81"):
        national = typed.removeprefix("+81").lstrip(" -").removeprefix("(0)").lstrip(" -")
        typed = "0" + national.removeprefix("0")
    typed = re.sub(r"[\s().-]+", "-", typed).strip("-")
    digits = typed.replace("-", "")
    if not _is_digits(digits):
        raise ValueError("電話番号に使えるのは数字とハイフンだけです。03-1234-5678 の形で入力してください。")
    if not re.match("0[1-9]", digits):
        raise ValueError("電話番号は0から始まる番号を、市外局番から入力してください（例: 03-1234-5678）。")
    expected, lengths = _phone_format(digits)
    if len(digits) != expected:
        raise ValueError(
            f"電話番号の桁数が合いません。{digits[:3]}で始まる番号は{expected}桁です（入力は{len(digits)}桁）。"
            "番号を確認して、入力し直してください。"
        )
    if lengths is None:
        area_length = len(typed.partition("-")[0])
        if not 2 <= area_length <= 5:
            return digits
        lengths = (area_length, 6 - area_length)
    first, second = lengths
    return "-".join((digits[:first], digits[first : first + second], digits[first + second :]))


def _phone_format(digits: str) -> tuple[int, tuple[int, int] | None]:
    """The number of digits, and the lengths of the first two parts where these are certain."""
    if digits.startswith("0800"):
        return 11, (4, 3)
    if digits.startswith(("0120", "0570")):
        return 10, (4, 3)
    if digits.startswith(("050", "060", "070", "080", "090")):
        return 11, (3, 4)
    return 10, (2, 4) if digits.startswith(("03", "06")) else None


def phone_parts(text: str) -> tuple[str, str, str]:
    """The three boxes of the carrier's form."""
    number = phone(text)
    parts = number.split("-")
    if len(parts) != 3:
        raise ValueError(
            f"電話番号「{number}」は市外局番の区切りが分かりません。"
            "045-123-4567 のように、ハイフンを付けて入力し直してください。"
        )
    return parts[0], parts[1], parts[2]


def mail(text: str) -> str:
    address = half_width(text)
    if len(address) > 254 or not _MAIL.fullmatch(address):
        raise ValueError("メールアドレスの形が正しくありません。name@example.com の形で入力してください。")
    user, _, domain = address.rpartition("@")
    return f"{user}@{domain.lower()}"


def supply_point(text: str, service: Service, company: str | None) -> str:
    """供給地点特定番号. `company` is the code of 現在の電力会社; 99 (その他) and None match every area."""
    digits = _without_separators(text)
    expected = SUPPLY_POINT_DIGITS[service]
    label = "電気" if service == "electricity" else "ガス"
    if not _is_digits(digits):
        raise ValueError(f"供給地点特定番号に使えるのは数字とハイフンだけです。{expected}桁で入力してください。")
    if len(digits) != expected:
        other_service = next((kind for kind, length in SUPPLY_POINT_DIGITS.items() if length == len(digits)), None)
        hint = "サービス種別が正しいか" if other_service else "明細の番号を"
        raise ValueError(
            f"{label}の供給地点特定番号は{expected}桁です（入力は{len(digits)}桁）。{hint}確認してください。"
        )
    if service == "gas":
        return digits
    area = digits[:2]
    if area not in AREAS:
        raise ValueError(f"供給地点特定番号の先頭2桁（{area}）は01～10のエリア番号です。明細の番号を確認してください。")
    if company in AREAS and company != area:
        raise ValueError(
            f"供給地点特定番号の先頭2桁（{area}）は{AREAS[area]}エリアで、"
            f"電力会社「{company}:{AREAS[company]}電力」と合いません。どちらかを直してください。"
        )
    return digits


def format_supply_point(digits: str) -> str:
    """Electricity: in the groups of a statement. Gas: unchanged, because each gas company groups it differently."""
    if len(digits) != SUPPLY_POINT_DIGITS["electricity"]:
        return digits
    return "-".join((digits[:2], *(digits[at : at + 4] for at in range(2, len(digits), 4))))


def birthday(value: date, today: date) -> date:
    if value > today:
        raise ValueError("生年月日が未来の日付です。日付を確認して、入力し直してください。")
    if value.year < EARLIEST_BIRTH:
        raise ValueError(f"生年月日が{EARLIEST_BIRTH}年より前です。西暦の年を確認して、入力し直してください。")
    age = today.year - value.year - ((today.month, today.day) < (value.month, value.day))
    if age < ADULT:
        raise ValueError(
            f"{ADULT}歳未満の方は契約者になれません（入力は{age}歳）。日付に誤りがないか確認してください。"
        )
    return value


def usage_month(text: str, today: date) -> str:
    """最新の明細年月, in the form 2026-01."""
    match = _USAGE_MONTH.fullmatch(re.sub(r"\s", "", half_width(text)))
    if not match:
        raise ValueError("明細の年月は 2026/1 または 2026年1月 の形（西暦）で入力してください。")
    month, this_month = parse_month(f"{match[1]}-{int(match[2] or match[3]):02}"), Month(today.year, today.month)
    if _months_between(this_month, month) > USAGE_MONTHS_AHEAD:
        raise ValueError(f"明細の年月（{month}）が来月より先です。明細を見て、入力し直してください。")
    if _months_between(month, this_month) > OLDEST_USAGE_MONTHS:
        raise ValueError(f"明細の年月（{month}）が10年より前です。最新の明細を見て、入力し直してください。")
    return str(month)


def _months_between(earlier: Month, later: Month) -> int:
    return (later.year - earlier.year) * 12 + later.month - earlier.month


# The numbers that each brand issues. Any other number is not a card number, even if its check digit is right.
_BRANDS = {
    "VISA": re.compile(r"4[0-9]{15}"),
    "Mastercard": re.compile(r"(?:5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}"),
    "JCB": re.compile(r"35(?:2[89]|[3-8][0-9])[0-9]{12}"),
    "AMEX": re.compile(r"3[47][0-9]{13}"),
    "Diners": re.compile(r"(?:30[0-5][0-9]|3095|3[689][0-9]{2})[0-9]{10}(?:[0-9]{2})?"),
}
_OTHER_BRANDS = re.compile(r"6[0-9]{15}")  # UnionPay, Discover
CARD_LENGTHS = range(14, 17)

# What looks like a card number but is not: UUIDs, digests and keys in hexadecimal, electricity supply points.
_NOT_CARD_NUMBERS = re.compile(
    r"""(?<![0-9a-f])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9a-f])
      | (?<![0-9a-f])(?=[0-9]*[a-f])[0-9a-f]{24,}
      | (?<![0-9])(?:0[1-9]|10)(?P<between>[ -]?)[0-9]{4}(?:(?P=between)[0-9]{4}){4}(?!(?P=between)[0-9])(?![0-9])""",
    re.IGNORECASE | re.VERBOSE,
)
# Groups of digits that may form one number; not the decimals of a fraction.
_GROUPS = re.compile(r"(?<![0-9])(?<![0-9]\.)[0-9]+(?:[ -]{1,3}[0-9]+)*")
# Groups as printed on cards; detected also next to other numbers (an expiry date, a telephone number).
_PRINTED_GROUPS = ((4, 4, 4, 4), (4, 6, 5), (4, 6, 4))


def card_number(text: str) -> str:
    digits = _without_separators(text)
    if not _is_digits(digits):
        raise ValueError("カード番号に使えるのは数字、スペース、ハイフンだけです。カードのとおりに入力してください。")
    if len(digits) not in CARD_LENGTHS:
        raise ValueError(f"カード番号は14～16桁です（入力は{len(digits)}桁）。カードと見比べて、入力し直してください。")
    if not _is_card(digits):
        raise ValueError("カード番号が正しくありません。カードと見比べて、入力し直してください。")
    return digits


def card_brand(digits: str) -> str:
    """The brand; "" for a brand that the carrier's form does not have."""
    return next((brand for brand, numbers in _BRANDS.items() if numbers.fullmatch(digits)), "")


def card_expiry(month: int | str, year: int | str, today: date) -> tuple[int, int]:
    """The month and the year with four digits, also from a year with two digits as on cards. The card is valid until
    the month ends."""
    typed = half_width(str(month)), half_width(str(year))
    if not re.fullmatch("0?[1-9]|1[0-2]", typed[0]):
        raise ValueError("有効期限の月は1～12で入力してください。")
    if not re.fullmatch("(?:20)?[0-9]{2}", typed[1]):
        raise ValueError("有効期限の年は西暦の4桁か下2桁で入力してください（例: 2028、28）。")
    expiry = Month(2000 + int(typed[1][-2:]), int(typed[0]))
    months_ahead = _months_between(Month(today.year, today.month), expiry)
    if months_ahead < 0:
        raise ValueError("カードの有効期限が切れています。別のカードか、ほかの支払方法をお客様に確認してください。")
    if months_ahead > LONGEST_CARD_LIFE * 12:
        raise ValueError(f"有効期限が{LONGEST_CARD_LIFE}年より先です。カードと見比べて、入力し直してください。")
    return expiry.month, expiry.year


def security_code(text: str, brand: str) -> str:
    """Four digits on American Express, three on the others; an unknown brand may have either."""
    code = half_width(text)
    digits = {"AMEX": "4", "": "3～4"}.get(brand, "3")
    if not re.fullmatch({"4": "[0-9]{4}", "3": "[0-9]{3}"}.get(digits, "[0-9]{3,4}"), code):
        raise ValueError(f"このカードのセキュリティコードは{digits}桁の数字です。カードを見て、入力し直してください。")
    return code


def contains_card_number(text: str) -> bool:
    """Whether a free text contains a number that can only be a card number."""
    return any(find_card_numbers(text))


def find_card_numbers(text: str) -> Iterator[str]:
    for match in _GROUPS.finditer(_NOT_CARD_NUMBERS.sub("x", half_width(text))):
        groups = re.split("[ -]+", match[0])
        for digits in _candidates(groups):
            if _is_card(digits):
                yield digits


def _candidates(groups: list[str]) -> Iterator[str]:
    """Candidates for a card number: neighbouring groups of digits joined to a card number's length."""
    lengths = tuple(map(len, groups))
    for start, length in enumerate(lengths):
        if length in CARD_LENGTHS:
            yield groups[start]
        for printed in _PRINTED_GROUPS:
            if lengths[start : start + len(printed)] == printed:
                yield "".join(groups[start : start + len(printed)])
    # Grouped in another way: dates, amounts and the like have shorter groups.
    if len(groups) > 1 and sum(lengths) in CARD_LENGTHS and min(lengths[:-1]) >= 3 and lengths[-1] >= 2:
        yield "".join(groups)


def _is_card(digits: str) -> bool:
    return bool(card_brand(digits) or _OTHER_BRANDS.fullmatch(digits)) and _passes_luhn(digits)


def _passes_luhn(digits: str) -> bool:
    doubled = [int(digit) * (1 + position % 2) for position, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


class Checks:
    """Checks several fields and collects the errors by field. `prefix` is put before the names of the fields."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.errors: list[tuple[str, str]] = []

    def run(self, field: str, check: Callable[..., Checked], *arguments: Any) -> Checked | None:
        """The value that the check returns; None when it raises ValueError, which is collected."""
        try:
            return check(*arguments)
        except ValueError as error:
            self.add_error(field, str(error))
            return None

    def add_error(self, field: str, message: str) -> None:
        self.errors.append((self.prefix + field, message))
