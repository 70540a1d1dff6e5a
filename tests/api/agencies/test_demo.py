"""The demo's agencies: every value could have been entered by a user."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from service.agencies.corporations.models import Corporation
from service.agencies.fields import rules
from service.agencies.models import Request, Site
from service.agencies.postal import queries as postal
from service.agencies.requests import queries
from service.agencies.requests.models import Comment, Image
from service.agencies.rules import Status, aggregate, has_open_work
from service.core.access.identity import User
from service.core.database.clock import app_now
from service.core.files.records import File
from service.core.values.times import local_date
from service.demo import fill
from stack.home import Home
from tests import people
from tests.conftest import seeded_database


def signed_in(db: Session, client: TestClient, login_id: str) -> TestClient:
    return people.signed_in_client(db, client, db.scalars(select(User).where(User.login_id == login_id)).one())


@pytest.fixture(scope="module")
def _engine(running_servers: Home) -> Iterator[Engine]:
    with seeded_database(running_servers, "genba_agencies_demo", lambda db: fill(db, ["agencies"])) as engine:
        yield engine


def test_its_requests_are_what_their_sites_and_deficiencies_say(db: Session) -> None:
    for request in db.scalars(select(Request)):
        statuses = queries.statuses(queries.sites(db, request))
        deficient = any(deficiency.site_id is None for deficiency in queries.open_deficiencies(db, request))
        assert request.status == aggregate(statuses, deficient=deficient).value
        assert request.is_open == has_open_work(statuses, deficient=deficient)
        for site in queries.sites(db, request):
            assert bool(queries.open_deficiencies(db, request, site)) == (site.status == Status.DEFICIENT.value)
    assert db.scalar(select(func.count()).where(Request.claimed_by.is_not(None))) == 3
    assert db.scalar(select(func.count()).where(~Request.is_open, Request.status == Status.WORKING.value)) == 1


def test_its_numbers_names_and_addresses_pass_the_products_own_checks(db: Session) -> None:
    today = local_date(app_now(db))
    for corporation in db.scalars(select(Corporation)):
        if corporation.customer_type == "2":
            assert rules.corporation_number(corporation.corporation_number) == corporation.corporation_number
        else:
            assert corporation.corporation_number == ""
        for reading in (
            corporation.last_name_kana,
            corporation.first_name_kana,
            corporation.representative_last_name_kana,
        ):
            assert not reading or rules.kana(reading) == reading
        assert rules.phone(corporation.phone1) == corporation.phone1
        assert rules.mail(corporation.mail_address) == corporation.mail_address
        assert (corporation.prefecture, corporation.city, corporation.town) in places(corporation.zip_code)
        for day in (corporation.birthday, corporation.representative_birthday):
            assert day is None or rules.birthday(day, today) == day
        assert corporation.payment_type != "1"
    for site in db.scalars(select(Site)):
        number = site.power_customer_location_number
        kind: rules.Service = "gas" if site.service_type == "gas" else "electricity"
        assert rules.supply_point(number, kind, site.power_supplier_type) == number
        assert rules.kana(site.power_customer_name_kana) == site.power_customer_name_kana
        assert rules.usage_month(site.latest_date, today) == site.latest_date
        assert (site.power_prefecture, site.power_city, site.power_town) in places(site.power_zip_code)
    numbers = list(db.scalars(select(Site.power_customer_location_number)))
    assert len(set(numbers)) == len(numbers)
    assert not any(
        rules.contains_card_number(message)
        for message in (*db.scalars(select(Comment.message)), *db.scalars(select(Request.remarks)))
    )
    assert db.scalar(text("SELECT count(*) FROM agencies_cards")) == 0


def places(zip_code: str) -> list[tuple[str, str, str]]:
    candidates = postal.addresses(zip_code).candidates
    return [(candidate.prefecture, candidate.city, candidate.town) for candidate in candidates]


def test_what_is_entered_begins_with_the_documents_example(db: Session, client: TestClient) -> None:
    params = {"mine": "false", "q": "株式会社ABC"}
    [abc] = signed_in(db, client, "agencies-sales-a").get("/api/agencies/acquired", params=params).json()["items"]
    assert [(site["branch_name"], site["service_type"]) for site in abc["sites"]] == [
        ("渋谷店", "electricity"),
        ("新宿店", "electricity"),
        ("池袋店", "gas"),
    ]
    first = client.get("/api/agencies/acquired", params={"mine": "false"}).json()["items"][0]
    assert (first["corporation_name"], [site["branch_name"] for site in first["sites"]]) == ("有限会社XYZ", ["本社"])


def test_its_images_are_its_agencies_and_are_seen_by_them_alone(db: Session, client: TestClient) -> None:
    images = db.execute(select(Image.agency_id, File).join(File, File.id == Image.file_id)).all()
    assert 6 <= len(images) <= 12
    for agency_id, file in images:
        assert (file.tenant_id, file.attached_at is not None) == (agency_id, True)
    for login_id in ("agencies-sales-a2", "agencies-sales-b", "agencies-sales-c"):
        user = db.scalars(select(User).where(User.login_id == login_id)).one()
        signed_in(db, client, login_id)
        for agency_id, file in images:
            answer = client.get(f"/api/core/files/{file.id}")
            assert answer.status_code == (200 if user.memberships[0].tenant_id == agency_id else 404), file.name


def test_each_side_has_something_unread(db: Session) -> None:
    ids = dict(db.execute(select(User.login_id, User.id)).all())
    for login_id, deficiencies in (
        ("agencies-sales-a", True),
        ("agencies-sales-b", True),
        ("agencies-operator", False),
    ):
        unread = queries.unread(ids[login_id], deficiencies=deficiencies)
        own_requests = Request.requested_by == ids[login_id] if deficiencies else Request.is_open
        assert (db.scalar(select(func.sum(unread)).where(own_requests)) or 0) > 0, login_id
