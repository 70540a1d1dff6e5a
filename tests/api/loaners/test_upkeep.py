"""Rotation that loses nothing, and findings to act on."""

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
from service.loaners.history.models import ArchivedEvent, DeviceState, Event
from service.loaners.models import Device
from service.loaners.upkeep import actions, queries
from service.loaners.upkeep.models import UpkeepRun
from stack.home import Home
from tests import people
from tests.api.loaners import stock, telling
from tests.api.loaners.stock import COLLECTED, LENT, STORED
from tests.concurrent_transactions import beside
from tests.conftest import committed_database
from tests.rls_bypass import seeing_all

SignIn = Callable[..., TestClient]
YEARS = 365.25
PATH = "/api/loaners/upkeep"


@pytest.fixture
def staff(db: Session) -> Actor:
    return people.actor(db, "carol", loaners="staff")


@contextmanager
def opened(db: Session) -> Iterator[Session]:
    yield db
    db.flush()


def events(db: Session) -> list[int]:
    return list(db.scalars(select(Event.id).order_by(Event.effective_at, Event.id)))


def projected(db: Session, device: Device) -> Any:
    db.expire_all()
    return history.stored_states(db, [device.id]), history.stored_loans(db, [device.id])


def test_rotation_keeps_what_held_three_years_ago_and_the_start_of_an_open_loan(db: Session, staff: Actor) -> None:
    device = stock.device(db, staff, "AAA1", days_ago=6 * YEARS)
    stock.form(db, staff, device, 5.5 * YEARS, STORED)
    stock.form(db, staff, device, 5 * YEARS, COLLECTED)
    stock.form(db, staff, device, 4.5 * YEARS, LENT)  # the loan that is open
    stock.deposit(db, staff, device, 4.2 * YEARS, 1)
    stock.form(db, staff, device, 4 * YEARS, LENT)
    stock.deposit(db, staff, device, 3.5 * YEARS, 2)
    stock.form(db, staff, device, 1 * YEARS, LENT)
    all_of_it, before = events(db), projected(db, device)
    plan = queries.rotation_plan(db)

    assert actions.archive_events(db, 100) == 4

    kept = [all_of_it.index(one) for one in events(db)]
    # The first of the loan, the last form and the deposit before the cut, and everything since.
    assert kept == [3, 5, 6, 7]
    assert (plan["events"], plan["devices"], plan["by_kind"], plan["kept"]) == (4, 1, {"端末": 4}, 3)
    assert projected(db, device) == before
    assert db.scalar(select(func.count()).select_from(ArchivedEvent)) == 4
    assert history.find_mismatches(db) == []
    assert actions.archive_events(db, 100) == 0


def test_a_device_with_one_old_event_keeps_it(db: Session, staff: Actor) -> None:
    stock.device(db, staff, "AAA1", days_ago=9 * YEARS)

    assert actions.archive_events(db, 100) == 0
    assert len(events(db)) == 1


HAPPENINGS = st.lists(
    st.tuples(st.integers(1, 2500), st.sampled_from(["lent", "other", "collected", "stored", "deposit", "moved"])),
    min_size=1,
    max_size=14,
)


@given(HAPPENINGS)
@settings(
    max_examples=min(settings().max_examples, 100),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_rotation_changes_nothing_that_holds_now_or_held_in_the_last_three_years(
    db: Session, staff: Actor, happened: list[tuple[int, str]]
) -> None:
    with db.begin_nested() as attempt:
        device = stock.device(db, staff, "AAA1", days_ago=2600)
        for days_ago, what in happened:
            if what == "deposit":
                stock.deposit(db, staff, device, days_ago, 1 + days_ago % 4)
            elif what == "moved":
                stock.moved(db, staff, device, days_ago, "kobe" if days_ago % 2 else "osaka")
            else:
                answers = {"lent": LENT, "other": LENT | {"1-2": "LOAN-9", "1-6": "ほか"}, "collected": COLLECTED}
                stock.form(db, staff, device, days_ago, answers.get(what, STORED))
        before, total = projected(db, device), len(events(db))

        moved = actions.archive_events(db, 100)

        assert projected(db, device) == before
        assert history.find_mismatches(db) == []
        live = set(events(db))
        assert len(live) + moved == total
        assert live
        # Whatever a list of these three years shows is still there to be read.
        since = stock.ago(db, 3 * YEARS - 2)
        held = db.execute(
            select(DeviceState.event_id, DeviceState.form_event_id).where(
                func.coalesce(func.upper(DeviceState.during), func.app_now()) > since
            )
        )
        assert {one for row in held for one in row if one is not None} <= live
        attempt.rollback()


def test_rotation_and_checks_come_when_they_are_due_and_leave_reports(db: Session, staff: Actor) -> None:
    device = stock.device(db, staff, "AAA1", days_ago=5 * YEARS)
    stock.form(db, staff, device, 4 * YEARS, STORED)

    def rotate() -> Any:
        return actions.rotate_if_due(lambda: opened(db))

    assert rotate() == {"events": 1, "devices": 1, "by_kind": {"端末": 1}}
    assert rotate() is None
    report = actions.check_if_due(lambda: opened(db))
    assert report is not None
    assert (report["findings"], report["different"]) == ({}, [])
    assert report["storage"]["bytes"] > 0
    assert report["storage"]["index_bytes"] > 0
    assert 0 <= report["storage"]["dead_percent"] <= 100
    assert actions.check_if_due(lambda: opened(db)) is None
    db.execute(text("UPDATE app_clock SET shift = shift + interval '28 days'"))
    assert rotate() == {"events": 0, "devices": 0, "by_kind": {}}
    assert db.scalar(select(func.count()).select_from(UpkeepRun)) == 3


@pytest.fixture
def muddled(db: Session, staff: Actor) -> Session:
    twice = stock.device(db, staff, "AAA1", days_ago=20)
    stock.form(db, staff, twice, 10, STORED)
    stock.form(db, staff, twice, 10 - 2 / 1440, STORED)
    lent = stock.device(db, staff, "BBB2", days_ago=20)
    stock.form(db, staff, lent, 9, LENT | {"1-8": "2026-09-01"})
    stock.form(db, staff, lent, 8, LENT | {"1-2": "LOAN-7", "1-6": "株式会社ほか", "1-8": "2026-12-31"})
    idle = stock.device(db, staff, "CCC3", days_ago=20)
    stock.deposit(db, staff, idle, 5, 1)
    stock.device(db, staff, "DDD4", days_ago=20)
    other = stock.device(db, staff, "DDD4", at="kobe", days_ago=20)
    other.serial = "AAA1"
    db.commit()
    return db


def test_findings_name_what_does_not_fit_together(muddled: Session, sign_in: SignIn) -> None:
    found = sign_in("alice", loaners="admin").get(f"{PATH}/findings").json()

    assert found["counts"] == {
        "same_serial": 1, "repeated": 1, "unreturned": 1, "due_before_lent": 1, "ignored_deposit": 1,
    }  # fmt: skip
    by_check = {item["check"]: item for item in found["items"]}
    assert by_check["repeated"]["detail"] == "2分0秒前に同じ内容の登録があります"
    assert by_check["unreturned"]["detail"] == "「株式会社青空商事」の返却前に「株式会社ほか」へ貸出"
    assert by_check["ignored_deposit"]["detail"] == "預り機のステータス「1.返却可能」は反映されていません"
    assert by_check["same_serial"]["removable"] is None


def test_one_click_takes_the_repeated_one_out_and_it_is_no_finding_any_more(muddled: Session, sign_in: SignIn) -> None:
    admin = sign_in("alice", loaners="admin")
    items = {item["check"]: item for item in admin.get(f"{PATH}/findings").json()["items"]}

    for check in ("repeated", "ignored_deposit"):
        told = {"finding": items[check]["finding"], "reason": "二重送信"}
        assert admin.post(f"{PATH}/findings/remove", json=told).status_code == 204
        assert admin.post(f"{PATH}/findings/remove", json=told).status_code == 404
    told = {"finding": items["same_serial"]["finding"], "reason": "除去"}
    assert admin.post(f"{PATH}/findings/remove", json=told).status_code == 409

    counts = admin.get(f"{PATH}/findings").json()["counts"]
    assert (counts["repeated"], counts["ignored_deposit"], counts["same_serial"]) == (0, 0, 1)
    assert history.find_mismatches(muddled) == []


def test_a_finding_that_is_none_is_set_aside_and_brought_back(muddled: Session, sign_in: SignIn) -> None:
    admin = sign_in("alice", loaners="admin")
    [found] = [one for one in admin.get(f"{PATH}/findings").json()["items"] if one["check"] == "same_serial"]
    told = {"finding": found["finding"], "reason": "同じ番号の別の機器"}

    assert admin.post(f"{PATH}/findings/dismiss", json=told).status_code == 204
    assert admin.get(f"{PATH}/findings").json()["counts"]["same_serial"] == 0
    [aside] = admin.get(f"{PATH}/findings", params={"dismissed": True}).json()["items"]
    assert (aside["reason"], aside["dismissed_by"]) == ("同じ番号の別の機器", "alice さん")
    assert admin.post(f"{PATH}/findings/reconsider", json={"finding": found["finding"]}).status_code == 204
    assert admin.get(f"{PATH}/findings").json()["counts"]["same_serial"] == 1
    entries = select(AuditEntry.after).where(AuditEntry.subject == "finding").order_by(AuditEntry.id)
    assert [after["dismissed"] for after in muddled.scalars(entries) if after] == [True, False]


def test_of_two_who_decide_at_once_the_second_is_told_that_it_is_decided(running_servers: Home) -> None:
    with committed_database(running_servers, "genba_upkeep_races") as url:
        several = create_engine(seeing_all(url))
        with Session(several) as db, db.begin():
            staff = people.actor(db, "carol", loaners="staff")
            stock.device(db, staff, "DDD4", days_ago=20)
            stock.device(db, staff, "DDD4", at="kobe", days_ago=20).serial = "DDD4"
            db.flush()
            [finding] = [one["finding"] for one in queries.findings(db)]

        def dismiss(db: Session) -> None:
            actions.dismiss(db, staff, finding, "別の機器")

        def reconsider(db: Session) -> None:
            actions.reconsider(db, staff, finding)

        for decide in (dismiss, reconsider):
            with Session(several) as first:
                decide(first)
                with pytest.raises(NotFound):
                    beside(several, first, decide, lambda: None)
        several.dispose()


def test_the_dry_run_says_what_would_go_and_moves_nothing(db: Session, staff: Actor, sign_in: SignIn) -> None:
    device = stock.device(db, staff, "AAA1", days_ago=5 * YEARS)
    stock.form(db, staff, device, 4 * YEARS, STORED)
    db.commit()
    admin = sign_in("alice", loaners="admin")

    plan = admin.get(f"{PATH}/rotation").json()

    assert (plan["events"], plan["kept"]) == (1, 1)
    assert len(events(db)) == 2
    assert admin.get(f"{PATH}/runs").json() == {"items": []}
    assert sign_in("bob", loaners="staff").get(f"{PATH}/rotation").status_code == 403


def test_lists_of_an_older_day_say_what_was_put_away(db: Session, staff: Actor, sign_in: SignIn) -> None:
    device = stock.device(db, staff, "AAA1", days_ago=6 * YEARS)
    stock.form(db, staff, device, 5 * YEARS, LENT)
    stock.form(db, staff, device, 4 * YEARS, STORED)
    stock.form(db, staff, device, 3.5 * YEARS, COLLECTED)
    db.commit()
    person = sign_in("alice", loaners="staff")

    def seen(days_ago: float, **cut: Any) -> list[Any]:
        day = local_date(stock.ago(db, days_ago)).isoformat()
        answer = person.get("/api/loaners/lists/INTEGRATED", params={"as_of": day, "sort": "-told_at"} | cut)
        assert answer.status_code == 200, answer.text
        return [answer.json()["columns"], answer.json()["items"]]

    asked: list[tuple[float, dict[str, Any]]] = [(4.5 * YEARS, {}), (4.5 * YEARS, {"q": "青空商事"})]
    asked += [(3.7 * YEARS, {"status": 3, "nested": STORED["3-0"]}), (3.2 * YEARS, {})]
    before = [seen(days_ago, **cut) for days_ago, cut in asked]
    assert all(len(items) == 1 for _, items in before)

    assert actions.archive_events(db, 100) == 3
    db.commit()

    assert [seen(days_ago, **cut) for days_ago, cut in asked] == before


def test_who_is_overtaken_by_what_was_put_away_is_told_by_whom(db: Session, staff: Actor, sign_in: SignIn) -> None:
    device = stock.device(db, staff, "AAA1", days_ago=6 * YEARS)
    stock.form(db, staff, device, 5 * YEARS, STORED)
    stock.form(db, staff, device, 1 * YEARS, COLLECTED)
    db.commit()
    admin = sign_in("alice", loaners="admin")
    sent = telling.body(admin, device.number, STORED)
    newest, oldest = sent["based_on"], events(db)[1]
    db.execute(text("SELECT loaners_put_away(:ids)"), {"ids": events(db)[:2]})
    db.commit()
    assert admin.post(f"/api/loaners/events/{newest}/mark", json={"reason": "誤り"}).status_code == 204

    answer = admin.post(f"/api/loaners/devices/{device.number}/status", json=sent)

    assert telling.body(admin, device.number, STORED)["based_on"] == oldest
    assert answer.status_code == 409, answer.text
    assert "「3.社内にて保管中」で登録しました" in answer.json()["detail"]
    assert answer.json()["current"] == STORED
    [item] = admin.get("/api/loaners/lists/INTEGRATED").json()["items"]
    assert item["status"] == 3


def test_tables_that_differ_are_made_of_the_history_again(
    db: Session, staff: Actor, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "BATCH_SIZE", 2)
    made = [stock.device(db, staff, serial) for serial in ("AAA1", "BBB2", "CCC3")]
    for one in made:
        stock.form(db, staff, one, 10, LENT)
    whole = [projected(db, one) for one in made]
    wrong = [made[0].number, made[2].number]
    db.execute(text("UPDATE loaners_states SET is_archived = true WHERE device_id = :of"), {"of": made[0].id})
    db.execute(text("DELETE FROM loaners_loans WHERE device_id = :of"), {"of": made[2].id})
    report = actions.check_if_due(lambda: opened(db))
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
    assert [projected(db, one) for one in made] == whole
    assert history.find_mismatches(db) == admin.get(f"{PATH}/findings").json()["different"] == []
    found = select(AuditEntry).where(AuditEntry.action == "update", AuditEntry.subject == "device")
    told = db.scalars(found.order_by(AuditEntry.id)).all()
    assert [(one.actor, one.subject_id, one.after) for one in told] == [
        ("alice", str(one.id), {"rebuilt": True}) for one in (made[0], made[2])
    ]


def test_a_young_event_is_never_put_away(db: Session, staff: Actor) -> None:
    device = stock.device(db, staff, "AAA1", days_ago=10)
    stock.form(db, staff, device, 9, STORED)

    with pytest.raises(Exception, match="younger than three years"), db.begin_nested():
        db.execute(select(func.loaners_put_away(events(db)[:1])))
