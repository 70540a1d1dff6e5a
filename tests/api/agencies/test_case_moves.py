"""The status moves of 4.1 and 4.2: one by one, and in any order compared with a simple oracle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.agencies.cards.models import Card
from service.agencies.models import Request
from service.agencies.requests import actions, queries
from service.agencies.rules import Status
from service.agencies.sites import actions as site_actions
from service.agencies.sites import schemas
from service.core.access.auth import Actor
from service.core.audit import AuditEntry
from service.core.problems import Problem
from tests.api.agencies import scene
from tests.api.agencies.scene import Scene

W, D, E, C = Status.WORKING, Status.DEFICIENT, Status.ENTERED, Status.CANCELLED
Move = Callable[[Session, Actor, Request, int], None]


def report(db: Session, by: Actor, request: Request, site_id: int) -> None:
    actions.report_deficiency(db, by, request, "明細が読めません。", [queries.get_site(db, request, site_id)])


def enter(db: Session, by: Actor, request: Request, site_id: int) -> None:
    _to(db, by, request, site_id, W, E)


def go_on(db: Session, by: Actor, request: Request, site_id: int) -> None:
    _to(db, by, request, site_id, D, W)


def _to(db: Session, by: Actor, request: Request, site_id: int, _: Status, to: Any) -> None:
    site = queries.get_site(db, request, site_id)
    site_actions.set_status(db, by, request, site, schemas.NewStatus(to=to, version=site.version))


def resubmit(db: Session, by: Actor, request: Request, _: int) -> None:
    actions.resolve_deficiencies(db, by, request, "修正しました。")


def cancel(db: Session, by: Actor, request: Request, _: int) -> None:
    actions.cancel(db, by, request, "お客様都合")


# Every arrow of 4.1, and the moves that have no arrow. A second 不備 is a second reason, and no move.
@pytest.mark.parametrize(
    ("before", "move", "after"),
    [
        (W, report, D),
        (W, enter, E),
        (W, cancel, C),
        (W, resubmit, None),
        (W, go_on, None),
        (D, resubmit, W),
        (D, go_on, W),
        (D, cancel, C),
        (D, enter, None),
        (D, report, D),
        (E, report, None),
        (E, enter, None),
        (E, go_on, None),
        (E, resubmit, None),
        (E, cancel, None),
        (C, report, None),
        (C, enter, None),
        (C, go_on, None),
        (C, resubmit, None),
        (C, cancel, None),
    ],
)
def test_a_site_moves_as_the_document_draws_it(team: Scene, before: Status, move: Move, after: Status | None) -> None:
    request = scene.request(team.db, scene.corporation(team.db, team.a), team.alice)
    actor = team.acting(team.olga)
    site = _site_with_status(team, request, before)

    if after is None:
        with pytest.raises(Problem):
            move(team.db, actor, request, site)
    else:
        move(team.db, actor, request, site)
    assert queries.get_site(team.db, request, site).status == (after or before).value


def test_each_move_of_a_request_is_in_the_audit_log(team: Scene) -> None:
    request = scene.request(team.db, scene.corporation(team.db, team.a), team.alice)
    site = scene.site(team.db, request)
    for move in (report, cancel):
        move(team.db, team.acting(team.olga), request, site.id)

    moves = [(W, D, "status_change"), (D, C, "cancel")]
    about = select(AuditEntry).where(AuditEntry.subject == "request", AuditEntry.subject_id == str(request.id))
    entries = team.db.scalars(about.order_by(AuditEntry.id)).all()
    stored = [(entry.action, entry.before, (entry.after or {}).get("status")) for entry in entries]
    assert stored == [(action, {"status": before.value}, after.value) for before, after, action in moves]


def _site_with_status(team: Scene, request: Request, status: Status) -> int:
    """A site that reached this status by the product's own actions."""
    site = scene.site(team.db, request)
    if status is not W:
        {D: report, E: enter, C: cancel}[status](team.db, team.acting(team.alice), request, site.id)
    return site.id


@pytest.mark.parametrize(
    ("sites", "request_status"),
    [
        ([D], D),
        ([D, W], D),
        ([D, E], D),
        ([D, C], D),
        ([D, W, E, C], D),
        ([W], W),
        ([W, W], W),
        ([E], E),
        ([E, E, E], E),
        ([C], C),
        ([C, C], C),
        ([W, E], W),
        ([W, C], W),
        ([E, C], W),
        ([W, E, C], W),
        ([], W),
    ],
)
def test_a_request_is_what_its_sites_add_up_to(
    team: Scene, sites: list[Status], request_status: Status, client: TestClient
) -> None:
    request = scene.request(team.db, scene.corporation(team.db, team.a), team.alice)
    for status in sites:
        site = scene.site(team.db, request, status)
        if status is D:
            scene.deficiency(team.db, request, team.olga, site=site)
    actions.update_status(team.db, request)
    team.db.commit()

    shown = team.sign_in(team.olga).get(f"/api/agencies/cases/{request.id}").json()

    assert shown["status"] == request_status.value
    # 残りなし: all sites are 投入済 or キャンセル.
    assert shown["is_open"] is (not sites or bool({W, D} & {*sites}))


@dataclass
class Oracle:
    """The rules of 4.1 and 4.2, written as simply as possible."""

    sites: list[Status] = field(default_factory=list)
    request_deficiency: bool = False
    cancelled: bool = False

    @property
    def status(self) -> Status:
        if self.request_deficiency or D in self.sites:
            return D
        if self.sites and all(site is E for site in self.sites):
            return E
        if (self.sites and all(site is C for site in self.sites)) or (not self.sites and self.cancelled):
            return C
        return W

    @property
    def is_open(self) -> bool:
        if self.request_deficiency or W in self.sites or D in self.sites:
            return True
        return not self.sites and not self.cancelled

    def may(self, move: str, chosen: list[int]) -> bool:
        statuses = [self.sites[index] for index in chosen]
        match move:
            case "add":
                return not self.cancelled
            case "report_all":
                return self.is_open
            case "report":
                return self.is_open and all(site in (W, D) for site in statuses)
            case "put_right":
                return self.status is D
            case "go_on":
                return statuses == [D]
            case "enter" | "remove":
                return statuses == [W]
            case "cancel":
                return self.is_open
        raise ValueError(move)

    def do(self, move: str, chosen: list[int]) -> None:
        match move:
            case "add":
                self.sites.append(W)
            case "report_all":
                self.request_deficiency = True
            case "report":
                for index in chosen:
                    self.sites[index] = D
            case "put_right":
                self.request_deficiency = False
                self.sites = [W if site is D else site for site in self.sites]
            case "go_on":
                self.sites[chosen[0]] = W
            case "enter":
                self.sites[chosen[0]] = E
            case "remove":
                del self.sites[chosen[0]]
            case "cancel":
                self.request_deficiency = False
                self.cancelled = True
                self.sites = [site if site is E else C for site in self.sites]


MOVES = ("add", "add", "report_all", "report", "report", "put_right", "go_on", "enter", "enter", "remove", "cancel")
STEPS = st.lists(
    st.tuples(st.sampled_from(MOVES), st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True)), max_size=14
)
NEEDS_SITES = frozenset({"report", "go_on", "enter", "remove"})
ONE_SITE = frozenset({"go_on", "enter", "remove"})


@settings(
    max_examples=min(settings().max_examples * 2, 200),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
def test_whatever_is_done_in_whatever_order_the_oracle_agrees(team: Scene, steps: list[tuple[str, list[int]]]) -> None:
    db = team.db
    olga, alice = team.acting(team.olga), team.acting(team.alice)
    corporation = scene.corporation(db, team.a)
    request = scene.request(db, corporation, team.alice)
    db.add(Card(corporation_id=corporation.id, agency_id=team.a.id, last4="1111", number=b"x", number_key="k"))
    db.flush()
    oracle, ids, with_comments = Oracle(), list[int](), set[int]()

    for move, indexes in steps:
        if move in NEEDS_SITES and not ids:
            continue
        chosen = [*dict.fromkeys(index % len(ids) for index in indexes)] if move in NEEDS_SITES else []
        chosen = chosen[:1] if move in ONE_SITE else chosen
        if move == "remove" and ids[chosen[0]] in with_comments:
            continue
        allowed, version = oracle.may(move, chosen), request.version
        with db.begin_nested() as savepoint:
            try:
                _apply(db, olga, alice, request, move, [ids[index] for index in chosen], ids)
            except Problem:
                assert not allowed, (move, oracle)
                savepoint.rollback()
            else:
                assert allowed, (move, oracle)
        db.expire_all()
        if allowed:
            with_comments |= {ids[index] for index in chosen} if move == "report" else set()
            if move == "remove":
                del ids[chosen[0]]
            oracle.do(move, chosen)
        assert (request.version > version) is allowed, "whoever read it before has an old version"
        statuses = {site.id: Status(site.status) for site in queries.sites(db, request)}
        assert [statuses[site_id] for site_id in ids] == oracle.sites
        assert (Status(request.status), request.is_open) == (oracle.status, oracle.is_open)
        card = db.scalars(select(Card).where(Card.corporation_id == corporation.id)).one()
        assert (card.purge_at is None) is oracle.is_open


def _apply(
    db: Session, olga: Actor, alice: Actor, request: Request, move: str, chosen: list[int], ids: list[int]
) -> None:
    match move:
        case "add":
            site = site_actions.add(db, olga, request, schemas.NewSite())
            for name, value in FILLED.items():
                setattr(site, name, value)
            ids.append(site.id)
        case "report_all":
            actions.report_deficiency(db, olga, request, "明細画像がありません。")
        case "report":
            actions.report_deficiency(
                db, olga, request, "読めません。", [queries.get_site(db, request, site_id) for site_id in chosen]
            )
        case "put_right":
            resubmit(db, alice, request, 0)
        case "go_on":
            go_on(db, olga, request, chosen[0])
        case "enter":
            enter(db, olga, request, chosen[0])
        case "remove":
            site = queries.get_site(db, request, chosen[0])
            site_actions.remove(db, olga, request, site, site.version)
        case "cancel":
            cancel(db, alice, request, 0)


FILLED = {
    "pps_business_number": "E01",
    "application_type": "1",
    "power_area": "03",
    "power_supplier_type": "03",
    "power_customer_number": "1",
    "power_customer_location_number": "03" * 11,
    "power_zip_code": "1500002",
    "power_prefecture": "東京都",
    "power_city": "渋谷区",
    "power_street": "1-2-3",
    "power_customer_name": "株式会社ABC",
    "power_customer_name_kana": "エービーシー",
    "power_plan_name": "従量電灯C",
}
