"""Which fields a corporation must have, by its 契約者区分 and payment type. Codes are those of the masters (section
9)."""

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
# The list of the masters that each coded field uses.
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
_BY_TYPE = {
    INDIVIDUAL: ("first_name", "first_name_kana", "birthday"),
    CORPORATION: ("corporation_number", *REPRESENTATIVE, "job_type"),
    TRADE_NAME: (*REPRESENTATIVE, "job_type"),
}
_REQUIRED_BILLING = tuple(name for name in BILLING if name not in ("billing_town", "billing_building"))
MISSING = "入力してください。"
MISSING_CHOICE = "選んでください。"


def normalized_values(checks: fields.Checks, values: Mapping[str, Any], today: date) -> dict[str, Any]:
    """The values, normalized for storage. A value that is not valid adds an error to `checks` and stays as given."""
    normalized = dict(values)
    for name, value in values.items():
        if value in ("", None):
            continue
        if name == "corporation_number":
            checked: Any = checks.run(name, fields.corporation_number, value)
        elif name in KANA:
            checked = checks.run(name, fields.kana, value)
        elif name in ("zip_code", "billing_zip_code"):
            checked = checks.run(name, fields.zip_code, value)
        elif name in ("phone1", "phone2"):
            checked = checks.run(name, fields.phone, value)
        elif name == "mail_address":
            checked = checks.run(name, fields.mail, value)
        elif name in ("birthday", "representative_birthday"):
            checked = checks.run(name, fields.birthday, value, today)
        else:
            continue
        normalized[name] = value if checked is None else checked
    return normalized


def cleared_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that a corporation of this 契約者区分 and billing address does not have, with their empty values."""
    cleared: dict[str, Any] = {}
    if values["customer_type"] == INDIVIDUAL:
        cleared |= dict.fromkeys(REPRESENTATIVE, "") | {"representative_birthday": None}
    if values["customer_type"] != CORPORATION:
        cleared["corporation_number"] = ""
    if values["billing_address_same"]:
        cleared |= dict.fromkeys(BILLING, "")
    return cleared


def missing_fields(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each required field that is empty, with its message."""
    billing = () if values["billing_address_same"] else _REQUIRED_BILLING
    for name in (*_ALWAYS, *_BY_TYPE.get(values["customer_type"], ()), *billing):
        if values[name] in ("", None):
            is_choice = name in CODED or name.endswith("prefecture")
            yield name, MISSING_CHOICE if is_choice else MISSING
