"""Two agencies, whoever works for and with them, and rows of theirs, made without the product's doors."""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import dataclass
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from service.agencies.corporations.models import Corporation
from service.agencies.models import Agency
from service.agencies.requests.models import Comment, Image, Request, Site
from service.agencies.rules import STATEMENT, CommentType, Status, aggregate, has_open_work
from service.core.access.auth import Actor
from service.core.access.identity import User
from service.core.database.clock import app_now
from service.core.files import deposit, records
from service.core.files.records import File
from tests import people, pictures

_numbers = itertools.count(1)


def agency(db: Session, name: str | None = None, code: str | None = None, **values: Any) -> Agency:
    number = next(_numbers)
    made = Agency(name=name or f"代理店{number}", code=code or f"AG{number:04}", **values)
    db.add(made)
    db.flush()
    return made


def sales(db: Session, login_id: str, of: Agency, staff_code: str = "LCK0A0AY", l_code: str = "L10001") -> User:
    user = people.person(db, login_id, of.id, agencies="sales")
    user.memberships[0].details = {"sales_staff_code": staff_code, "l_code": l_code}
    db.flush()
    return user


def corporation(db: Session, of: Agency, name: str | None = None, **values: Any) -> Corporation:
    """A 法人 that pays by 口座振替, unless `values` say otherwise."""
    number = next(_numbers)
    plain: dict[str, Any] = {
        "customer_type": "2",
        "last_name": name or f"株式会社テスト{number}",
        "last_name_kana": "カブシキガイシャテスト",
        "zip_code": "1500002",
        "prefecture": "東京都",
        "city": "渋谷区",
        "town": "渋谷",
        "street": "1-2-3",
        "phone1": f"03-1234-{number % 10000:04}",
        "job_type": "1",
        "payment_type": "2",
        "sales_channel_id": "1",
    }
    made = Corporation(agency_id=of.id, **(plain | values))
    db.add(made)
    db.flush()
    return made


def request(
    db: Session, of: Corporation, by: User, *sites: Status | str, status: Status | str | None = None, **values: Any
) -> Request:
    """A request with sites of these statuses; its own follows from them."""
    statuses = [Status(one) for one in sites]
    plain: dict[str, Any] = {
        "status": Status(status).value if status else aggregate(statuses).value,
        "is_open": has_open_work(statuses) if status is None else Status(status) in (Status.WORKING, Status.DEFICIENT),
        "site_count": len(statuses),
        "remarks": "明細は郵送します。",
    }
    made = Request(agency_id=of.agency_id, corporation_id=of.id, requested_by=by.id, **(plain | values))
    db.add(made)
    db.flush()
    for one in statuses:
        site(db, made, one)
    return made


def site(db: Session, of: Request, status: Status | str = Status.WORKING, **values: Any) -> Site:
    """A site that is filled in."""
    number = next(_numbers)
    plain: dict[str, Any] = {
        "status": Status(status).value,
        "entered_at": app_now(db) if Status(status) is Status.ENTERED else None,
        "pps_business_number": "E01",
        "application_type": "1",
        "power_area": "03",
        "power_supplier_type": "03",
        "power_customer_number": f"{number:011}",
        "power_customer_location_number": f"03{number:020}",
        "power_zip_code": "1500002",
        "power_prefecture": "東京都",
        "power_city": "渋谷区",
        "power_town": "渋谷",
        "power_street": "1-2-3",
        "power_building_type": "3",
        "power_branch_name": f"店舗{number}",
        "power_customer_name": "株式会社テスト",
        "power_customer_name_kana": "カブシキガイシャテスト",
        "power_plan_name": "従量電灯B",
        "contract_capacity": "30A",
        "latest_charges": 12345,
        "latest_power_usage": 321,
        "latest_date": "2026-10",
    }
    made = Site(agency_id=of.agency_id, corporation_id=of.corporation_id, request_id=of.id, **(plain | values))
    db.add(made)
    db.flush()
    return made


def upload(db: Session, by: User) -> File:
    """A statement that the person has sent and nothing is tied to yet."""
    with tempfile.TemporaryFile() as spool:
        spool.write(pictures.picture())
        return records.add(db, people.acting(db, by), deposit.store(spool, STATEMENT, "明細.jpg"))


def image(db: Session, of: Request, by: User, at: Site | None = None) -> Image:
    """A 明細画像 of the request."""
    file = records.attach(db, people.acting(db, by), upload(db, by).id, STATEMENT, of.agency_id)
    made = Image(
        agency_id=of.agency_id,
        request_id=of.id,
        site_id=at.id if at else None,
        file_id=file.id,
        file_name=file.name,
    )
    db.add(made)
    db.flush()
    return made


def told(db: Session, of: Request, by: User, message: str = "明細が読めません。", at: Site | None = None) -> Comment:
    """An open deficiency of the request or of a site, whose status stays as it is."""
    return _said(db, of, by, CommentType.DEFICIENCY, message, at)


def comment(db: Session, of: Request, by: User, message: str = "確認しました。", at: Site | None = None) -> Comment:
    return _said(db, of, by, CommentType.COMMENT, message, at)


def _said(db: Session, of: Request, by: User, type: CommentType, message: str, at: Site | None) -> Comment:
    made = Comment(
        agency_id=of.agency_id,
        request_id=of.id,
        site_id=at.id if at else None,
        author_id=by.id,
        type=type.value,
        message=message,
    )
    db.add(made)
    db.flush()
    return made


@dataclass(frozen=True)
class Scene:
    """Agency A with its sales alice and anna, agency B with bob; olga enters for both, adam administers."""

    db: Session
    client: TestClient
    a: Agency
    b: Agency
    alice: User
    anna: User
    bob: User
    olga: User
    adam: User

    def sign_in(self, user: User) -> TestClient:
        """The one client, carrying a fresh session of the user: the last who signed in is who asks."""
        return people.signed_in(self.db, self.client, user)

    def acting(self, user: User) -> Actor:
        """The person as actions know them."""
        return people.acting(self.db, user)


def scene(db: Session, client: TestClient) -> Scene:
    a, b = agency(db, "株式会社AAA代理店", "AAA"), agency(db, "株式会社BBB代理店", "BBB")
    return Scene(
        db=db,
        client=client,
        a=a,
        b=b,
        alice=sales(db, "alice", a),
        anna=sales(db, "anna", a, "LCK0A0AZ", "L10002"),
        bob=sales(db, "bob", b, "LCK0B0BY", "L20001"),
        olga=people.person(db, "olga", agencies="operator"),
        adam=people.person(db, "adam", agencies="admin"),
    )
