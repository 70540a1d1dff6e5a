"""A site's fields as 3.2 groups them, with their words, and its values as people read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from dashboards.agencies import words

Values = Mapping[str, Any]

LABELS = {
    "pps_business_number": "PPS番号",
    "service_type": "サービス種別",
    "application_type": "申込区分",
    "power_area": "電力供給エリア",
    "power_supplier_type": "現在の電力会社",
    "power_customer_number": "お客様番号",
    "power_customer_location_number": "供給地点特定番号",
    "power_zip_code": "郵便番号",
    "power_prefecture": "都道府県",
    "power_city": "市区町村",
    "power_town": "町域",
    "power_street": "番地",
    "power_building": "建物名",
    "power_room_number": "部屋番号",
    "power_customer_name": "名義",
    "power_customer_name_kana": "名義カナ",
    "power_branch_name": "店舗名",
    "power_building_type": "建物区分",
    "latest_charges": "最新の明細料金（円）",
    "latest_power_usage": "最新の電力使用量（kWh）",
    "latest_date": "最新の明細年月",
    "power_plan_name": "契約プラン",
    "contract_capacity": "契約容量",
    "power_amounts_form": "力率",
    "moving_in_date": "入居日/開業日",
    "contract_corporation_type": "契約者法人種別",
    "saisan_gas_yoto": "サイサンガス専用業種",
    "ecolog_gas_yoto": "エコログガス用途分類",
    "option_plans": "オプションサービス",
    "note": "メモ/備考",
}
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
# Which list of the masters a field's codes are of.
CODED = {
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
# What is chosen and not typed.
CHOSEN = frozenset({*CODED, "power_prefecture", "moving_in_date", "latest_date"})


def sections(service_type: str) -> dict[str, Sequence[str]]:
    """Gas fields stand there for gas alone."""
    return {title: fields for title, fields in SECTIONS.items() if title != "ガス" or service_type == "gas"}


def label(field: str, service_type: str = "electricity") -> str:
    """What gas is measured in is another thing."""
    return "最新のガス使用量（m³）" if field == "latest_power_usage" and service_type == "gas" else LABELS[field]


def shown(field: str, value: Any, masters: Values) -> str:
    """A value as people read it; "" for none."""
    if value in (None, "", []):
        return ""
    if field == "service_type":
        return words.SERVICE[value]
    if field == "option_plans":
        names = {one["code"]: one["name"] for one in masters["options"]}
        return "、".join(names.get(code, code) for code in value)
    if field in CODED:
        return words.titles(masters, CODED[field]).get(value, str(value))
    if field == "latest_date":
        return month(str(value))
    if field in GROUPED:
        return GROUPED[field](value)
    if isinstance(value, (int, float)):
        return f"{value:,g}" if isinstance(value, float) else f"{value:,}"
    return str(value)


def grouped(number: str) -> str:
    """供給地点特定番号 as a statement writes it: two digits, then groups of four; of gas as it is."""
    if len(number) != 22:
        return number
    return "-".join((number[:2], *(number[at : at + 4] for at in range(2, 22, 4))))


def _zip_code(digits: str) -> str:
    return f"{digits[:3]}-{digits[3:]}" if len(digits) == 7 else digits


# Kept as digits, and read with hyphens.
GROUPED: Mapping[str, Callable[[str], str]] = {"power_customer_location_number": grouped, "power_zip_code": _zip_code}


def months(today: date, count: int) -> list[str]:
    """2026-11 and those before it, the newest first."""
    found = []
    for back in range(count):
        year, place = divmod(today.year * 12 + today.month - 1 - back, 12)
        found.append(f"{year}-{place + 1:02}")
    return found


def month(written: str) -> str:
    """2026年11月; whatever else somebody typed stays as it is."""
    year, dash, number = written.partition("-")
    return f"{year}年{int(number)}月" if dash and year.isdecimal() and number.isdecimal() else written


def name(site: Values, place: int) -> str:
    """What people call a site: its place in the case, and its 店舗名."""
    return f"地点{place}" + (f" {site['power_branch_name']}" if site["power_branch_name"] else "")


def is_empty(value: Any) -> bool:
    return value is None or value in ("", [])


def same(one: Any, other: Any) -> bool:
    """Whether two values of a field are the same: options in any order, 1200 and 1200.0."""
    if isinstance(one, list) and isinstance(other, list):
        return sorted(one) == sorted(other)
    return bool((one if one not in ("", []) else None) == (other if other not in ("", []) else None))


def contested(base: Values | None, typed: Values, current: Values) -> list[str]:
    """Fields that both sides changed, differently. What only one side changed is nobody's quarrel; where nobody knows
    what was read (`base`), whatever is different is."""
    return [
        field
        for field in LABELS
        if field in typed
        and not same(typed[field], current[field])
        and (base is None or not same(base[field], current[field]))
    ]
