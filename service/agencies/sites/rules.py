"""Rules for the values of a site: pure functions of what was typed and of the stored values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from service.agencies.fields import rules as fields
from service.agencies.rules import SITE_FIELDS, Service
from service.core.values.texts import half_width

# Columns that contain a code, and the list (9) of each.
LISTS = {
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
# In the specification, only gas has these.
GAS_ONLY = ("contract_corporation_type", "saisan_gas_yoto", "ecolog_gas_yoto")
ADDRESS = (
    "power_zip_code",
    "power_prefecture",
    "power_city",
    "power_town",
    "power_street",
    "power_building",
    "power_room_number",
)
# Values of one site that are never copied to the next.
NEVER_COPIED = (
    "power_customer_number",
    "power_customer_location_number",
    "power_branch_name",
    "latest_charges",
    "latest_power_usage",
    "latest_date",
    "note",
)
# The carrier's form cannot be sent without these.
REQUIRED = (
    "pps_business_number",
    "application_type",
    "power_supplier_type",
    "power_customer_location_number",
    "power_zip_code",
    "power_prefecture",
    "power_city",
    "power_street",
    "power_customer_name",
    "power_customer_name_kana",
    "power_plan_name",
)
# 切替: the customer has a supplier and a customer number. The others have a day of moving in or opening.
SWITCHING = ("1", "5")
MOVING_IN = ("2", "4", "5")
_LOCATION = ("power_customer_location_number", "service_type", "power_supplier_type")


def service_from_pps(pps_name: str) -> Service:
    """電気 or ガス, derived from the name of the PPS (2.5: PPS選択から判定)."""
    return Service.GAS if "ガス" in pps_name else Service.ELECTRICITY


def required(site: Mapping[str, Any]) -> list[str]:
    """The columns that must not be empty for 投入済, in the order of the specification."""
    names = set(REQUIRED)
    if site["service_type"] == Service.ELECTRICITY:
        names.add("power_area")
    if site["application_type"] in SWITCHING:
        names.add("power_customer_number")
    if site["application_type"] in MOVING_IN:
        names.add("moving_in_date")
    return [name for name in SITE_FIELDS if name in names]


def missing(site: Mapping[str, Any]) -> list[str]:
    return [name for name in required(site) if site[name] in ("", None)]


def missing_message(name: str) -> str:
    return f"{SITE_FIELDS[name]}を入力してから、投入済にしてください。"


def normalized_values(
    new_values: Mapping[str, Any], current: Mapping[str, Any], today: date
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The typed values, normalized for storage, together with derived values; and the errors by field. `current`: the
    stored values of the site."""
    normalized: dict[str, Any] = {}
    errors: list[tuple[str, str]] = []
    for name, value in new_values.items():
        check = _CHECKS.get(name, _trimmed)
        try:
            normalized[name] = check(value, today) if isinstance(value, str) and value.strip() else _blank(value)
        except ValueError as error:
            errors.append((name, str(error)))
    site = {**current, **normalized}
    if any(normalized.get(name, current[name]) != current[name] for name in _LOCATION) and not errors:
        try:
            normalized |= _location(site)
        except ValueError as error:
            errors.append(("power_customer_location_number", str(error)))
    if site["service_type"] != Service.GAS:
        normalized |= {name: "" for name in GAS_ONLY if site[name]}
    if "option_plans" in normalized:
        normalized["option_plans"] = [*dict.fromkeys(normalized["option_plans"])]
    return normalized, errors


def copied_values(site: Mapping[str, Any], *, with_address: bool) -> dict[str, Any]:
    """The values that a new site copies from another one."""
    excluded = {*NEVER_COPIED, *(() if with_address else ADDRESS)}
    return {name: site[name] for name in SITE_FIELDS if name not in excluded}


def _location(site: Mapping[str, Any]) -> dict[str, str]:
    number = site["power_customer_location_number"]
    if not number:
        return {}
    company = site["power_supplier_type"] or None
    service: fields.Service = "gas" if site["service_type"] == Service.GAS else "electricity"
    return {"power_customer_location_number": fields.supply_point(number, service, company)}


def _trimmed(value: str, today: date) -> str:
    return value.strip()


def _plain(value: str, today: date) -> str:
    return half_width(value)


def _blank(value: Any) -> Any:
    return "" if isinstance(value, str) else value


_CHECKS: Mapping[str, Callable[[str, date], str]] = {
    "service_type": lambda value, _: value,
    "power_customer_number": _plain,
    "power_zip_code": lambda value, _: fields.zip_code(value),
    "power_customer_name_kana": lambda value, _: fields.kana(value),
    "latest_date": fields.usage_month,
    "contract_capacity": _plain,
}
