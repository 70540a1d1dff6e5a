"""Isolation by the database: what a transaction did not ask to see, it does not see, whatever the query."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fastapi import Request
from fastapi.testclient import TestClient
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from service.core import audit
from service.core.access.auth import Actor, authenticate, scope_cache
from service.core.access.identity import Membership
from service.core.audit import AuditEntry
from service.core.database.session import NO_SCOPES, SYSTEM, Scopes, set_scopes, transaction
from service.core.outbox import messages, queue
from service.core.problems import NotFound
from service.core.tasks.records import Order, get, start, tasks
from service.fleet.models import Customer
from tests import factories, people
from tests.people import person, signed_in

# Tables that row-level security leaves open to every transaction, each for a reason of its own.
OPEN_TABLES = {
    "alembic_version": "one row about the schema",
    "app_clock": "one row about time",
    "calendar_version": "one row about the holidays",
    "holidays": "the same days for everybody",
    "kept_tables": "names of tables",
    "retention_runs": "figures about tables",
    "installation": "one row about this database",
    "job_heartbeats": "when jobs ran",
    "instances": "processes of the product",
    "traffic_minutes": "sums of requests",
    "fleet_liveness": "when the ingest was there",
    "probes": "when the doors answered",
    "backups": "when backups were taken",
    # Read before it is known who is calling. Every other read is scoped in service/core/users.
    "users": "signing in",
    "memberships": "signing in",
    "sessions": "signing in",
    "throttles": "hashes, counted before it is known who is calling",
}


def test_every_table_is_under_row_level_security_or_named_here(db: Session) -> None:
    """A partition counts through its parent: the application has no right to it by its own name."""
    tables = db.execute(
        text(
            "SELECT relname, relrowsecurity AND relforcerowsecurity "
            "AND EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid) FROM pg_class c "
            "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition"
        )
    ).all()

    assert [name for name, secured in tables if not secured and name not in OPEN_TABLES] == []
    assert sorted(OPEN_TABLES) == sorted(name for name, secured in tables if not secured)


def test_no_partition_can_be_reached_by_its_own_name(db: Session) -> None:
    reachable = db.execute(
        text(
            "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' "
            "AND has_table_privilege(oid, 'SELECT, INSERT, UPDATE, DELETE')"
        )
    ).all()

    assert reachable == []


def test_who_says_nothing_sees_nothing_and_changes_nothing(db: Session) -> None:
    customer = factories.customer(db)
    db.commit()

    for scopes in (NO_SCOPES, Scopes(frozenset({"loaners"})), Scopes(tenants=frozenset({("fleet", customer.id)}))):
        with transaction(scopes) as stranger:
            assert stranger.scalars(select(Customer)).all() == []
            assert stranger.execute(text("UPDATE fleet_customers SET company_name = 'x' RETURNING id")).all() == []
            with pytest.raises(DBAPIError, match="row-level security"), stranger.begin_nested():
                factories.customer(stranger)
    with transaction(SYSTEM) as system:
        assert [found.id for found in system.scalars(select(Customer))] == [customer.id]


def test_what_one_transaction_saw_does_not_reach_into_the_next(db: Session) -> None:
    factories.customer(db)
    db.commit()

    with transaction(SYSTEM) as first:
        assert first.scalars(select(Customer)).all()
    with transaction() as second:
        assert second.scalars(select(Customer)).all() == []


def test_the_owner_of_the_tables_is_held_to_it_too(db: Session, database: str) -> None:
    forced = db.scalar(
        text("SELECT bool_and(relforcerowsecurity) FROM pg_class WHERE relrowsecurity AND relkind IN ('r', 'p')")
    )

    assert forced


def test_an_entry_of_the_trail_is_written_by_anybody_and_read_where_it_belongs(db: Session) -> None:
    alice = person(db, "alice", fleet="admin")
    with transaction() as nobody:
        audit.record(nobody, "station", "create", "fleet", "terminal", 1)
        audit.record(nobody, "somebody", "login_failed", "core", "user", "-")
        nobody.execute(
            text(
                "INSERT INTO audit_entries (user_id, actor, address, area, action, subject, subject_id) "
                "VALUES (:user_id, 'alice', '-', 'core', 'login', 'user', '1')"
            ),
            {"user_id": alice.id},
        )

    def seen(scopes: Scopes) -> list[str]:
        set_scopes(db, scopes)
        return list(db.scalars(select(AuditEntry.actor).order_by(AuditEntry.id)))

    assert seen(NO_SCOPES) == []
    assert seen(Scopes(frozenset({"fleet"}))) == ["station", "alice"]
    assert seen(Scopes(frozenset({"loaners"}))) == []
    assert seen(SYSTEM) == ["station", "somebody", "alice"]


@pytest.mark.parametrize("statement", ["UPDATE audit_entries SET actor = 'x'", "DELETE FROM audit_entries"])
def test_the_trail_is_never_changed(db: Session, statement: str) -> None:
    with pytest.raises(DBAPIError, match="permission denied"), db.begin_nested():
        db.execute(text(statement))


def test_what_a_session_could_see_before_is_only_a_guess(client: TestClient, db: Session) -> None:
    """Rights taken or given between two requests of one session hold at the next one."""
    alice = person(db, "alice", fleet="operator")
    factories.customer(db)
    signed_in(db, client, alice)
    token = client.headers["Authorization"].removeprefix("Bearer ")

    def seen() -> tuple[str, int]:
        with transaction() as fresh:
            actor = authenticate(Request({"type": "http", "headers": []}), fresh, token)
            assert actor.scopes == scope_cache.of(token)
            return str(sorted(actor.scopes.whole)), len(fresh.scalars(select(Customer)).all())

    for role, expected in (("operator", 1), ("nobody", 0), ("admin", 1), ("nobody", 0)):
        db.execute(update(Membership).where(Membership.user_id == alice.id).values(role=role))
        db.commit()
        assert seen() == seen() == ("['fleet']" if expected else "[]", expected)


def test_tasks_and_messages_are_kept_to_the_tenant_by_the_query_alone_too(db: Session) -> None:
    """Isolation twice: this session sees every tenant, and still finds only what the person may."""
    whole = people.actor(db, "alice", fleet="admin")
    other = people.actor(db, "bob", fleet="admin")
    ids = {}
    for tenant in (None, 1, 2):
        scopes = Scopes(tenants=frozenset({("fleet", tenant)})) if tenant else whole.scopes
        order = Order(kind="core.export", area="fleet", title="出力", permission="fleet:terminal:read")
        task = start(db, replace(other, scopes=scopes), order)
        message = queue.publish(db, "mail", {}, area="fleet", recipient="a@example.com", title="x", tenant_id=tenant)
        db.flush()  # for the id
        ids[tenant] = (task.id, message.id)
    bound = replace(whole, scopes=Scopes(tenants=frozenset({("fleet", 1)})))

    def seen(by: Actor) -> tuple[set[int], set[int]]:
        found = tasks(db, by, 50, None, everybody=True, only_open=False)
        told = messages.page(db, by, 50, None)
        return {task["id"] for task in found["items"]}, {item["id"] for item in told["items"]}

    assert seen(bound) == ({ids[1][0]}, {ids[1][1]})
    assert seen(whole) == ({task for task, _ in ids.values()}, {message for _, message in ids.values()})
    assert messages.summary(db, bound)["open"] == 1
    for read in (lambda: get(db, bound, ids[2][0]), lambda: messages.detail(db, bound, ids[2][1])):
        with pytest.raises(NotFound):
            read()
