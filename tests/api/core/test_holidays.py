"""The holiday calendar: the days that are shipped, the changes of administrators, and that these stay."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, time, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from jobs import core as core_jobs
from service.core import holidays
from service.core.audit import AuditEntry
from service.core.database.clock import app_clock, app_now
from service.core.holidays import Holiday
from service.core.monitoring.health import JobHeartbeat
from service.core.values.times import TOKYO, at, local_date
from service.core.values.working_time import add_working_time

CULTURE_DAY = "/api/core/holidays/2026-11-03"


@pytest.fixture
def admin(sign_in: Callable[..., TestClient]) -> TestClient:
    return sign_in("alice", fleet="admin")


def of_year(client: TestClient, year: int) -> dict[str, dict[str, Any]]:
    answer = client.get("/api/core/holidays", params={"year": year})
    assert answer.status_code == 200
    return {item["day"]: item for item in answer.json()["items"]}


def test_the_years_around_a_release_are_shipped(admin: TestClient) -> None:
    shipped = of_year(admin, 2026)

    assert shipped["2026-01-01"] == {"day": "2026-01-01", "name": "元日", "source": "shipped", "version": 1}
    assert len(shipped) == 18
    assert list(shipped) == sorted(shipped)


def test_without_a_year_it_is_this_year(admin: TestClient, db: Session) -> None:
    this_year = local_date(app_now(db)).year

    assert {day[:4] for day in (item["day"] for item in admin.get("/api/core/holidays").json()["items"])} == {
        str(this_year)
    }


def test_an_added_day_is_no_working_day_from_then_on(admin: TestClient, db: Session) -> None:
    friday_17 = at(date(2026, 12, 25), time(17))
    assert holidays.calendar_named(db, "business").opening(date(2026, 12, 28)) is not None

    answer = admin.put("/api/core/holidays/2026-12-28", json={"name": "年末休業"})

    assert answer.status_code == 200
    assert answer.json() == {"day": "2026-12-28", "name": "年末休業", "source": "edited", "version": 1}
    db.commit()
    due = add_working_time(friday_17, timedelta(hours=2), holidays.calendar_named(db, "business"))
    assert due.astimezone(TOKYO).date() == date(2026, 12, 29)


def test_a_removed_day_is_a_working_day_and_every_change_is_audited(admin: TestClient, db: Session) -> None:
    assert admin.put(CULTURE_DAY, json={"name": "文化の日（出社）", "version": 1}).json()["version"] == 2
    assert admin.delete(CULTURE_DAY, params={"version": 2}).status_code == 204

    assert "2026-11-03" not in of_year(admin, 2026)
    assert date(2026, 11, 3) not in holidays.days(db)
    entries = db.scalars(select(AuditEntry).where(AuditEntry.subject == "holiday").order_by(AuditEntry.id)).all()
    assert [(entry.actor, entry.action, entry.subject_id) for entry in entries] == [
        ("alice", "update", "2026-11-03"),
        ("alice", "delete", "2026-11-03"),
    ]
    assert (entries[0].before, entries[0].after) == ({"name": "文化の日"}, {"name": "文化の日（出社）"})


def test_a_removed_day_can_be_added_again(admin: TestClient) -> None:
    admin.delete(CULTURE_DAY, params={"version": 1})

    assert admin.put(CULTURE_DAY, json={"name": "文化の日"}).json()["version"] == 3
    assert "2026-11-03" in of_year(admin, 2026)


@pytest.mark.parametrize(
    ("version", "message"), [(None, "「文化の日」として登録されています"), (9, "「文化の日」として登録されています")]
)
def test_a_stale_edit_is_a_conflict_that_says_what_is_there(
    admin: TestClient, version: int | None, message: str
) -> None:
    answer = admin.put(CULTURE_DAY, json={"name": "別の名前", "version": version})

    assert answer.status_code == 409
    assert message in answer.json()["detail"]
    assert of_year(admin, 2026)["2026-11-03"]["name"] == "文化の日"


def test_a_stale_removal_is_a_conflict_and_a_second_one_finds_nothing(admin: TestClient) -> None:
    assert admin.delete(CULTURE_DAY, params={"version": 2}).status_code == 409
    assert admin.delete(CULTURE_DAY, params={"version": 1}).status_code == 204
    assert admin.delete(CULTURE_DAY, params={"version": 1}).status_code == 404
    stale = admin.put(CULTURE_DAY, json={"name": "文化の日", "version": 1})
    assert "休日ではありません" in stale.json()["detail"]


def test_a_name_that_is_already_there_changes_nothing(admin: TestClient, db: Session) -> None:
    assert admin.put(CULTURE_DAY, json={"name": "文化の日", "version": 1}).json()["version"] == 1
    assert db.scalars(select(AuditEntry).where(AuditEntry.subject == "holiday")).all() == []


@pytest.mark.parametrize("name", ["", "  ", "あ" * 51, "二\n行"])
def test_a_name_is_one_line_of_at_most_50_letters(admin: TestClient, name: str) -> None:
    assert admin.put("/api/core/holidays/2026-12-28", json={"name": name}).status_code == 422


@pytest.mark.parametrize("day", ["2026-02-30", "1999-12-31", "tomorrow"])
def test_what_is_no_day_is_refused(admin: TestClient, day: str) -> None:
    assert admin.put(f"/api/core/holidays/{day}", json={"name": "休業"}).status_code == 422


def test_only_administrators_see_and_change_the_calendar(sign_in: Callable[..., TestClient]) -> None:
    operator = sign_in("bob", fleet="operator")

    assert operator.get("/api/core/holidays").status_code == 403
    assert operator.put(CULTURE_DAY, json={"name": "x", "version": 1}).status_code == 403
    assert operator.delete(CULTURE_DAY, params={"version": 1}).status_code == 403


def test_topping_up_adds_the_next_years_once_and_leaves_edited_days(db: Session, admin: TestClient) -> None:
    year = local_date(app_now(db)).year + 10
    db.execute(update(app_clock).values(shift=app_clock.c.shift + timedelta(days=10 * 365 + 3)))
    new_year, constitution = date(year, 1, 1), date(year, 5, 3)
    db.add(Holiday(day=new_year, name="全社休業", source="edited"))
    db.add(Holiday(day=constitution, name="憲法記念日", source="edited", is_removed=True))
    abolished = Holiday(day=date(year, 6, 1), name="廃止された祝日", source="shipped")
    db.add(abolished)
    db.flush()

    changed = holidays.top_up(db)

    assert changed > 50
    assert holidays.top_up(db) == 0
    names = {holiday.day: holiday.name for holiday in holidays.of_year(db, year)}
    assert names[new_year] == "全社休業"
    assert constitution not in names
    assert abolished.day not in names
    assert names[date(year, 11, 3)] == "文化の日"
    assert holidays.of_year(db, year + holidays.YEARS_AHEAD)


def test_the_days_are_read_again_only_when_they_changed(db: Session) -> None:
    first = holidays.days(db)
    assert holidays.days(db) is first

    db.add(Holiday(day=date(2027, 6, 1), name="創立記念日", source="edited"))
    db.flush()

    assert holidays.days(db) == first | {date(2027, 6, 1)}


def test_the_job_leaves_its_heartbeat(db: Session) -> None:
    core_jobs.top_up_holidays()

    assert "core.top_up_holidays" in db.scalars(select(JobHeartbeat.name)).all()
