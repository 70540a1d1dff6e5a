"""The rotation, which moves old events to the archive and loses nothing; and the findings of the checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, func, select, text
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.audit import AuditEntry
from service.core.problems import NotFound
from service.core.values.times import local_date
from service.loaners.history import queries as history
from service.loaners.history.models import ArchivedEvent, Event
from service.loaners.models import Device, DeviceState
from service.loaners.upkeep import actions, queries
from service.loaners.upkeep.models import UpkeepRun
from stack.home import Home
from tests import people
from tests.api.loaners import stock, telling
from tests.api.loaners.stock import COLLECTED, LENT, STORED
from tests.concurrent_transactions import run_concurrently
from tests.conftest import committed_database
from tests.rls_bypass import rls_bypass_url

SignIn = Callable[..., TestClient]
YEARS = 365.25
PATH = "/api/loaners/upkeep"


@pytest.fixture
def staff(db: Session) -> Actor:
    return people.create_actor(db, "carol", loaners="staff")


@contextmanager
def transaction(db: Session) -> Iterator[Session]:
    yield db
    db.flush()


def event_ids(db: Session) -> list[int]:
    return list(db.scalars(select(Event.id).order_by(Event.effective_at, Event.id)))


def stored_projection(db: Session, device: Device) -> Any:
    db.expire_all()
    return history.stored_states(db, [device.id]), history.stored_loans(db, [device.id])


def test_rotation_keeps_what_held_three_years_ago_and_the_start_of_an_open_loan(db: Session, staff: Actor) -> None:
    device = stock.add_device(db, staff, "AAA1", days_ago=6 * YEARS)
    stock.add_form(db, staff, device, 5.5 * YEARS, STORED)
    stock.add_form(db, staff, device, 5 * YEARS, COLLECTED)
    stock.add_form(db, staff, device, 4.5 * YEARS, LENT)  # the open loan
    stock.add_deposit(db, staff, device, 4.2 * YEARS, 1)
    stock.add_form(db, staff, device, 4 * YEARS, LENT)
    stock.add_deposit(db, staff, device, 3.5 * YEARS, 2)
    stock.add_form(db, staff, device, 1 * YEARS, LENT)
    all_ids, before = event_ids(db), stored_projection(db, device)
    plan = queries.rotation_plan(db)

    assert actions.archive_events(db, 100) == 4

    remaining = [all_ids.index(event_id) for event_id in event_ids(db)]
    # Three remain from before the cut: the first of the loan, the last form and the last deposit; and all after it.
    assert remaining == [3, 5, 6, 7]
    assert (plan.events, plan.devices, plan.by_kind, plan.kept) == (4, 1, {"端末": 4}, 3)
    assert stored_projection(db, device) == before
    assert db.scalar(select(func.count()).select_from(ArchivedEvent)) == 4
    assert history.find_mismatches(db) == []
    assert actions.archive_events(db, 100) == 0


def test_a_device_with_one_old_event_keeps_it(db: Session, staff: Actor) -> None:
    stock.add_device(db, staff, "AAA1", days_ago=9 * YEARS)

    assert actions.archive_events(db, 100) == 0
    assert len(event_ids(db)) == 1


HISTORY = st.lists(
    st.tuples(st.integers(1, 2500), st.sampled_from(["lent", "other", "collected", "stored", "deposit", "moved"])),
    min_size=1,
    max_size=14,
)


@given(HISTORY)
@settings(
    max_examples=min(settings().max_examples, 100),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_rotation_changes_nothing_that_holds_now_or_held_in_the_last_three_years(
    db: Session, staff: Actor, steps: list[tuple[int, str]]
) -> None:
    with db.begin_nested() as attempt:
        device = stock.add_device(db, staff, "AAA1", days_ago=2600)
        for days_ago, kind in steps:
            if kind == "deposit":
                stock.add_deposit(db, staff, device, days_ago, 1 + days_ago % 4)
            elif kind == "moved":
                stock.add_transfer(db, staff, device, days_ago, "kobe" if days_ago % 2 else "osaka")
            else:
                answers = {"lent": LENT, "other": LENT | {"1-2": "LOAN-9", "1-6": "ほか"}, "collected": COLLECTED}
                stock.add_form(db, staff, device, days_ago, answers.get(kind, STORED))
        before, total = stored_projection(db, device), len(event_ids(db))

        moved = actions.archive_events(db, 100)

        assert stored_projection(db, device) == before
        assert history.find_mismatches(db) == []
        live = set(event_ids(db))
        assert len(live) + moved == total
        assert live
        # The events that a list of these three years shows are not archived.
        since = stock.time_ago(db, 3 * YEARS - 2)
        referenced = db.execute(
            select(DeviceState.event_id, DeviceState.form_event_id).where(
                func.coalesce(func.upper(DeviceState.during), func.app_now()) > since
            )
        )
        assert {event_id for row in referenced for event_id in row if event_id is not None} <= live
        attempt.rollback()


def test_rotation_and_checks_come_when_they_are_due_and_leave_reports(db: Session, staff: Actor) -> None:
    device = stock.add_device(db, staff, "AAA1", days_ago=5 * YEARS)
    stock.add_form(db, staff, device, 4 * YEARS, STORED)

    def rotate() -> Any:
        return actions.rotate_if_due(lambda: transaction(db))

    assert rotate() == {"events": 1, "devices": 1, "by_kind": {"端末": 1}}
    assert rotate() is None
    report = actions.check_if_due(lambda: transaction(db))
    assert report is not None
    assert (report["findings"], report["different"]) == ({}, [])
    assert report["storage"]["bytes"] > 0
    assert report["storage"]["index_bytes"] > 0
    assert 0 <= report["storage"]["dead_percent"] <= 100
    assert actions.check_if_due(lambda: transaction(db)) is None
    db.execute(text("UPDATE app_clock SET shift = shift + interval '28 days'"))
    assert rotate() == {"events": 0, "devices": 0, "by_kind": {}}
    assert db.scalar(select(func.count()).select_from(UpkeepRun)) == 3


@pytest.fixture
def inconsistent(db: Session, staff: Actor) -> Session:
    repeated = stock.add_device(db, staff, "AAA1", days_ago=20)
    stock.add_form(db, staff, repeated, 10, STORED)
    stock.add_form(db, staff, repeated, 10 - 2 / 1440, STORED)
    lent = stock.add_device(db, staff, "BBB2", days_ago=20)
    stock.add_form(db, staff, lent, 9, LENT | {"1-8": "2026-09-01"})
    stock.add_form(db, staff, lent, 8, LENT | {"1-2": "LOAN-7", "1-6": "株式会社ほか", "1-8": "2026-12-31"})
    idle = stock.add_device(db, staff, "CCC3", days_ago=20)
    stock.add_deposit(db, staff, idle, 5, 1)
    stock.add_device(db, staff, "DDD4", days_ago=20)
    other = stock.add_device(db, staff, "DDD4", at="kobe", days_ago=20)
    other.serial = "AAA1"
    db.commit()
    return db


def test_findings_name_what_does_not_fit_together(inconsistent: Session, sign_in: SignIn) -> None:
    findings = sign_in("alice", loaners="admin").get(f"{PATH}/findings").json()

    assert findings["counts"] == {
        "same_serial": 1,
        "repeated": 1,
        "unreturned": 1,
        "due_before_lent": 1,
        "ignored_deposit": 1,
    }
    by_check = {item["check"]: item for item in findings["items"]}
    assert by_check["repeated"]["detail"] == "2分0秒前に同じ内容の登録があります"
    assert by_check["unreturned"]["detail"] == "「株式会社青空商事」の返却前に「株式会社ほか」へ貸出"
    assert by_check["ignored_deposit"]["detail"] == "預り機のステータス「1.返却可能」は反映されていません"
    assert by_check["same_serial"]["removable"] is None


def test_one_click_takes_the_repeated_one_out_and_it_is_no_finding_any_more(
    inconsistent: Session, sign_in: SignIn
) -> None:
    admin = sign_in("alice", loaners="admin")
    items = {item["check"]: item for item in admin.get(f"{PATH}/findings").json()["items"]}

    for check in ("repeated", "ignored_deposit"):
        body = {"finding": items[check]["finding"], "reason": "二重送信"}
        assert admin.post(f"{PATH}/findings/remove", json=body).status_code == 204
        assert admin.post(f"{PATH}/findings/remove", json=body).status_code == 404
    body = {"finding": items["same_serial"]["finding"], "reason": "除去"}
    assert admin.post(f"{PATH}/findings/remove", json=body).status_code == 409

    counts = admin.get(f"{PATH}/findings").json()["counts"]
    assert (counts["repeated"], counts["ignored_deposit"], counts["same_serial"]) == (0, 0, 1)
    assert history.find_mismatches(inconsistent) == []


def test_a_finding_that_is_none_is_set_aside_and_brought_back(inconsistent: Session, sign_in: SignIn) -> None:
    admin = sign_in("alice", loaners="admin")
    [finding] = [item for item in admin.get(f"{PATH}/findings").json()["items"] if item["check"] == "same_serial"]
    body = {"finding": finding["finding"], "reason": "同じ番号の別の機器"}

    assert admin.post(f"{PATH}/findings/dismiss", json=body).status_code == 204
    assert admin.get(f"{PATH}/findings").json()["counts"]["same_serial"] == 0
    [dismissed] = admin.get(f"{PATH}/findings", params={"dismissed": True}).json()["items"]
    assert (dismissed["reason"], dismissed["dismissed_by"]) == ("同じ番号の別の機器", "alice さん")
    assert admin.post(f"{PATH}/findings/reconsider", json={"finding": finding["finding"]}).status_code == 204
    assert admin.get(f"{PATH}/findings").json()["counts"]["same_serial"] == 1
    entries = select(AuditEntry.after).where(AuditEntry.subject == "finding").order_by(AuditEntry.id)
    assert [after["dismissed"] for after in inconsistent.scalars(entries) if after] == [True, False]


def test_of_two_concurrent_decisions_the_second_is_refused(running_servers: Home) -> None:
    with committed_database(running_servers, "genba_upkeep_races") as url:
        engine = create_engine(rls_bypass_url(url))
        with Session(engine) as db, db.begin():
            staff = people.create_actor(db, "carol", loaners="staff")
            stock.add_device(db, staff, "DDD4", days_ago=20)
            stock.add_device(db, staff, "DDD4", at="kobe", days_ago=20).serial = "DDD4"
            db.flush()
            [finding] = [item.finding for item in queries.findings(db)]

        def dismiss(db: Session) -> None:
            actions.dismiss(db, staff, finding, "別の機器")

        def reconsider(db: Session) -> None:
            actions.reconsider(db, staff, finding)

        for decide in (dismiss, reconsider):
            with Session(engine) as session:
                decide(session)
                with pytest.raises(NotFound):
                    run_concurrently(engine, session, decide, lambda: None)
        engine.dispose()


def test_the_dry_run_counts_what_would_be_archived_and_archives_nothing(
    db: Session, staff: Actor, sign_in: SignIn
) -> None:
    device = stock.add_device(db, staff, "AAA1", days_ago=5 * YEARS)
    stock.add_form(db, staff, device, 4 * YEARS, STORED)
    db.commit()
    admin = sign_in("alice", loaners="admin")

    plan = admin.get(f"{PATH}/rotation").json()

    assert (plan["events"], plan["kept"]) == (1, 1)
    assert len(event_ids(db)) == 2
    assert admin.get(f"{PATH}/runs").json() == {"items": []}
    assert sign_in("bob", loaners="staff").get(f"{PATH}/rotation").status_code == 403


def test_lists_of_an_older_day_include_archived_events(db: Session, staff: Actor, sign_in: SignIn) -> None:
    device = stock.add_device(db, staff, "AAA1", days_ago=6 * YEARS)
    stock.add_form(db, staff, device, 5 * YEARS, LENT)
    stock.add_form(db, staff, device, 4 * YEARS, STORED)
    stock.add_form(db, staff, device, 3.5 * YEARS, COLLECTED)
    db.commit()
    client = sign_in("alice", loaners="staff")

    def listed(days_ago: float, **filters: Any) -> list[Any]:
        day = local_date(stock.time_ago(db, days_ago)).isoformat()
        answer = client.get("/api/loaners/lists/INTEGRATED", params={"as_of": day, "sort": "-told_at"} | filters)
        assert answer.status_code == 200, answer.text
        return [answer.json()["columns"], answer.json()["items"]]

    requests: list[tuple[float, dict[str, Any]]] = [(4.5 * YEARS, {}), (4.5 * YEARS, {"q": "青空商事"})]
    requests += [(3.7 * YEARS, {"status": 3, "nested": STORED["3-0"]}), (3.2 * YEARS, {})]
    before = [listed(days_ago, **filters) for days_ago, filters in requests]
    assert all(len(items) == 1 for _, items in before)

    assert actions.archive_events(db, 100) == 3
    db.commit()

    assert [listed(days_ago, **filters) for days_ago, filters in requests] == before


def test_a_stale_form_is_refused_when_the_newest_event_is_archived(db: Session, staff: Actor, sign_in: SignIn) -> None:
    device = stock.add_device(db, staff, "AAA1", days_ago=6 * YEARS)
    stock.add_form(db, staff, device, 5 * YEARS, STORED)
    stock.add_form(db, staff, device, 1 * YEARS, COLLECTED)
    db.commit()
    admin = sign_in("alice", loaners="admin")
    stale = telling.form_body(admin, device.number, STORED)
    newest, oldest = stale["based_on"], event_ids(db)[1]
    db.execute(text("SELECT loaners_put_away(:ids)"), {"ids": event_ids(db)[:2]})
    db.commit()
    assert admin.post(f"/api/loaners/events/{newest}/mark", json={"reason": "誤り"}).status_code == 204

    answer = admin.post(f"/api/loaners/devices/{device.number}/status", json=stale)

    assert telling.form_body(admin, device.number, STORED)["based_on"] == oldest
    assert answer.status_code == 409, answer.text
    assert "「3.社内にて保管中」で登録しました" in answer.json()["detail"]
    assert answer.json()["current"] == STORED
    [item] = admin.get("/api/loaners/lists/INTEGRATED").json()["items"]
    assert item["status"] == 3


def test_tables_that_differ_are_made_of_the_history_again(
    db: Session, staff: Actor, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "BATCH_SIZE", 2)
    devices = [stock.add_device(db, staff, serial) for serial in ("AAA1", "BBB2", "CCC3")]
    for device in devices:
        stock.add_form(db, staff, device, 10, LENT)
    before = [stored_projection(db, device) for device in devices]
    wrong = [devices[0].number, devices[2].number]
    db.execute(text("UPDATE loaners_states SET is_archived = true WHERE device_id = :of"), {"of": devices[0].id})
    db.execute(text("DELETE FROM loaners_loans WHERE device_id = :of"), {"of": devices[2].id})
    report = actions.check_if_due(lambda: transaction(db))
    assert report is not None
    assert (report["findings"], report["different"]) == ({}, wrong)
    db.commit()
    assert sign_in("sato", loaners="staff").post(f"{PATH}/rebuild", json={}).status_code == 403
    admin = sign_in("alice", loaners="admin")
    assert admin.get(f"{PATH}/findings").json()["different"] == wrong

    rebuilt: list[str] = []
    after: int | None = 0
    while after is not None:
        answer = admin.post(f"{PATH}/rebuild", json={"after": after}).json()
        rebuilt, after = rebuilt + answer["rebuilt"], answer["next"]

    assert rebuilt == wrong
    assert [stored_projection(db, device) for device in devices] == before
    assert history.find_mismatches(db) == admin.get(f"{PATH}/findings").json()["different"] == []
    query = select(AuditEntry).where(AuditEntry.action == "update", AuditEntry.subject == "device")
    entries = db.scalars(query.order_by(AuditEntry.id)).all()
    assert [(entry.actor, entry.subject_id, entry.after) for entry in entries] == [
        ("alice", str(device.id), {"rebuilt": True}) for device in (devices[0], devices[2])
    ]


def test_a_young_event_is_never_archived(db: Session, staff: Actor) -> None:
    device = stock.add_device(db, staff, "AAA1", days_ago=10)
    stock.add_form(db, staff, device, 9, STORED)

    with pytest.raises(Exception, match="younger than three years"), db.begin_nested():
        db.execute(select(func.loaners_put_away(event_ids(db)[:1])))
