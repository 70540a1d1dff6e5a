"""Isolation by the database (row-level security): a transaction sees only the rows of its scopes, whatever the
query."""

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
from tests.people import create_user, signed_in_client

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
    "probes": "when the routes answered",
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

    unsecured = {name for name, secured in tables if not secured}
    assert unsecured <= OPEN_TABLES.keys(), (
        f"{sorted(unsecured - OPEN_TABLES.keys())}: add `SELECT enforce_isolation('<table>', '<area>')` to its "
        "migration (docs/first-day.md, Add a table), or the table with its reason to OPEN_TABLES"
    )
    assert OPEN_TABLES.keys() <= unsecured, (
        f"{sorted(OPEN_TABLES.keys() - unsecured)}: secured or gone; remove it from OPEN_TABLES"
    )


def test_no_partition_can_be_reached_by_its_own_name(db: Session) -> None:
    reachable = db.execute(
        text(
            "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' "
            "AND has_table_privilege(oid, 'SELECT, INSERT, UPDATE, DELETE')"
        )
    ).all()

    assert reachable == [], "REVOKE the application's rights to the partition: it reads and writes the parent only"


def test_a_transaction_without_scopes_sees_and_changes_nothing(db: Session) -> None:
    customer = factories.customer(db)
    db.commit()

    for scopes in (NO_SCOPES, Scopes(frozenset({"loaners"})), Scopes(tenants=frozenset({("fleet", customer.id)}))):
        with transaction(scopes) as out_of_scope:
            assert out_of_scope.scalars(select(Customer)).all() == []
            assert out_of_scope.execute(text("UPDATE fleet_customers SET company_name = 'x' RETURNING id")).all() == []
            with pytest.raises(DBAPIError, match="row-level security"), out_of_scope.begin_nested():
                factories.customer(out_of_scope)
    with transaction(SYSTEM) as system:
        assert [row.id for row in system.scalars(select(Customer))] == [customer.id]


def test_the_scopes_of_a_transaction_end_with_it(db: Session) -> None:
    factories.customer(db)
    db.commit()

    with transaction(SYSTEM) as first:
        assert first.scalars(select(Customer)).all()
    with transaction() as second:
        assert second.scalars(select(Customer)).all() == []


def test_row_level_security_holds_for_the_owner_of_the_tables_too(db: Session, database: str) -> None:
    forced = db.scalar(
        text("SELECT bool_and(relforcerowsecurity) FROM pg_class WHERE relrowsecurity AND relkind IN ('r', 'p')")
    )

    assert forced


def test_an_audit_entry_is_written_in_any_scope_and_read_in_its_own(db: Session) -> None:
    alice = create_user(db, "alice", fleet="admin")
    with transaction() as unscoped:
        audit.record(unscoped, "station", "create", "fleet", "terminal", 1)
        audit.record(unscoped, "somebody", "login_failed", "core", "user", "-")
        unscoped.execute(
            text(
                "INSERT INTO audit_entries (user_id, actor, address, area, action, subject, subject_id) "
                "VALUES (:user_id, 'alice', '-', 'core', 'login', 'user', '1')"
            ),
            {"user_id": alice.id},
        )

    def visible(scopes: Scopes) -> list[str]:
        set_scopes(db, scopes)
        return list(db.scalars(select(AuditEntry.actor).order_by(AuditEntry.id)))

    assert visible(NO_SCOPES) == []
    assert visible(Scopes(frozenset({"fleet"}))) == ["station", "alice"]
    assert visible(Scopes(frozenset({"loaners"}))) == []
    assert visible(SYSTEM) == ["station", "somebody", "alice"]


@pytest.mark.parametrize("statement", ["UPDATE audit_entries SET actor = 'x'", "DELETE FROM audit_entries"])
def test_the_audit_log_is_append_only(db: Session, statement: str) -> None:
    with pytest.raises(DBAPIError, match="permission denied"), db.begin_nested():
        db.execute(text(statement))


def test_a_cached_scope_follows_changes_of_the_role(client: TestClient, db: Session) -> None:
    """Permissions that are granted or withdrawn between two requests of a session hold at the next one."""
    alice = create_user(db, "alice", fleet="operator")
    factories.customer(db)
    signed_in_client(db, client, alice)
    token = client.headers["Authorization"].removeprefix("Bearer ")

    def visible() -> tuple[str, int]:
        with transaction() as fresh:
            actor = authenticate(Request({"type": "http", "headers": []}), fresh, token)
            assert actor.scopes == scope_cache.get(token)
            return str(sorted(actor.scopes.whole)), len(fresh.scalars(select(Customer)).all())

    for role, expected in (("operator", 1), ("nobody", 0), ("admin", 1), ("nobody", 0)):
        db.execute(update(Membership).where(Membership.user_id == alice.id).values(role=role))
        db.commit()
        assert visible() == visible() == ("['fleet']" if expected else "[]", expected)


def test_the_queries_of_tasks_and_messages_filter_by_tenant_too(db: Session) -> None:
    """Isolation twice: this session sees every tenant, and the queries still return only what the user may see."""
    area_admin = people.create_actor(db, "alice", fleet="admin")
    other_admin = people.create_actor(db, "bob", fleet="admin")
    ids = {}
    for tenant in (None, 1, 2):
        scopes = Scopes(tenants=frozenset({("fleet", tenant)})) if tenant else area_admin.scopes
        order = Order(kind="core.export", area="fleet", title="出力", permission="fleet:terminal:read")
        task = start(db, replace(other_admin, scopes=scopes), order)
        message = queue.publish(db, "mail", {}, area="fleet", recipient="a@example.com", title="x", tenant_id=tenant)
        db.flush()  # for the id
        ids[tenant] = (task.id, message.id)
    tenant_admin = replace(area_admin, scopes=Scopes(tenants=frozenset({("fleet", 1)})))

    def visible(actor: Actor) -> tuple[set[int], set[int]]:
        task_page = tasks(db, actor, 50, None, everybody=True, only_open=False)
        message_page = messages.page(db, actor, 50, None)
        return {task.id for task in task_page.items}, {item.id for item in message_page.items}

    assert visible(tenant_admin) == ({ids[1][0]}, {ids[1][1]})
    assert visible(area_admin) == ({task for task, _ in ids.values()}, {message for _, message in ids.values()})
    assert messages.summary(db, tenant_admin).open == 1
    for read in (lambda: get(db, tenant_admin, ids[2][0]), lambda: messages.detail(db, tenant_admin, ids[2][1])):
        with pytest.raises(NotFound):
            read()
