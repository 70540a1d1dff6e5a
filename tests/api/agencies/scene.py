"""Two agencies with their users, and rows of them, written straight to the database."""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import dataclass
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from service.agencies.corporations.models import Corporation
from service.agencies.models import Agency, Request, Site
from service.agencies.requests.models import Comment, Image
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
    created = Agency(name=name or f"代理店{number}", code=code or f"AG{number:04}", **values)
    db.add(created)
    db.flush()
    return created


def sales(db: Session, login_id: str, agency: Agency, staff_code: str = "LCK0A0AY", l_code: str = "L10001") -> User:
    user = people.create_user(db, login_id, agency.id, agencies="sales")
    user.memberships[0].details = {"sales_staff_code": staff_code, "l_code": l_code}
    db.flush()
    return user


def corporation(db: Session, agency: Agency, name: str | None = None, **values: Any) -> Corporation:
    """A 法人 that pays by 口座振替, unless `values` say otherwise."""
    number = next(_numbers)
    defaults: dict[str, Any] = {
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
    created = Corporation(agency_id=agency.id, **(defaults | values))
    db.add(created)
    db.flush()
    return created


def request(
    db: Session,
    corporation: Corporation,
    by: User,
    *sites: Status | str,
    status: Status | str | None = None,
    **values: Any,
) -> Request:
    """A request with sites of these statuses; its own follows from them."""
    statuses = [Status(site_status) for site_status in sites]
    defaults: dict[str, Any] = {
        "status": Status(status).value if status else aggregate(statuses).value,
        "is_open": has_open_work(statuses) if status is None else Status(status) in (Status.WORKING, Status.DEFICIENT),
        "site_count": len(statuses),
        "remarks": "明細は郵送します。",
    }
    created = Request(
        agency_id=corporation.agency_id, corporation_id=corporation.id, requested_by=by.id, **(defaults | values)
    )
    db.add(created)
    db.flush()
    for site_status in statuses:
        site(db, created, site_status)
    return created


def site(db: Session, request: Request, status: Status | str = Status.WORKING, **values: Any) -> Site:
    """A site that is filled in."""
    number = next(_numbers)
    defaults: dict[str, Any] = {
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
    created = Site(
        agency_id=request.agency_id, corporation_id=request.corporation_id, request_id=request.id, **(defaults | values)
    )
    db.add(created)
    db.flush()
    return created


def upload(db: Session, by: User) -> File:
    """A statement that the user has uploaded and that is not attached to a request yet."""
    with tempfile.TemporaryFile() as spool:
        spool.write(pictures.picture())
        return records.add(db, people.actor_for(db, by), deposit.store(spool, STATEMENT, "明細.jpg"))


def image(db: Session, request: Request, by: User, site: Site | None = None) -> Image:
    """A 明細画像 of the request."""
    file = records.attach(db, people.actor_for(db, by), upload(db, by).id, STATEMENT, request.agency_id)
    created = Image(
        agency_id=request.agency_id,
        request_id=request.id,
        site_id=site.id if site else None,
        file_id=file.id,
        file_name=file.name,
    )
    db.add(created)
    db.flush()
    return created


def deficiency(
    db: Session, request: Request, by: User, message: str = "明細が読めません。", site: Site | None = None
) -> Comment:
    """An open deficiency of the request or of a site, whose status stays as it is."""
    return _comment(db, request, by, CommentType.DEFICIENCY, message, site)


def comment(
    db: Session, request: Request, by: User, message: str = "確認しました。", site: Site | None = None
) -> Comment:
    return _comment(db, request, by, CommentType.COMMENT, message, site)


def _comment(db: Session, request: Request, by: User, type: CommentType, message: str, site: Site | None) -> Comment:
    created = Comment(
        agency_id=request.agency_id,
        request_id=request.id,
        site_id=site.id if site else None,
        author_id=by.id,
        type=type.value,
        message=message,
    )
    db.add(created)
    db.flush()
    return created


@dataclass(frozen=True)
class Scene:
    """Agency A with its sales alice and anna, agency B with bob; olga is an operator for both, adam an
    administrator."""

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
        """The shared client with a fresh session of the user: it acts for the user who signed in last."""
        return people.signed_in_client(self.db, self.client, user)

    def acting(self, user: User) -> Actor:
        """The user as an `Actor`."""
        return people.actor_for(self.db, user)


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
        olga=people.create_user(db, "olga", agencies="operator"),
        adam=people.create_user(db, "adam", agencies="admin"),
    )
