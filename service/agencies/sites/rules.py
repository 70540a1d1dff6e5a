"""How a site is filled in: pure functions of what was typed and what stood there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from service.agencies.fields import rules as fields
from service.agencies.rules import SITE_FIELDS, Service
from service.core.texts import plain

# Columns that hold a code, and the list (9) that it is of.
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
# The document names these for gas alone.
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
# What one site has and the next one has not: never copied.
OWN = (
    "power_customer_number",
    "power_customer_location_number",
    "power_branch_name",
    "latest_charges",
    "latest_power_usage",
    "latest_date",
    "note",
)
# Without these the carrier's form cannot be sent.
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
# 切替: the customer has a supplier, who gave out a number; the others move in or open, on a day.
SWITCHING = ("1", "5")
MOVING_IN = ("2", "4", "5")
_LOCATION = ("power_customer_location_number", "service_type", "power_supplier_type")


def service_of(pps_name: str) -> Service:
    """電気 or ガス, as the name of the PPS says it (2.5: PPS選択から判定)."""
    return Service.GAS if "ガス" in pps_name else Service.ELECTRICITY


def required(site: Mapping[str, Any]) -> list[str]:
    """The columns that must not be empty for 投入済, in the order of the document."""
    wanted = set(REQUIRED)
    if site["service_type"] == Service.ELECTRICITY:
        wanted.add("power_area")
    if site["application_type"] in SWITCHING:
        wanted.add("power_customer_number")
    if site["application_type"] in MOVING_IN:
        wanted.add("moving_in_date")
    return [name for name in SITE_FIELDS if name in wanted]


def missing(site: Mapping[str, Any]) -> list[str]:
    return [name for name in required(site) if site[name] in ("", None)]


def is_missing(name: str) -> str:
    return f"{SITE_FIELDS[name]}を入力してから、投入済にしてください。"


def cleaned(
    given: Mapping[str, Any], known: Mapping[str, Any], today: date
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """What was typed in the form in which it is kept, with what follows from it; and what is wrong, by field. `known`
    is the site as it stands."""
    new: dict[str, Any] = {}
    wrong: list[tuple[str, str]] = []
    for name, value in given.items():
        check = _CHECKS.get(name, _trimmed)
        try:
            new[name] = check(value, today) if isinstance(value, str) and value.strip() else _emptied(value)
        except ValueError as error:
            wrong.append((name, str(error)))
    site = {**known, **new}
    if any(new.get(name, known[name]) != known[name] for name in _LOCATION) and not wrong:
        try:
            new |= _location(site)
        except ValueError as error:
            wrong.append(("power_customer_location_number", str(error)))
    if site["service_type"] != Service.GAS:
        new |= {name: "" for name in GAS_ONLY if site[name]}
    if "option_plans" in new:
        new["option_plans"] = [*dict.fromkeys(new["option_plans"])]
    return new, wrong


def copied(site: Mapping[str, Any], *, with_address: bool) -> dict[str, Any]:
    """What the next site takes over from one."""
    left_out = {*OWN, *(() if with_address else ADDRESS)}
    return {name: site[name] for name in SITE_FIELDS if name not in left_out}


def _location(site: Mapping[str, Any]) -> dict[str, str]:
    number = site["power_customer_location_number"]
    if not number:
        return {}
    company = site["power_supplier_type"] or None
    kind: fields.Service = "gas" if site["service_type"] == Service.GAS else "electricity"
    return {"power_customer_location_number": fields.supply_point(number, kind, company)}


def _trimmed(value: str, today: date) -> str:
    return value.strip()


def _plain(value: str, today: date) -> str:
    return plain(value)


def _emptied(value: Any) -> Any:
    return "" if isinstance(value, str) else value


_CHECKS: Mapping[str, Callable[[str, date], str]] = {
    "service_type": lambda value, _: value,
    "power_customer_number": _plain,
    "power_zip_code": lambda value, _: fields.zip_code(value),
    "power_customer_name_kana": lambda value, _: fields.kana(value),
    "latest_date": fields.usage_month,
    "contract_capacity": _plain,
}
