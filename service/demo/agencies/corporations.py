"""Who the demo's agencies apply for. Their 法人番号 name a registry that does not exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from service.agencies.fields.rules import check_digit
from service.demo.files import load

NATURAL, LEGAL, TRADE = "1", "2", "3"


@dataclass(frozen=True)
class Company:
    """`values` are columns of the table; `places` where its sites are, the own address first."""

    values: dict[str, Any]
    branches: Sequence[str]
    places: Sequence[Sequence[str]]


def companies(agency: Mapping[str, Any], agency_id: int, first: int) -> list[Company]:
    """Those of an agency; `first` is the number of the first one in the whole demo."""
    return [
        _company(agency, agency_id, number, corporation)
        for number, corporation in enumerate(agency["corporations"], first)
    ]


def _company(agency: Mapping[str, Any], agency_id: int, number: int, corporation: Sequence[Any]) -> Company:
    name, kana, place, street, job, branches = corporation
    kind = (
        NATURAL
        if " " in kana
        else LEGAL
        if name.startswith(tuple(load("agencies")["corporations"]["legal"]))
        else TRADE
    )
    last, _, first = name.partition(" ") if kind == NATURAL else (name, "", "")
    last_kana, _, first_kana = kana.partition(" ")
    places = agency["places"]
    zip_code, prefecture, city, town = places[place]
    base = f"{990001000000 + number:012}"
    values = {
        "agency_id": agency_id,
        "customer_type": kind,
        "corporation_number": check_digit(base) + base if kind == LEGAL else "",
        "last_name": last,
        "first_name": first,
        "last_name_kana": last_kana,
        "first_name_kana": first_kana,
        **_chief(kind, number),
        "birthday": date(1962 + number % 30, 1 + number % 12, 1 + number * 7 % 28) if kind == NATURAL else None,
        "zip_code": zip_code,
        "prefecture": prefecture,
        "city": city,
        "town": town,
        "street": street,
        "phone1": agency["customer_phone"].format(1000 + number * 37),
        "mail_address": f"office{number:03}@example.jp",
        "job_type": job,
        # Nobody of the demo pays by card.
        "payment_type": "3" if number % 3 == 0 else "2",
        "invoice": "3" if number % 4 == 0 else "0",
        "sales_channel_id": "123567"[number % 6],
    }
    return Company(values, branches or ("本社" if job in "478" else "本店",), [*places[place:], *places[:place]])


def _chief(kind: str, number: int) -> dict[str, Any]:
    """代表者, of what is no person itself."""
    chiefs = load("agencies")["corporations"]["chiefs"]
    last, first, last_kana, first_kana = ("",) * 4 if kind == NATURAL else chiefs[number % len(chiefs)]
    birthday = None if kind == NATURAL else date(1955 + number % 35, 1 + number % 12, 1 + number * 5 % 28)
    return {
        "representative_last_name": last,
        "representative_first_name": first,
        "representative_last_name_kana": last_kana,
        "representative_first_name_kana": first_kana,
        "representative_birthday": birthday,
    }
