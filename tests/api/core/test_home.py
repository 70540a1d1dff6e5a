"""ホーム: what each role reads, whose rows, in which order, and what remains when a part of it fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from dashboards.menu import page_at
from service.core.access.identity import User
from service.core.areas import areas
from service.core.database.clock import app_now
from service.core.home import queries
from service.core.home.declared import DueList, MenuCount, State, Week
from service.core.values.times import DAY, day_bounds, local_date
from service.entries.models import Nursery, Station
from service.fleet import home as fleet
from service.fleet.incidents.models import Incident
from service.fleet.models import Day
from service.reservations.management import actions as management
from service.reservations.operations import actions as operations
from service.reservations.state_machine.states import Task
from tests import factories, people
from tests.api.agencies import scene as agencies
from tests.api.entries.conftest import create_nursery
from tests.api.loaners.test_lending import lend, set_clock_to_morning
from tests.api.reservations import outcomes
from tests.api.reservations import scene as reservations
from tests.dashboards.entries import scene as entries

SignIn = Callable[..., TestClient]


def read(client: TestClient) -> dict[str, Any]:
    answer = client.get("/api/home")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    if not body["failed"]:
        assert counts(client)["due"] == body["due_total"], "the menu says the same"
    return body


def counts(client: TestClient) -> dict[str, Any]:
    answer = client.get("/api/me/counts")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def due(client: TestClient) -> list[tuple[str, str]]:
    return [(item["kind"], item["title"]) for item in read(client)["due"]]


def test_nobody_reads_it_without_signing_in(client: TestClient) -> None:
    assert client.get("/api/home").status_code == client.get("/api/me/counts").status_code == 401


@pytest.mark.parametrize(
    ("area", "role", "states", "has_due", "weeks"),
    [
        ("fleet", "admin", ["fleet.summary"], True, []),
        ("fleet", "operator", ["fleet.summary"], True, []),
        ("fleet", "support", ["fleet.summary"], True, []),
        ("fleet", "viewer", ["fleet.reports"], False, ["時間稼働率", "障害"]),
        ("loaners", "admin", ["loaners.loans"], True, []),
        ("loaners", "staff", ["loaners.loans"], True, []),
        ("loaners", "auditor", ["loaners.loans"], True, []),
        ("agencies", "admin", ["agencies.dashboard"], True, []),
        ("agencies", "operator", ["agencies.cases"], True, []),
        ("reservations", "admin", ["reservations.today"], True, []),
        ("reservations", "operator", ["reservations.today"], True, []),
        ("reservations", "support", ["reservations.today"], True, []),
        (
            "reservations",
            "manager",
            ["reservations.management"],
            False,
            ["予約件数", "売上", "予約成功率", "決済成功率", "キャンセル率"],
        ),
        ("entries", "admin", ["entries.now"], True, []),
    ],
)
def test_each_role_reads_the_sentence_of_its_first_page_and_its_work_or_the_weeks_figures(
    sign_in: SignIn, area: str, role: str, states: list[str], has_due: bool, weeks: list[str]
) -> None:
    home = read(sign_in("alice", **{area: role}))

    assert [state["key"] for state in home["states"]] == states
    assert home["areas"] == {area: areas()[area].title}
    assert home["has_due"] is has_due
    assert [figure["title"] for week in home["weeks"] for figure in week["figures"]] == weeks
    assert home["failed"] == []


def test_a_user_without_an_area_reads_nothing(sign_in: SignIn) -> None:
    home = read(sign_in("nina"))

    assert (home["areas"], home["states"], home["due"], home["weeks"]) == ({}, [], [], [])


@pytest.mark.parametrize("entry", queries._entries(), ids=lambda entry: entry.key)
def test_who_has_an_entrys_permission_may_open_its_page(entry: State | DueList | Week | MenuCount) -> None:
    granted = [role for role in areas()[entry.area].roles.values() if entry.permission in role.permissions]

    assert granted
    if not isinstance(entry, DueList):
        assert all(page_at(entry.address).permission in role.permissions for role in granted)


def test_an_alert_says_where_it_is_whose_it_is_and_what_comes_next(db: Session, sign_in: SignIn) -> None:
    first = factories.alert(db, factories.terminal(db, factories.customer(db, "ABC商事"), store_name="新宿店 レジ1番"))
    factories.alert(db, factories.terminal(db, factories.customer(db, "XYZストア")))
    second, mine = db.scalars(select(Incident).order_by(Incident.id)).all()[::-1][:2]
    alice = sign_in("alice", fleet="operator")
    alice.post(f"/api/fleet/incidents/{mine.id}/acknowledge")

    home = read(alice)

    own, other = home["due"]
    assert first.incident_id == mine.id
    assert (own["title"], own["detail"], own["kind"]) == ("ABC商事 - 新宿店 レジ1番", "エラー", "アラート")
    assert (own["whose"], own["owner"], other["whose"], other["owner"]) == ("mine", "alice さん", "nobody", None)
    assert (own["step"], other["step"]) == ("リモート診断する", "初動を確認する")
    assert (own["address"], other["address"]) == (f"/alerts?id={mine.id}", f"/alerts?id={second.id}")
    assert (home["due_total"], home["mine_total"]) == (2, 1)
    assert [item["whose"] for item in read(sign_in("bob", fleet="operator"))["due"]] == ["nobody", "another"]


def test_who_may_not_do_the_step_is_not_told_to(db: Session, sign_in: SignIn) -> None:
    factories.alert(db, factories.terminal(db))

    assert [item["step"] for item in read(sign_in("sue", fleet="support"))["due"]] == ["内容を確認する"]


def test_the_sentences_figures_are_those_of_the_page(db: Session, sign_in: SignIn) -> None:
    factories.alert(db, factories.terminal(db))
    alice = sign_in("alice", fleet="operator", reservations="operator", loaners="staff", agencies="operator")

    states = {state["key"]: state["figures"] for state in read(alice)["states"]}

    for key, path in {
        "fleet.summary": "/api/fleet/summary",
        "reservations.today": "/api/reservations/dashboard/today",
        "loaners.loans": "/api/loaners/loans/counts",
        "agencies.cases": "/api/agencies/cases/counts",
    }.items():
        assert states[key] == alice.get(path).json(), key


def test_the_menus_counts_are_those_of_the_pages_that_the_user_may_open(db: Session, sign_in: SignIn) -> None:
    factories.alert(db, factories.terminal(db))
    pages = {
        "/alerts": ("fleet/incidents/counts", "open"),
        "/firmware": ("fleet/rollouts/overview", "paused"),
        "/my-requests": ("agencies/requests/counts", "waiting"),
        "/cases": ("agencies/cases/counts", "working"),
        "/operations": ("reservations/operations/counts", "open"),
        "/enquiries": ("reservations/enquiries/counts", "open"),
        "/incidents": ("reservations/incidents/counts", "open"),
        "/chores": ("reservations/chores/turns/counts", "todo"),
        "/reservations-reports": ("reservations/reports/counts", "drafts"),
        "/monitoring": ("reservations/alarms/counts", "open"),
        "/messages": ("core/messages/summary", "dead"),
    }
    ada = sign_in("ada", **dict.fromkeys(areas(), "admin"))

    assert counts(ada)["pages"] == {
        page: ada.get(f"/api/{path}").json()[field] for page, (path, field) in pages.items()
    }
    assert counts(ada)["pages"]["/alerts"] == 1
    assert counts(sign_in("sue", loaners="staff")) == {"due": 0, "pages": {}}


def test_the_list_is_cut_and_the_totals_count_all(
    db: Session, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "MAX_DUE", 2)
    customer = factories.customer(db)
    for _ in range(3):
        factories.alert(db, factories.terminal(db, customer))
    alice = sign_in("alice", fleet="operator")
    latest = db.scalars(select(Incident.id).order_by(Incident.id.desc()).limit(1)).one()
    alice.post(f"/api/fleet/incidents/{latest}/acknowledge")

    home = read(alice)

    assert (len(home["due"]), home["due_total"], home["mine_total"]) == (2, 3, 1)
    assert home["due"][0]["address"] == f"/alerts?id={latest}", "one's own is not cut off by others that are older"


def test_what_fails_of_one_area_leaves_the_others(
    db: Session, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also an error of the database, which would end the transaction."""

    def fail(db: Session, *_: object) -> Any:
        return db.execute(text("SELECT 1 / 0"))

    broken = [replace(entry, read=fail, count=fail) if isinstance(entry, DueList) else entry for entry in fleet.HOME]
    others = [entry for entry in queries._entries() if entry.area != "fleet"]
    monkeypatch.setattr(queries, "_entries", lambda: [*broken, *others])
    factories.alert(db, factories.terminal(db))

    alice = sign_in("alice", fleet="operator", loaners="staff")
    home = read(alice)

    assert home["failed"] == [{"area": "fleet", "title": "アラート"}]
    assert counts(alice) == {"due": None, "pages": {"/alerts": 1}}, "what is not known is no zero"
    assert [state["key"] for state in home["states"]] == ["fleet.summary", "loaners.loans"]
    assert home["due"] == []


def test_sent_back_requests_are_the_agencys_and_ones_own_come_first(db: Session, client: TestClient) -> None:
    north, south = agencies.agency(db), agencies.agency(db)
    alice, anna, charlie = (
        agencies.sales(db, login_id, agency)
        for login_id, agency in (("alice", north), ("anna", north), ("charlie", south))
    )
    for by, name in ((anna, "株式会社先"), (alice, "株式会社後")):
        agencies.request(db, agencies.corporation(db, north, name), by, "deficient")

    assert due(people.signed_in_client(db, client, alice)) == [("不備", "株式会社後"), ("不備", "株式会社先")]
    assert due(people.signed_in_client(db, client, charlie)) == []


def test_cases_to_enter_are_the_operators_and_say_who_has_them(
    db: Session, client: TestClient, sign_in: SignIn
) -> None:
    agency = agencies.agency(db)
    request = agencies.request(
        db, agencies.corporation(db, agency, "株式会社ABC"), agencies.sales(db, "a", agency), "working"
    )
    olga = sign_in("olga", agencies="operator")

    [item] = read(olga)["due"]

    assert (item["kind"], item["title"], item["whose"]) == ("投入待ち", "株式会社ABC", "nobody")
    assert item["address"] == f"/case?id={request.id}"
    olga.post(f"/api/agencies/cases/{request.id}/claim", json={})
    assert [row["whose"] for row in read(olga)["due"]] == ["mine"]


def test_children_wait_in_all_nurseries_and_nobody_sees_those_of_another(db: Session, client: TestClient) -> None:
    sakura = create_nursery(db, "", "さくら保育園", "ABC123", {"山田花子": (123456, ["山田太郎"])})
    himawari = create_nursery(db, "", "ひまわり保育園", "HMW456", {"松本さくら": (223456, ["松本律"])})
    for nursery, parent in ((sakura, 123456), (himawari, 223456)):
        entries.scan(db, nursery, parent, "Entry", "8:20")
    entries.set_clock(db, "17:59")
    admin = people.create_user(db, "adam", entries="admin")
    staff = people.create_user(db, "carol", himawari.id, entries="staff")

    assert due(people.signed_in_client(db, client, admin)) == []
    entries.set_clock(db, "18:30")
    assert due(people.signed_in_client(db, client, admin)) == [("お迎え待ち", "山田太郎"), ("お迎え待ち", "松本律")]
    [item] = read(people.signed_in_client(db, client, staff))["due"]
    assert (item["title"], item["detail"], item["address"]) == ("松本律", "ひまわり保育園", "/in-nursery")

    entries.scan(db, himawari, 223456, "Exit", "18:20")
    assert due(people.signed_in_client(db, client, staff)) == []


def test_waiting_children_are_those_that_the_page_counts(db: Session, client: TestClient) -> None:
    sakura = create_nursery(
        db,
        "",
        "さくら保育園",
        "ABC123",
        {"山田花子": (123456, ["山田太郎", "山田次郎"]), "佐藤太郎": (1, ["佐藤次郎"])},
    )
    entries.scan(db, sakura, 123456, "Entry", "8:20")
    entries.scan(db, sakura, 1, "Entry", "8:30")
    entries.scan(db, sakura, 1, "Exit", "17:00")
    entries.scan(db, sakura, 1, "Entry", "17:10")
    entries.scan(db, sakura, 123456, "Exit", "17:30")
    entries.set_clock(db, "18:00")
    people.signed_in_client(db, client, people.create_user(db, "carol", sakura.id, entries="staff"))

    now = client.get("/api/entries/now").json()

    overdue = [child["child_name"] for child in now["children"] if child["overdue"]]
    assert [title for _, title in due(client)] == overdue == ["佐藤次郎"]


def test_a_station_with_refused_scans_is_due(db: Session, client: TestClient) -> None:
    sakura: Nursery = create_nursery(db, "", "さくら保育園", "ABC123", {})
    columns = {"nursery_id": sakura.id, "token_expires_at": entries.tokyo_time("23:00")}
    for number, needs_attention in ((1, 0), (2, 3)):
        db.add(
            Station(device_id=f"00000000-0000-0000-0000-00000000000{number}", label=f"玄関{number}",
                    needs_attention=needs_attention, **columns)
        )  # fmt: skip
    db.commit()

    [item] = read(people.signed_in_client(db, client, people.create_user(db, "adam", entries="admin")))["due"]

    assert (item["title"], item["detail"]) == ("玄関2", "さくら保育園　要確認の記録 3件")
    assert item["address"] == "/nursery?nursery_id=%E3%81%95%E3%81%8F%E3%82%89%E4%BF%9D%E8%82%B2%E5%9C%92"


def test_without_a_nursery_there_is_nothing_to_tell(sign_in: SignIn) -> None:
    [state] = read(sign_in("adam", entries="admin"))["states"]

    assert (state["key"], state["figures"]) == ("entries.now", None)


def test_the_desks_work_comes_from_its_lists_and_support_reads_its_own(db: Session, sign_in: SignIn) -> None:
    reservations.fill(db)
    reservation = reservations.create_reservation(db)
    operation = operations.open_operation(db, reservation.id, reservation.code, Task.SMS_FAILED)
    db.commit()
    olivia = sign_in("olivia", reservations="operator")
    created = olivia.post("/api/reservations/incidents", json={"title": "電話がつながらない", "level": "high"})
    assert created.status_code == 201

    found = {item["kind"]: item for item in read(olivia)["due"]}

    task, incident = found["手動対応"], found["インシデント"]
    assert (task["address"], task["step"]) == (f"/operations?id={operation.id}", "対応する")
    assert task["detail"].startswith(f"{reservation.code}　青木 花子　")
    assert (incident["title"], incident["address"]) == ("電話がつながらない", f"/incidents?id={created.json()['id']}")
    olivia.post(f"/api/reservations/operations/{operation.id}/claim", json={"version": 1})
    assert {item["kind"]: item["whose"] for item in read(olivia)["due"]}["手動対応"] == "mine"
    assert {kind for kind, _ in due(sign_in("sue", reservations="support"))} <= {"問い合わせ", "定期作業"}


def test_an_overdue_loan_leads_to_its_form(db: Session, client: TestClient) -> None:
    staff = set_clock_to_morning(db)
    device, _ = lend(db, staff, "LATE1", 40, -9), lend(db, staff, "SOON2", 30, 2)
    db.commit()
    user = db.get_one(User, staff.user_id)

    [item] = read(people.signed_in_client(db, client, user))["due"]

    assert (item["kind"], item["title"], item["step"]) == ("返却待ち", device.number, "返却を確認する")
    assert item["address"] == f"/status-form?number={device.number}"
    assert item["due_at"] < read(client)["as_of"]
    auditor = people.create_user(db, "audrey", loaners="auditor")
    [item] = read(people.signed_in_client(db, client, auditor))["due"]
    assert (item["step"], item["address"]) == ("内容を確認する", f"/loaners-device?number={device.number}")


def test_a_managers_week_is_what_was_counted_at_night(db: Session, sign_in: SignIn) -> None:
    reservations.fill(db)
    for day in (1, 2, 5):
        outcomes.confirmed(db, outcomes.tokyo(2031, 1, day, 11, 0))
    outcomes.confirmed(db, outcomes.tokyo(2030, 12, 28, 11, 0))
    reservations.set_clock(db, outcomes.tokyo(2031, 1, 8, 2, 30))
    management.run_nightly_count(db)
    db.commit()

    [week] = read(sign_in("mia", reservations="manager"))["weeks"]

    assert (week["since"], week["until"], week["address"]) == ("2031-01-01", "2031-01-07", "/management")
    requested, sales, success, *_ = week["figures"]
    assert (requested["value"], requested["before"]) == (3, 1)
    assert requested["series"] == [0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 1, 0, 0]
    assert sales["value"] == 3 * sales["before"]
    assert (success["value"], success["unit"]) == (100, "percent")


def test_a_viewers_week_is_the_fleets_uptime(db: Session, sign_in: SignIn) -> None:
    terminal = factories.terminal(db)
    yesterday = day_bounds(local_date(app_now(db)) - DAY)[0]
    for back, online in ((0, 900), (3, 800), (8, 500)):
        spent = {"online_seconds": online, "offline_seconds": 1000 - online, "heartbeats": 0}
        spent |= {"error_seconds": 0, "maintenance_seconds": 0}
        db.add(Day(terminal_id=terminal.id, begins_at=yesterday - back * DAY, **spent))
    db.commit()

    [week] = read(sign_in("vera", fleet="viewer"))["weeks"]

    uptime, incidents = week["figures"]
    assert (uptime["value"], uptime["before"], uptime["series"]) == (85, 50, [50, 80, 90])
    assert (incidents["value"], incidents["before"], incidents["good"]) == (0, 0, "down")
