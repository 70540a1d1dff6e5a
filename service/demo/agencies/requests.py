"""The demo's requests: the figures of 3.6 to the last one, over the weeks before the day on which it is filled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.agencies.corporations.models import Corporation
from service.agencies.models import Request, Site
from service.agencies.requests.models import Comment, Image, Read
from service.agencies.rules import CommentType, Service, Status, aggregate, has_open_work
from service.core.access.identity import User
from service.core.database.clock import app_now
from service.core.values.times import DAY, at, local_date, month_of
from service.demo.agencies.corporations import Company, companies
from service.demo.agencies.statements import Statement, store
from service.demo.files import Row, insert_trees, load

STATUSES = {"D": Status.DEFICIENT, "W": Status.WORKING, "E": Status.ENTERED, "C": Status.CANCELLED}
WEEKDAYS_BACK = 45
# How the remarks of a shop that is about to open begin.
OPENING = "開業"


@dataclass(frozen=True)
class _Case:
    """A request on its way to the tables. `data`: as the file has it."""

    data: Mapping[str, Any]
    agency: Mapping[str, Any]
    company: Company
    corporation_id: int
    sales: int
    created_at: datetime
    sites: list[Row]


def fill(db: Session, agencies: Mapping[str, int]) -> None:
    """`agencies`: code → id."""
    users = dict(db.execute(select(User.login_id, User.id)).all())
    operator = users["agencies-operator"]
    cases = sorted(_cases(db, agencies, users), key=lambda case: case.created_at)
    rows = [_row(case, operator) for case in cases]
    for case, row, request_id in zip(cases, rows, insert_trees(db, Request, rows), strict=True):
        keys = {"agency_id": row["agency_id"], "request_id": request_id}
        own = keys | {"corporation_id": case.corporation_id}
        sites = insert_trees(db, Site, [site | own for site in case.sites])
        _add_comments(db, case, keys, sites, (operator, case.sales))
        _add_images(db, case, keys, sites)


def _cases(db: Session, agencies: Mapping[str, int], users: Mapping[str, int]) -> Iterator[_Case]:
    days, now, rng = _weekdays(app_now(db)), app_now(db), Random(20260212)
    begun = at(days[-1] - 20 * DAY, time(9))
    accounts, first = load("agencies")["accounts"], 1
    for agency in load("agencies")["agencies"]:
        code = agency["code"]
        agency_companies = companies(agency, agencies[code], first)
        first += len(agency_companies)
        ids = insert_trees(
            db,
            Corporation,
            [company.values | {"created_at": begun, "updated_at": begun} for company in agency_companies],
        )
        sales = [users[login_id] for login_id, account in accounts.items() if account.get("at") == code]
        # How many sites of a corporation other requests have.
        earlier: Counter[int] = Counter()
        for request in _requests(agency):
            index = request["corporation"] % len(agency_companies)
            created_at = now - timedelta(minutes=35 + request["corporation"])
            if request["back"]:
                created_at = at(days[request["back"] - 1], time(9 + rng.randrange(8), rng.randrange(60)))
            sites = _sites(agency, agency_companies[index], request, rng, created_at, days, earlier[index])
            earlier[index] += len(sites)
            by = sales[request.get("by", 0) % len(sales)]
            yield _Case(request, agency, agency_companies[index], ids[index], by, created_at, sites)


def _requests(agency: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for request in agency["requests"]:
        if "done" not in request:
            yield request
            continue
        step = (WEEKDAYS_BACK - 4) / len(request["done"])
        for index, count in enumerate(request["done"]):
            done = {"corporation": request["corporation"] + index, "back": round(WEEKDAYS_BACK - index * step)}
            done |= {"sites": "E" * count, "by": index % 2, "declared": count}
            yield done | {"gas": [count - 1] if count > 2 else []}


def _weekdays(now: datetime) -> list[date]:
    """The last ones before today, the newest first."""
    days = (local_date(now) - DAY * back for back in range(1, 2 * WEEKDAYS_BACK))
    return [day for day in days if day.weekday() < 5]


def _sites(
    agency: Mapping[str, Any],
    company: Company,
    request: Mapping[str, Any],
    rng: Random,
    created_at: datetime,
    days: Sequence[date],
    earlier: int,
) -> list[Row]:
    sites = []
    for index, letter in enumerate(request["sites"]):
        status, entered_at = STATUSES[letter], None
        if status is Status.ENTERED:
            back = request["entered"][index] if "entered" in request else max(1, request["back"] - 2)
            entered_at = at(days[back - 1], time(17, 5 + 3 * index))
        begun = created_at + timedelta(hours=1, minutes=10 * index)
        site = _site(agency, company, earlier + index, rng, is_gas=index in request.get("gas", ()))
        if request.get("remarks", "").startswith(OPENING):
            site |= {"application_type": "5", "moving_in_date": date(2026, 4, 1)}
        site |= {
            "status": status.value,
            "entered_at": entered_at,
            "created_at": begun,
            "updated_at": entered_at or begun,
        }
        # The statement is the month's before.
        sites.append(site | {"latest_date": str(month_of(created_at).plus(-1))})
    return sites


def _site(agency: Mapping[str, Any], company: Company, index: int, rng: Random, *, is_gas: bool) -> Row:
    area = agency["power_area"]
    zip_code, prefecture, city, town = company.places[index % len(company.places)]
    own = company.values
    three_phase = not is_gas and rng.random() < 0.3
    usage = rng.randrange(180, 5200)
    return {
        "service_type": (Service.GAS if is_gas else Service.ELECTRICITY).value,
        "pps_business_number": ("G02" if index % 2 else "G01") if is_gas else "E01",
        "application_type": "1",
        "moving_in_date": None,
        "power_area": area,
        "power_supplier_type": "99" if is_gas else area,
        "power_customer_number": f"{rng.randrange(10**10, 10**11)}",
        "power_customer_location_number": f"{rng.randrange(10**16, 10**17)}"
        if is_gas
        else f"{area}{rng.randrange(10**19, 10**20)}",
        "power_zip_code": zip_code,
        "power_prefecture": prefecture,
        "power_city": city,
        "power_town": town,
        "power_street": own["street"] if not index else f"{1 + rng.randrange(6)}-{1 + rng.randrange(30)}",
        "power_building_type": "1" if own["customer_type"] == "1" else "3",
        "power_branch_name": company.branches[index] if index < len(company.branches) else f"{town}店",
        "power_customer_name": f"{own['last_name']} {own['first_name']}".strip(),
        "power_customer_name_kana": f"{own['last_name_kana']}　{own['first_name_kana']}".strip(),
        "power_plan_name": "業務用ガス" if is_gas else "低圧電力" if three_phase else "従量電灯C",
        "contract_capacity": "" if is_gas else f"{rng.randrange(4, 20)}kW" if three_phase else "10kVA",
        "power_amounts_form": "90" if three_phase else "",
        "latest_charges": usage * 31 + rng.randrange(900),
        "latest_power_usage": usage,
        "option_plans": ["OPT021261"] if own["job_type"] in "12" and not is_gas else [],
        "contract_corporation_type": "1" if is_gas else "",
        "saisan_gas_yoto": "1" if is_gas and index % 2 else "",
        "ecolog_gas_yoto": "2" if is_gas and not index % 2 else "",
    }


def _row(case: _Case, operator: int) -> Row:
    data, statuses = case.data, [Status(site["status"]) for site in case.sites]
    deficient = any(_is_open_deficiency(comment) for comment in data.get("comments", ()))
    is_claimed = data.get("claimed", False)
    return {
        "agency_id": case.company.values["agency_id"],
        "corporation_id": case.corporation_id,
        "requested_by": case.sales,
        "status": aggregate(statuses, deficient=deficient).value,
        "is_open": has_open_work(statuses, deficient=deficient),
        "remarks": data.get("remarks", ""),
        "site_count": data.get("declared", 0),
        "claimed_by": operator if is_claimed else None,
        "claimed_at": case.created_at + timedelta(minutes=50) if is_claimed else None,
        "created_at": case.created_at,
        "updated_at": max((case.created_at, *(site["updated_at"] for site in case.sites))),
    }


def _is_open_deficiency(comment: Mapping[str, Any]) -> bool:
    """Of the whole request."""
    return comment.get("deficiency", False) and "site" not in comment and not comment.get("resolved", False)


def _add_comments(
    db: Session, case: _Case, keys: Mapping[str, int], sites: Sequence[int], user_ids: tuple[int, int]
) -> None:
    """What was said, and up to where either side has read it."""
    comments, rows = case.data.get("comments", ()), []
    for comment in comments:
        moment = case.created_at + timedelta(hours=comment.get("hours", 3))
        kind = CommentType.DEFICIENCY if comment.get("deficiency", False) else CommentType.COMMENT
        row = {"site_id": sites[comment["site"]] if "site" in comment else None, "type": kind.value, **keys}
        row |= {
            "author_id": user_ids[comment.get("by_sales", False)],
            "message": comment["message"],
            "created_at": moment,
        }
        rows.append(row | {"resolved_at": moment + timedelta(hours=20) if comment.get("resolved", False) else None})
    ids = insert_trees(db, Comment, rows)
    for is_sales, user_id in enumerate(user_ids):
        seen = [
            number
            for number, comment in zip(ids, comments, strict=True)
            if comment.get("by_sales", False) == is_sales or not comment.get("unread", False)
        ]
        if seen:
            db.add(Read(**keys, user_id=user_id, comment_id=max(seen)))


def _add_images(db: Session, case: _Case, keys: Mapping[str, int], sites: Sequence[int]) -> None:
    """明細画像, tied to the sites that were made of them."""
    values = case.company.values
    for number in range(case.data.get("images", 0)):
        # Of a statement that nobody has entered yet.
        site_values: Mapping[str, Any] = {
            "power_customer_number": f"{40718200000 + keys['request_id']}",
            "power_customer_location_number": f"{case.agency['power_area']}001234"
            f"{len(case.agency['corporations']):06}{case.data['corporation']:04}{number:04}",
            "latest_charges": 48210,
            "latest_power_usage": 1320,
            "service_type": Service.ELECTRICITY.value,
        }
        if number < len(sites):
            site_values = case.sites[number]
        statement = Statement(
            name=f"{values['last_name']} {values['first_name']}".strip(),
            place=f"{values['prefecture']}{values['city']}{values['town']}{values['street']}",
            customer_number=site_values["power_customer_number"],
            location=site_values["power_customer_location_number"],
            month=str(month_of(case.created_at).plus(-1)),
            charges=site_values["latest_charges"],
            usage=site_values["latest_power_usage"],
            is_gas=site_values["service_type"] == Service.GAS.value,
            is_blurred=case.data.get("blurred", False) and not number,
        )
        file = store(db, statement, f"検針票_{values['last_name']}_{number + 1}.jpg", keys["agency_id"])
        tied = sites[number] if number < len(sites) else None
        db.add(Image(**keys, site_id=tied, file_id=file.id, file_name=file.name, uploaded_at=case.created_at))
