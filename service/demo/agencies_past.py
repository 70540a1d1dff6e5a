"""The demo's requests: the figures of 3.6 to the last one, over the weeks before the day on which it is filled."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from service.agencies.corporations.models import Corporation
from service.agencies.models import Request, Site
from service.agencies.requests.models import Comment, Image, Read
from service.agencies.rules import CommentType, Service, Status, aggregate, has_open_work
from service.core.database.clock import app_now
from service.core.values.times import DAY, at, local_date, month_of
from service.demo.agencies_corporations import AREA_CODES, KNOWN, Company, companies
from service.demo.agencies_statements import Statement, store

OPERATOR = "agencies-operator"
STATUSES = {"D": Status.DEFICIENT, "W": Status.WORKING, "E": Status.ENTERED, "C": Status.CANCELLED}
WEEKDAYS_BACK = 45
# How the remarks of a shop that is about to open begin.
OPENING = "開業"


@dataclass(frozen=True)
class Said:
    """`site` counts from 0; `by_sales`: the answer. An open deficiency is not `resolved`; what is `unread` the other
    side has not seen."""

    message: str
    site: int | None = None
    deficiency: bool = True
    resolved: bool = False
    by_sales: bool = False
    unread: bool = False
    hours: int = 3


@dataclass(frozen=True)
class Plan:
    """A request: of which of the agency's corporations, how many weekdays ago, the statuses of its sites (a letter
    each), and the images of it, tied to the sites in their order while there are any."""

    corporation: int
    back: int
    sites: str
    by: int = 0
    remarks: str = ""
    declared: int = 0
    images: int = 0
    blurred: bool = False
    claimed: bool = False
    gas: Sequence[int] = ()
    # Weekdays ago on which each site was entered; the usual is two days after the request.
    entered: Sequence[int] = ()
    said: Sequence[Said] = field(default=())


def _done(start: int, *sites: int) -> list[Plan]:
    """Requests that are 投入済, the oldest first, a corporation after another from this one on."""
    step = (WEEKDAYS_BACK - 4) / len(sites)
    return [
        Plan(start + place, round(WEEKDAYS_BACK - place * step), "E" * count, by=place % 2, declared=count,
             gas=(count - 1,) if count > 2 else ())
        for place, count in enumerate(sites)
    ]  # fmt: skip


# 依頼件数 25 / 18 / 8, 不備 3 / 1 / 0, 対応中 5 / 2 / 1, 投入済 17 / 15 / 7, 獲得地点 42 / 31 / 10.
PLANS: Mapping[str, Sequence[Plan]] = {
    "AAA": (
        # The document's example (3.3).
        Plan(0, 9, "EEE", declared=3, gas=(2,), entered=(2, 4, 5)),
        Plan(1, 3, "E", declared=1, entered=(1,)),
        *_done(2, 4, 2, 3, 2, 2, 3, 1, 4, 2, 3, 2, 3, 2, 3, 1),
        Plan(
            17, 1, "", images=2, blurred=True, declared=2, remarks="2店舗分です。明細はお客様が撮った写真です。",
            said=(
                Said("明細画像がぼやけており、供給地点特定番号が読めません。撮り直してお送りください。", unread=True),
            ),
        ),
        Plan(
            18, 3, "DW", images=2, declared=2, claimed=True, remarks="支払いは店舗ごとに分割してください。",
            said=(Said("名義が前の契約者のままです。現在のご契約名義をお客様に確認してください。", site=0),),
        ),
        Plan(
            6, 7, "D", by=1, declared=1, remarks="大井町の作業場を追加します。明細は後日届きます。",
            said=(
                Said("お客様番号の桁数が足りません。検針票の番号を確認してください。", site=0, hours=5),
                Said("お客様に問い合わせています。今週中に回答します。", deficiency=False, by_sales=True, hours=26),
            ),
        ),
        Plan(19, 0, "", images=1, declared=1, remarks="自宅兼事務所です。日中は携帯電話へご連絡ください。"),
        Plan(3, 1, "WW", by=1, images=2, declared=2, claimed=True, gas=(1,)),
        Plan(
            8, 4, "W", images=1, declared=1,
            said=(
                Said("2枚目の明細画像に別の会社の名前があります。正しい明細をお送りください。", resolved=True, hours=4),
                Said("正しい明細に差し替えました。ご確認をお願いします。", deficiency=False, by_sales=True,
                     unread=True, hours=27),
            ),
        ),
        Plan(11, 2, "", by=1, declared=3, remarks="明細画像はありません。3地点とも東京電力、契約容量は10kVAです。"),
        # Nothing is left to do of it, and yet it is no 投入済 (4.2).
        Plan(15, 12, "EC", declared=2, said=(
            Said("1地点はお客様の都合で取りやめになりました。", deficiency=False, by_sales=True, hours=20),
        )),
    ),
    "BBB": (
        *_done(0, 3, 2, 2, 1, 3, 2, 2, 2, 1, 3, 2, 2, 2, 3),
        Plan(4, 6, "E", declared=1),
        Plan(
            2, 2, "DW", images=1, declared=2, claimed=True, remarks="倉庫と店頭の2か所です。",
            said=(
                Said("使用場所の番地が検針票と違います。実際に電気を使う住所をお知らせください。", site=0, unread=True),
            ),
        ),
        Plan(7, 1, "W", images=1, declared=1, remarks="契約プランは低圧電力を希望されています。"),
        Plan(9, 0, "", declared=2, remarks="明細は郵送で届き次第お送りします。吹田と堺の2地点です。"),
    ),
    "TANAKA": (
        *_done(0, 2, 1, 1, 2, 1, 2, 1),
        Plan(3, 1, "W", images=1, declared=1, remarks="開業にあわせた切り替えです。"),
    ),
}  # fmt: skip


@dataclass
class _Made:
    """A request on its way to the tables."""

    plan: Plan
    code: str
    company: Company
    corporation_id: int
    created_at: datetime
    sites: list[dict[str, Any]]
    comments: list[dict[str, Any]]


def fill(db: Session, agencies: Mapping[str, int], sales: Mapping[str, Sequence[int]], operator: int) -> None:
    """`agencies`: code → id; `sales`: code → those who work for it."""
    now, chance = app_now(db), random.Random(20260212)
    made: list[_Made] = []
    first = 1
    for code, plans in PLANS.items():
        known = companies(code, agencies[code], first)
        first += len(known)
        begun = at(_weekdays(now)[-1] - 20 * DAY, time(9))
        ids = _insert(db, Corporation, [one.values | {"created_at": begun, "updated_at": begun} for one in known])
        earlier: Counter[int] = Counter()
        for plan in plans:
            place = plan.corporation % len(known)
            made.append(_request(plan, code, known[place], ids[place], now, chance, earlier[place]))
            earlier[place] += len(plan.sites)
    made.sort(key=lambda one: one.created_at)
    rows = [_request_row(one, agencies, sales, operator) for one in made]
    for one, request_id in zip(made, _insert(db, Request, rows), strict=True):
        keys = {"agency_id": agencies[one.code], "request_id": request_id}
        sites = _insert(db, Site, [site | keys | {"corporation_id": one.corporation_id} for site in one.sites])
        people = (operator, sales[one.code][one.plan.by % len(sales[one.code])])
        _talk(db, one, keys, sites, people)
        _pictures(db, one, keys, sites)


def _insert(db: Session, model: Any, rows: list[dict[str, Any]]) -> list[int]:
    """Their ids, in their order."""
    if not rows:
        return []
    return list(db.scalars(insert(model).returning(model.id, sort_by_parameter_order=True), rows))


def _weekdays(now: datetime) -> list[date]:
    """The last ones before today, the newest first."""
    days = (local_date(now) - DAY * back for back in range(1, 2 * WEEKDAYS_BACK))
    return [day for day in days if day.weekday() < 5]


def _request(
    plan: Plan,
    code: str,
    company: Company,
    corporation_id: int,
    now: datetime,
    chance: random.Random,
    earlier: int,
) -> _Made:
    """`earlier`: how many sites of the corporation other requests have."""
    days = _weekdays(now)
    created_at = now - timedelta(minutes=35 + plan.corporation)
    if plan.back:
        created_at = at(days[plan.back - 1], time(9 + chance.randrange(8), chance.randrange(60)))
    sites = []
    for place, letter in enumerate(plan.sites):
        status = STATUSES[letter]
        entered_at = None
        if status is Status.ENTERED:
            back = plan.entered[place] if plan.entered else max(1, plan.back - 2)
            entered_at = at(days[back - 1], time(17, 5 + 3 * place))
        begun = created_at + timedelta(hours=1, minutes=10 * place)
        sites.append(
            _site(
                code,
                company,
                earlier + place,
                chance,
                is_gas=place in plan.gas,
                is_new=plan.remarks.startswith(OPENING),
            )
            | {"status": status.value, "entered_at": entered_at, "created_at": begun, "updated_at": entered_at or begun}
        )
    return _Made(plan, code, company, corporation_id, created_at, _dated(sites, created_at), [])


def _dated(sites: list[dict[str, Any]], created_at: datetime) -> list[dict[str, Any]]:
    """The statement is the month's before."""
    return [site | {"latest_date": str(month_of(created_at).plus(-1))} for site in sites]


def _site(
    code: str, company: Company, place: int, chance: random.Random, *, is_gas: bool, is_new: bool
) -> dict[str, Any]:
    area = AREA_CODES[code][0]
    zip_code, prefecture, city, town = company.places[place % len(company.places)]
    own = company.values
    named = company.branches[place] if place < len(company.branches) else f"{town}店"
    three_phase = not is_gas and chance.random() < 0.3
    usage = chance.randrange(180, 5200)
    return {
        "service_type": (Service.GAS if is_gas else Service.ELECTRICITY).value,
        "pps_business_number": ("G02" if place % 2 else "G01") if is_gas else "E01",
        "application_type": "5" if is_new else "1",
        "moving_in_date": date(2026, 4, 1) if is_new else None,
        "power_area": area,
        "power_supplier_type": "99" if is_gas else area,
        "power_customer_number": f"{chance.randrange(10**10, 10**11)}",
        "power_customer_location_number": f"{chance.randrange(10**16, 10**17)}"
        if is_gas
        else f"{area}{chance.randrange(10**19, 10**20)}",
        "power_zip_code": zip_code,
        "power_prefecture": prefecture,
        "power_city": city,
        "power_town": town,
        "power_street": own["street"] if not place else f"{1 + chance.randrange(6)}-{1 + chance.randrange(30)}",
        "power_building_type": "1" if own["customer_type"] == "1" else "3",
        "power_branch_name": named,
        "power_customer_name": f"{own['last_name']} {own['first_name']}".strip(),
        "power_customer_name_kana": f"{own['last_name_kana']}　{own['first_name_kana']}".strip(),
        "power_plan_name": "業務用ガス" if is_gas else "低圧電力" if three_phase else "従量電灯C",
        "contract_capacity": "" if is_gas else f"{chance.randrange(4, 20)}kW" if three_phase else "10kVA",
        "power_amounts_form": "90" if three_phase else "",
        "latest_charges": usage * 31 + chance.randrange(900),
        "latest_power_usage": usage,
        "option_plans": ["OPT021261"] if own["job_type"] in "12" and not is_gas else [],
        "contract_corporation_type": "1" if is_gas else "",
        "saisan_gas_yoto": "1" if is_gas and place % 2 else "",
        "ecolog_gas_yoto": "2" if is_gas and not place % 2 else "",
    }


def _request_row(
    one: _Made, agencies: Mapping[str, int], sales: Mapping[str, Sequence[int]], operator: int
) -> dict[str, Any]:
    statuses = [Status(site["status"]) for site in one.sites]
    deficient = any(said.deficiency and said.site is None and not said.resolved for said in one.plan.said)
    last = max((one.created_at, *(site["updated_at"] for site in one.sites)))
    claimed_at = one.created_at + timedelta(minutes=50)
    return {
        "agency_id": agencies[one.code],
        "corporation_id": one.corporation_id,
        "requested_by": sales[one.code][one.plan.by % len(sales[one.code])],
        "status": aggregate(statuses, deficient=deficient).value,
        "is_open": has_open_work(statuses, deficient=deficient),
        "remarks": one.plan.remarks,
        "site_count": one.plan.declared,
        "claimed_by": operator if one.plan.claimed else None,
        "claimed_at": claimed_at if one.plan.claimed else None,
        "created_at": one.created_at,
        "updated_at": last,
    }


def _talk(db: Session, one: _Made, keys: Mapping[str, int], sites: Sequence[int], people: tuple[int, int]) -> None:
    """What was said, and up to where either side has read it."""
    said = one.plan.said
    rows = [
        {
            **keys,
            "site_id": None if told.site is None else sites[told.site],
            "author_id": people[told.by_sales],
            "type": (CommentType.DEFICIENCY if told.deficiency else CommentType.COMMENT).value,
            "message": told.message,
            "created_at": one.created_at + timedelta(hours=told.hours),
            "resolved_at": one.created_at + timedelta(hours=told.hours + 20) if told.resolved else None,
        }
        for told in said
    ]
    ids = _insert(db, Comment, rows)
    for is_sales, person in enumerate(people):
        seen = [number for number, told in zip(ids, said, strict=True) if told.by_sales == is_sales or not told.unread]
        if seen:
            db.add(Read(**keys, user_id=person, comment_id=max(seen)))


def _pictures(db: Session, one: _Made, keys: Mapping[str, int], sites: Sequence[int]) -> None:
    """明細画像, tied to the sites that were made of them."""
    for number in range(one.plan.images):
        values = one.company.values
        shown = one.sites[number] if number < len(sites) else None
        statement = Statement(
            name=f"{values['last_name']} {values['first_name']}".strip(),
            place=f"{values['prefecture']}{values['city']}{values['town']}{values['street']}",
            customer_number=shown["power_customer_number"] if shown else f"{40718200000 + keys['request_id']}",
            location=shown["power_customer_location_number"] if shown else _unread_location(one, number),
            month=str(month_of(one.created_at).plus(-1)),
            charges=shown["latest_charges"] if shown else 48210,
            usage=shown["latest_power_usage"] if shown else 1320,
            is_gas=bool(shown and shown["service_type"] == Service.GAS.value),
            is_blurred=one.plan.blurred and not number,
        )
        name = f"検針票_{values['last_name']}_{number + 1}.jpg"
        file = store(db, statement, name, keys["agency_id"])
        tied = sites[number] if number < len(sites) else None
        db.add(Image(**keys, site_id=tied, file_id=file.id, file_name=file.name, uploaded_at=one.created_at))


def _unread_location(one: _Made, number: int) -> str:
    """Of a statement that nobody has entered yet."""
    return f"{AREA_CODES[one.code][0]}001234{len(KNOWN[one.code]):06}{one.plan.corporation:04}{number:04}"
