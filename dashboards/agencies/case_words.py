"""The fields of a site, grouped as in 3.2, with their labels, and their values as they are displayed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from dashboards.agencies import words
from dashboards.contract.agencies import FIELDS, SERVICE, Masters, SitesSiteItem

Values = Mapping[str, Any]

GAS_ONLY = ("contract_corporation_type", "saisan_gas_yoto", "ecolog_gas_yoto")
SECTIONS: Mapping[str, Sequence[str]] = {
    "基本情報": ("pps_business_number", "service_type", "application_type"),
    "電力情報": ("power_area", "power_supplier_type", "power_customer_number", "power_customer_location_number"),
    "使用場所": (
        "power_zip_code",
        "power_prefecture",
        "power_city",
        "power_town",
        "power_street",
        "power_building",
        "power_room_number",
        "power_customer_name",
        "power_customer_name_kana",
        "power_branch_name",
        "power_building_type",
    ),
    "明細情報": ("latest_charges", "latest_power_usage", "latest_date"),
    "契約情報": ("power_plan_name", "contract_capacity", "power_amounts_form", "moving_in_date"),
    "ガス": GAS_ONLY,
    "オプション": ("option_plans",),
    "管理": ("note",),
}
LABELS = {field: FIELDS[field] for fields in SECTIONS.values() for field in fields} | {
    # Below the title 使用場所, which the service puts before each of these.
    "power_zip_code": "郵便番号",
    "power_prefecture": "都道府県",
    "power_city": "市区町村",
    "power_town": "町域",
    "power_street": "番地",
    "power_building": "建物名",
}
# The list of the masters that a field's codes belong to.
CODE_LISTS = {
    "pps_business_number": "pps",
    "application_type": "application_type",
    "power_area": "power_area",
    "power_supplier_type": "power_supplier",
    "power_building_type": "building_type",
    "power_amounts_form": "power_factor",
    "contract_corporation_type": "gas_corporation_type",
    "saisan_gas_yoto": "saisan_gas_yoto",
    "ecolog_gas_yoto": "ecolog_gas_yoto",
}
# Fields that are selected, not typed.
SELECT_FIELDS = frozenset({*CODE_LISTS, "power_prefecture", "moving_in_date", "latest_date"})


def sections(service_type: str) -> dict[str, Sequence[str]]:
    """The ガス section is for gas only."""
    return {title: fields for title, fields in SECTIONS.items() if title != "ガス" or service_type == "gas"}


def label(field: str, service_type: str = "electricity") -> str:
    """Gas is measured in another unit."""
    return "最新のガス使用量（m³）" if field == "latest_power_usage" and service_type == "gas" else LABELS[field]


def display_value(field: str, value: Any, masters: Masters) -> str:
    """A value as it is displayed; "" for none."""
    if value in (None, "", []):
        return ""
    if field == "service_type":
        return SERVICE[value]
    if field == "option_plans":
        names = {option["code"]: option["name"] for option in masters["options"]}
        return "、".join(names.get(code, code) for code in value)
    if field in CODE_LISTS:
        return words.titles(masters, CODE_LISTS[field]).get(value, str(value))
    if field == "latest_date":
        return month(str(value))
    if field in FORMATTERS:
        return FORMATTERS[field](value)
    if isinstance(value, (int, float)):
        return f"{value:,g}" if isinstance(value, float) else f"{value:,}"
    return str(value)


def grouped(number: str) -> str:
    """供給地点特定番号 as on a statement: two digits, then groups of four. Numbers of gas stay as they are."""
    if len(number) != 22:
        return number
    return "-".join((number[:2], *(number[start : start + 4] for start in range(2, 22, 4))))


def _zip_code(digits: str) -> str:
    return f"{digits[:3]}-{digits[3:]}" if len(digits) == 7 else digits


# Stored as digits, displayed with hyphens.
FORMATTERS: Mapping[str, Callable[[str], str]] = {
    "power_customer_location_number": grouped,
    "power_zip_code": _zip_code,
}


def months(today: date, count: int) -> list[str]:
    """2026-11 and those before it, the newest first."""
    names = []
    for offset in range(count):
        year, month_index = divmod(today.year * 12 + today.month - 1 - offset, 12)
        names.append(f"{year}-{month_index + 1:02}")
    return names


def month(text: str) -> str:
    """2026年11月; any other text stays as it is."""
    year, dash, number = text.partition("-")
    return f"{year}年{int(number)}月" if dash and year.isdecimal() and number.isdecimal() else text


def name(site: SitesSiteItem, number: int) -> str:
    """The name of a site: its number in the case, and its 店舗名."""
    return f"地点{number}" + (f" {site['power_branch_name']}" if site["power_branch_name"] else "")


def is_empty(value: Any) -> bool:
    return value is None or value in ("", [])


def is_same(left: Any, right: Any) -> bool:
    """Whether two values of a field are the same: options in any order, 1200 and 1200.0."""
    if isinstance(left, list) and isinstance(right, list):
        return sorted(left) == sorted(right)
    return bool((left if left not in ("", []) else None) == (right if right not in ("", []) else None))


def conflicting_fields(base: Values | None, changes: Values, current: Values) -> list[str]:
    """Fields that both sides changed, to different values. A field that only one side changed is no conflict.
    Without `base` (the values that were read) every difference is one."""
    return [
        field
        for field in LABELS
        if field in changes
        and not is_same(changes[field], current[field])
        and (base is None or not is_same(base[field], current[field]))
    ]
