"""Answers that may lag come from a real streaming replica, and only while it is recent enough for the caller."""

from __future__ import annotations

import itertools
import re
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx2
import psycopg
import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from dashboards import client as dashboards_client
from service.core.access.identity import open_session
from service.core.database import replica
from service.core.database.replica import SINCE_WRITE, Failed, ReplicaWatch, Samples
from service.core.database.session import SYSTEM, set_scopes, transaction
from service.core.routing import replica_reads
from service.fleet.models import Customer
from stack.home import Home
from tests import cluster, factories, people
from tests.api.agencies import scene
from tests.conftest import Service, start_service
from tests.processes import free_port, make_temporary_folder, stop_process
from tests.replica import Replica, replica_of
from tests.waiting import wait_for

CUSTOMERS, SUMMARY, CORPORATIONS = "/api/fleet/customers", "/api/fleet/summary", "/api/agencies/corporations"
LIMIT = 4
LONG_AGO = {SINCE_WRITE: "3600"}
_numbers = itertools.count(1)


@dataclass
class Pair:
    """A service, and the replica that it reads from."""

    service: Service
    replica: Replica

    def reads(self, server: str, reason: str = "") -> float:
        metrics = httpx2.get(f"{self.service.url}/metrics", timeout=60).text
        match = re.search(rf'genba_lagging_reads_total{{server="{server}",why="{reason}"}} ([0-9.e+]+)', metrics)
        return float(match[1]) if match else 0.0

    def signed_in(self, tenant_id: int | None = None, **roles: str) -> httpx2.Client:
        with self.service.committed() as db:
            user = people.create_user(db, f"reader-{next(_numbers)}", tenant_id, **roles)
            token, _ = open_session(db, user, "testclient", timedelta(hours=1))
        return httpx2.Client(base_url=self.service.url, headers={"Authorization": f"Bearer {token}"}, timeout=60)

    def state(self, http: httpx2.Client) -> dict[str, Any]:
        """As システム状態 shows it."""
        shown: dict[str, Any] = http.get("/api/core/system").json()["replica"]
        return shown

    def await_state(self, state: str) -> dict[str, Any]:
        with self.signed_in(fleet="admin") as http:
            return wait_for(
                lambda: shown if (shown := self.state(http))["state"] == state else None, f"it is not {state}"
            )


@pytest.fixture(scope="module")
def started(running_servers: Home) -> Iterator[Pair]:
    """On a cluster of its own: the replica would also have to replay what all other tests write."""
    port, primary = free_port(), Home(make_temporary_folder("primary"))
    cluster.copy_secrets(primary)
    with cluster.running(primary), replica_of(primary, port) as following:
        environ = {
            "DATABASE_READ_URL": following.url("app", "genba_read"),
            "DATABASE_READ_LAG_SECONDS": str(LIMIT),
        }
        service = start_service(primary, "genba_read", environ)
        yield Pair(service, following)
        stop_process(service.process)


@pytest.fixture
def pair(started: Pair) -> Pair:
    started.replica.catch_up()
    started.await_state("ok")
    return started


def names(answer: httpx2.Response) -> set[str]:
    assert answer.status_code == 200, answer.text
    return {item["company_name"] for item in answer.json()["items"]}


def test_the_replica_answers_a_caller_without_a_recent_write(pair: Pair) -> None:
    with pair.signed_in(fleet="admin") as http:
        before, without_header = pair.reads("replica"), pair.reads("primary", "not said")
        assert http.get(CUSTOMERS, headers=LONG_AGO).status_code == 200
        assert http.get(SUMMARY, headers=LONG_AGO).status_code == 200
        assert pair.reads("replica") == before + 2
        for headers in ({}, {SINCE_WRITE: "yesterday"}, {SINCE_WRITE: "-1"}, {SINCE_WRITE: "nan"}):
            assert http.get(SUMMARY, headers=headers).status_code == 200
        assert pair.reads("replica") == before + 2
        assert pair.reads("primary", "not said") == without_header + 4


def test_a_write_is_seen_by_its_writer_and_lags_for_others(pair: Pair) -> None:
    with pair.signed_in(fleet="admin") as http:
        for _ in range(10):
            before = pair.reads("replica")
            with pair.replica.paused():
                with pair.service.committed() as db:
                    name = factories.customer(db).company_name
                other_answer = http.get(CUSTOMERS, params={"q": name}, headers=LONG_AGO)
                own_answer = http.get(CUSTOMERS, params={"q": name}, headers={SINCE_WRITE: "0"})
            assert names(own_answer) == {name}
            # On a busy machine this may take longer than the answer may lag: then the primary answers.
            if pair.reads("replica") == before + 1:
                break
            pair.await_state("ok")
        else:
            pytest.fail("the replica never answered within the limit")
    assert names(other_answer) == set()  # otherwise the pause did not work, and this test proves nothing


def test_the_dashboards_read_what_they_have_just_written(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    with pair.signed_in(fleet="admin") as http:
        monkeypatch.setattr(dashboards_client, "make_client", lambda: http)
        monkeypatch.setattr(dashboards_client, "last_writes", dashboards_client.LastWrites())
        api = dashboards_client.Api(http.headers["Authorization"].removeprefix("Bearer "))
        dashboards_client.last_writes._times.put(api.token or "", time.monotonic() - 3600)
        assert api.get(CUSTOMERS, q="株式会社ただいま登録")["total"] == 0
        with pair.replica.paused():
            new = {"company_name": "株式会社ただいま登録", "contact_person": "青木", "contact_phone": "03-1234-5678"}
            api.post(CUSTOMERS, new | {"contact_email": "aoki@example.com"}, idempotency_key=str(uuid.uuid4()))

            def is_passed_over() -> bool:
                [row] = api.get(CUSTOMERS, q="株式会社ただいま登録")["items"]
                assert row["company_name"] == "株式会社ただいま登録"
                return bool(pair.state(http)["state"] == "late")

            wait_for(is_passed_over)


@pytest.mark.deep
def test_a_replica_that_falls_behind_is_passed_over_until_it_has_caught_up(pair: Pair) -> None:
    with pair.signed_in(fleet="admin") as http:
        with pair.replica.paused():
            with pair.service.committed() as db:
                name = factories.customer(db).company_name
            shown = pair.await_state("late")
            assert LIMIT <= shown["behind_seconds"] < 30
            assert "genba_replica_usable 0.0" in http.get("/metrics").text
            late = pair.reads("primary", "late")
            assert names(http.get(CUSTOMERS, params={"q": name}, headers=LONG_AGO)) == {name}
            assert pair.reads("primary", "late") == late + 1
        pair.replica.catch_up()
        assert pair.await_state("ok")["behind_seconds"] == 0
        before = pair.reads("replica")
        assert names(http.get(CUSTOMERS, params={"q": name}, headers=LONG_AGO)) == {name}
        assert pair.reads("replica") == before + 1


def test_a_session_that_ended_is_refused_though_the_replica_still_knows_it(pair: Pair) -> None:
    with pair.signed_in(fleet="admin") as http:
        assert http.get(CUSTOMERS, headers=LONG_AGO).status_code == 200
        with pair.replica.paused():
            http.post("/api/auth/logout")
            assert http.get(CUSTOMERS, headers=LONG_AGO).status_code == 401
            assert http.get(SUMMARY, headers=LONG_AGO).status_code == 401


@pytest.mark.deep
def test_a_replica_that_was_killed_costs_no_answer(pair: Pair) -> None:
    with pair.signed_in(fleet="admin") as http:
        assert http.get(SUMMARY, headers=LONG_AGO).status_code == 200
        pair.replica.end(signal.SIGQUIT)  # PostgreSQL's own kill: every connection ends at once
        try:
            answers = [http.get(path, headers=LONG_AGO) for path in (SUMMARY, CUSTOMERS) for _ in range(5)]
            assert {answer.status_code for answer in answers} == {200}
            assert pair.await_state("away")["behind_seconds"] is None
        finally:
            pair.replica.start()
        pair.await_state("ok")
        before = pair.reads("replica")
        assert http.get(SUMMARY, headers=LONG_AGO).status_code == 200
        assert pair.reads("replica") == before + 1


@pytest.mark.parametrize(("path", "table"), [(CUSTOMERS, "fleet_customers"), (SUMMARY, "fleet_terminal_states")])
def test_an_answer_that_replay_cuts_short_is_given_by_the_primary(pair: Pair, path: str, table: str) -> None:
    """A real conflict: the statement waits on the replica while the primary locks a table exclusively."""
    with pair.service.committed() as db:
        factories.terminal(db)
    with psycopg.connect(pair.service.owner_url, autocommit=True) as owner:
        owner.execute(
            "CREATE FUNCTION slowly() RETURNS boolean VOLATILE LANGUAGE sql AS "
            "'SELECT pg_sleep(CASE WHEN pg_is_in_recovery() THEN 20 ELSE 0 END) IS NOT NULL'"
        )
        owner.execute(f"CREATE POLICY slow ON {table} AS RESTRICTIVE FOR SELECT USING (slowly())")
    pair.replica.catch_up()
    failed, answers = pair.reads("primary", "failed"), []
    try:
        with pair.signed_in(fleet="admin") as http:
            request_thread = threading.Thread(target=lambda: answers.append(http.get(path, headers=LONG_AGO)))
            request_thread.start()
            sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
            wait_for(lambda: pair.replica.query(sleeping), answers, 15)
            with psycopg.connect(pair.service.owner_url) as owner:
                owner.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            request_thread.join(30)
            assert answers[0].status_code == 200, answers[0].text
            answered, again = answers[0].json(), http.get(path).json()
            assert answered | {"as_of": ""} == again | {"as_of": ""}
        assert pair.reads("primary", "failed") == failed + 1
    finally:
        with psycopg.connect(pair.service.owner_url, autocommit=True) as owner:
            owner.execute(f"DROP POLICY slow ON {table}")
            owner.execute("DROP FUNCTION slowly()")


def test_charlie_sees_nothing_of_the_others_on_the_replica_either(pair: Pair) -> None:
    with pair.service.committed() as db:
        own_agency, other_agency = scene.agency(db), scene.agency(db)
        scene.corporation(db, own_agency, "株式会社うちだけ")
    pair.replica.catch_up()
    before, totals = pair.reads("replica"), {}
    for agency in (own_agency, other_agency):
        with pair.signed_in(agency.id, agencies="sales") as http:
            answer = http.get(CORPORATIONS, headers=LONG_AGO)
            assert answer.status_code == 200, answer.text
            totals[agency.id] = answer.json()["total"]
    assert totals == {own_agency.id: 1, other_agency.id: 0}
    assert pair.reads("replica") == before + 2
    with psycopg.connect(pair.replica.url("app", "genba_read")) as unscoped:
        assert unscoped.execute("SELECT count(*) FROM agencies_corporations").fetchone() == (0,)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            unscoped.execute("DELETE FROM users")


# --- without a replica -----------------------------------------------------------------------------------------------


def test_an_address_that_leads_to_no_replica_is_not_read_from(
    running_servers: Home, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A promoted replica has data of its own; here the address is that of the primary itself."""
    from service.core.settings import settings

    monkeypatch.setattr(settings(), "database_read_url", settings().database_url)
    watch = ReplicaWatch(LIMIT)
    watch.look()
    watch.close()

    assert (watch.state, watch.behind) == ("other", None)


def test_a_route_that_may_lag_cannot_write(db: Session) -> None:
    """This makes every such route read-only in every test."""
    with transaction(SYSTEM) as session:
        replica_reads.read_only(session)
        set_scopes(session, SYSTEM)
        session.execute(select(Customer.id))
        with pytest.raises(Exception, match="read-only transaction"):
            session.execute(text("UPDATE users SET name = name"))
        session.rollback()


def test_failures_that_are_not_the_replicas_stay_what_they_are(db: Session) -> None:
    with pytest.raises(Exception, match="division by zero") as caught, replica.failing_over(), transaction() as session:
        session.execute(text("SELECT 1 / 0"))
    assert not isinstance(caught.value, Failed)


def test_replay_is_compared_with_a_sample_no_older_than_requested() -> None:
    samples = Samples()
    assert not samples.reached(10**9, 0)  # there is no sample yet
    for taken_at, position in ((10.0, 100), (11.0, 200), (12.0, 200), (13.0, 300)):
        samples.entries.append((taken_at, position))

    assert samples.reached(200, 10.5)
    assert samples.reached(200, 12.0)
    assert not samples.reached(200, 12.1)  # the next sample was taken when there was more
    assert not samples.reached(10**9, 13.1)  # none is recent enough
    assert samples.behind(300, 14) == 0
    assert samples.behind(299, 14) == 2
    assert samples.behind(99, 14) is None
