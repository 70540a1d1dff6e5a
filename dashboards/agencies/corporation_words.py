"""The labels of a corporation's fields, and its values as they are displayed."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from dashboards.agencies.words import titles
from dashboards.contract.agencies import FIELDS, Masters
from dashboards.ui import times
from dashboards.ui.links import mail, telephone

PATH = "/api/agencies/corporations"
Values = Mapping[str, Any]

INDIVIDUAL, CORPORATION, TRADE_NAME = "1", "2", "3"
BY_CARD = "1"
PREFECTURES = [
    "北海道",
    "青森県",
    "岩手県",
    "宮城県",
    "秋田県",
    "山形県",
    "福島県",
    "茨城県",
    "栃木県",
    "群馬県",
    "埼玉県",
    "千葉県",
    "東京都",
    "神奈川県",
    "新潟県",
    "富山県",
    "石川県",
    "福井県",
    "山梨県",
    "長野県",
    "岐阜県",
    "静岡県",
    "愛知県",
    "三重県",
    "滋賀県",
    "京都府",
    "大阪府",
    "兵庫県",
    "奈良県",
    "和歌山県",
    "鳥取県",
    "島根県",
    "岡山県",
    "広島県",
    "山口県",
    "徳島県",
    "香川県",
    "愛媛県",
    "高知県",
    "福岡県",
    "佐賀県",
    "長崎県",
    "熊本県",
    "大分県",
    "宮崎県",
    "鹿児島県",
    "沖縄県",
]
# 3.1: the sections of the form, and their fields.
SECTIONS: Mapping[str, Sequence[str]] = {
    "契約者区分": ("customer_type",),
    "契約者名": ("corporation_number", "last_name", "first_name", "last_name_kana", "first_name_kana"),
    "代表者名": (
        "representative_last_name",
        "representative_first_name",
        "representative_last_name_kana",
        "representative_first_name_kana",
    ),
    "住所": ("zip_code", "prefecture", "city", "town", "street", "building_name"),
    "連絡先": ("phone1", "phone2", "mail_address"),
    "生年月日": ("birthday", "representative_birthday"),
    "業種": ("job_type",),
    "支払方法": ("payment_type", "invoice", "payment_certificate"),
    "請求書送付先": (
        "billing_address_same",
        "billing_zip_code",
        "billing_prefecture",
        "billing_city",
        "billing_town",
        "billing_street",
        "billing_building",
        "billing_customer_name",
    ),
    "営業チャネル": ("sales_channel_id",),
}
LABELS = {field: FIELDS[field] for fields in SECTIONS.values() for field in fields} | {
    # It is shown with `SAME` or `ELSEWHERE`.
    "billing_address_same": "請求書送付先",
}
# The list of the masters that a field's codes belong to.
CODE_LISTS = {
    "customer_type": "customer_type",
    "job_type": "job_type",
    "payment_type": "payment_type",
    "invoice": "invoice",
    "payment_certificate": "payment_certificate",
    "sales_channel_id": "sales_channel",
}
LINKS: Mapping[str, Callable[[str], str]] = {"phone1": telephone, "phone2": telephone, "mail_address": mail}
SAME, ELSEWHERE = "契約者住所と同じ", "別の住所に送る"
# A company and a trade have one name, a person has two. "": the field is not shown.
NAMES: Mapping[str, Mapping[str, str]] = {
    CORPORATION: {"last_name": "会社名", "last_name_kana": "会社名カナ", "first_name": "", "first_name_kana": ""},
    TRADE_NAME: {"last_name": "屋号", "last_name_kana": "屋号カナ", "first_name": "", "first_name_kana": ""},
}


def corporation_url(corporation_id: int) -> str:
    """The address of 法人詳細."""
    return f"/corporation?id={corporation_id}"


def display_value(field: str, value: Any, masters: Masters) -> str:
    """A value as it is displayed; "" for none."""
    if field == "billing_address_same":
        return SAME if value else ELSEWHERE
    if value in (None, ""):
        return ""
    if field in CODE_LISTS:
        return titles(masters, CODE_LISTS[field]).get(str(value), str(value))
    if field.endswith("zip_code") and len(str(value)) == 7:
        return f"{value[:3]}-{value[3:]}"
    if field.endswith("birthday"):
        return times.day(date.fromisoformat(str(value)))
    return str(value)


def fact(field: str, value: Any, masters: Masters) -> str:
    """A value for `details.facts`: numbers can be called, and mails written."""
    return LINKS.get(field, str)(display_value(field, value, masters))


def visible_sections(values: Values) -> dict[str, Sequence[str]]:
    """The sections for a corporation of this kind, each with its fields."""
    sections = dict(SECTIONS)
    if values.get("customer_type") not in (CORPORATION, TRADE_NAME):
        del sections["代表者名"]
        sections["生年月日"] = ("birthday",)
        sections["契約者名"] = SECTIONS["契約者名"][1:]
    elif values.get("customer_type") == TRADE_NAME:
        sections["契約者名"] = SECTIONS["契約者名"][1:]
    if values.get("billing_address_same", True):
        sections["請求書送付先"] = ("billing_address_same",)
    return sections


def label(field: str, customer_type: str) -> str:
    """The label for a corporation of this kind; "" when it does not have the field."""
    return NAMES.get(customer_type, {}).get(field, LABELS[field])


def facts(values: Values, masters: Masters) -> dict[str, dict[str, str]]:
    """Section → label → value, for a page, or for the confirmation before sending."""
    customer_type = str(values.get("customer_type"))
    return {
        section: {
            title: fact(field, values.get(field), masters) for field in fields if (title := label(field, customer_type))
        }
        for section, fields in visible_sections(values).items()
    }


def card_summary(card: Values | None) -> dict[str, str]:
    """A card that was just typed, for the confirmation: only the last four digits of its number."""
    if not card:
        return {}
    number = "".join(filter(str.isdigit, unicodedata.normalize("NFKC", card["number"])))
    code = "入力済み" if card.get("security_code") else ""
    return {
        "カード番号": f"**** **** **** {number[-4:]}",
        "有効期限": f"{card['expire_month']}月 / {card['expire_year']}年",
        "カード名義": card["holder"],
        **({"セキュリティコード": code} if code else {}),
    }
