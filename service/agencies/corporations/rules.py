"""What has to be known of a corporation, by its 契約者区分 and how it pays. Codes are the masters' (section 9)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from service.agencies.fields import rules as fields

INDIVIDUAL, CORPORATION, TRADE_NAME = "1", "2", "3"
BY_CARD = "1"

REPRESENTATIVE = (
    "representative_last_name",
    "representative_first_name",
    "representative_last_name_kana",
    "representative_first_name_kana",
)
BILLING = (
    "billing_zip_code",
    "billing_prefecture",
    "billing_city",
    "billing_town",
    "billing_street",
    "billing_building",
    "billing_customer_name",
)
KANA = ("last_name_kana", "first_name_kana", "representative_last_name_kana", "representative_first_name_kana")
# Which list of the masters each code is of.
CODED = {
    "customer_type": "customer_type",
    "job_type": "job_type",
    "payment_type": "payment_type",
    "invoice": "invoice",
    "payment_certificate": "payment_certificate",
    "sales_channel_id": "sales_channel",
}
_ALWAYS = (
    "customer_type",
    "last_name",
    "last_name_kana",
    "zip_code",
    "prefecture",
    "city",
    "street",
    "phone1",
    "payment_type",
    "sales_channel_id",
)
_OF_TYPE = {
    INDIVIDUAL: ("first_name", "first_name_kana", "birthday"),
    CORPORATION: ("corporation_number", *REPRESENTATIVE, "job_type"),
    TRADE_NAME: (*REPRESENTATIVE, "job_type"),
}
_BILLED_ELSEWHERE = tuple(name for name in BILLING if name not in ("billing_town", "billing_building"))
MISSING = "入力してください。"
MISSING_CHOICE = "選んでください。"


def written(checks: fields.Checks, given: Mapping[str, Any], today: date) -> dict[str, Any]:
    """The values in the form in which they are kept; what cannot be is complained of, and left as it was given."""
    kept = dict(given)
    for name, value in given.items():
        if value in ("", None):
            continue
        if name == "corporation_number":
            checked: Any = checks.of(name, fields.corporation_number, value)
        elif name in KANA:
            checked = checks.of(name, fields.kana, value)
        elif name in ("zip_code", "billing_zip_code"):
            checked = checks.of(name, fields.zip_code, value)
        elif name in ("phone1", "phone2"):
            checked = checks.of(name, fields.phone, value)
        elif name == "mail_address":
            checked = checks.of(name, fields.mail, value)
        elif name in ("birthday", "representative_birthday"):
            checked = checks.of(name, fields.birthday, value, today)
        else:
            continue
        kept[name] = value if checked is None else checked
    return kept


def emptied(values: Mapping[str, Any]) -> dict[str, Any]:
    """What has no place for a corporation of this kind, with the value of nothing."""
    gone: dict[str, Any] = {}
    if values["customer_type"] == INDIVIDUAL:
        gone |= dict.fromkeys(REPRESENTATIVE, "") | {"representative_birthday": None}
    if values["customer_type"] != CORPORATION:
        gone["corporation_number"] = ""
    if values["billing_address_same"]:
        gone |= dict.fromkeys(BILLING, "")
    return gone


def missing(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each field that is empty and must not be, with the words for it."""
    elsewhere = () if values["billing_address_same"] else _BILLED_ELSEWHERE
    for name in (*_ALWAYS, *_OF_TYPE.get(values["customer_type"], ()), *elsewhere):
        if values[name] in ("", None):
            chosen = name in CODED or name.endswith("prefecture")
            yield name, MISSING_CHOICE if chosen else MISSING
