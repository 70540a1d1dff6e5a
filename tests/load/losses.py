"""Checks the checks: each is repeated with one row deleted or changed, and must fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, create_engine
from sqlalchemy.orm import Session

from service.core.database.session import sqlalchemy_url
from stack import servers
from tests.load import counting, reservation_end
from tests.load.everyone import FullLoad
from tests.load.load_clients import RunningProduct
from tests.load.reservation_scenario import Scenario
from tests.rls_bypass import rls_bypass_url

_EVERYONES = "terminal_id IN (SELECT id FROM fleet_terminals WHERE serial_number LIKE 'EVERYONE-%')"
_AN_AGENTS = "terminal_id IN (SELECT id FROM fleet_terminals WHERE serial_number LIKE 'ALL-%') AND sequence = 1"
_OUR_NURSERY = "nursery_id = (SELECT id FROM entries_nurseries WHERE name = '全員の保育園')"
_OUR_DEVICES = "device_id IN (SELECT id FROM loaners_devices WHERE serial LIKE 'FAULT%')"
_OUR_FORMS = f"SELECT id::text FROM loaners_events WHERE kind = 'form' AND {_OUR_DEVICES}"
_OUR_REQUESTS = "request_id IN (SELECT id FROM agencies_requests WHERE remarks LIKE '依頼 %')"
_OUR_IMAGES = f"SELECT file_id::text FROM agencies_images WHERE {_OUR_REQUESTS}"
_OUR_WISHES = "reservation_id IN (SELECT id FROM reservations_reservations WHERE code = ANY('CODES'))"
_POSTS = "topic = 'slack' AND title LIKE '% 1.'"
LOST = {
    "heartbeats": [("fleet_heartbeats", _EVERYONES)],
    "agents": [("fleet_heartbeats", _AN_AGENTS)],
    "scans": [("entries_logs", _OUR_NURSERY)],
    "forms": [
        ("loaners_events", f"kind = 'form' AND {_OUR_DEVICES}"),
        ("loaners_loans", _OUR_DEVICES),
        ("outbox_messages", f"subject = 'event' AND subject_id IN ({_OUR_FORMS})"),
    ],
    "requests": [
        ("agencies_images", _OUR_REQUESTS),
        ("files", f"id IN (SELECT file_id FROM agencies_images WHERE {_OUR_REQUESTS})"),
        ("audit_entries", f"area = 'agencies' AND subject = 'file' AND subject_id IN ({_OUR_IMAGES})"),
    ],
    "records": [("entries_parents", "name LIKE '保護者 %'"), ("fleet_customers", "company_name LIKE '窓口 %'")],
    "messages": [("outbox_messages", _POSTS)],
    "storage": [("files", "true")],
}
CHANGED = {
    "heartbeats": [("fleet_heartbeats", "sequence = sequence + 1000000", _EVERYONES)],
    "scans": [("entries_logs", "client_event_id = gen_random_uuid()", _OUR_NURSERY)],
    "forms": [("loaners_states", "status = status + 1", f"upper_inf(during) AND {_OUR_DEVICES}")],
    "records": [
        ("entries_parents", "version = 3", "name LIKE '保護者 %'"),
        ("fleet_terminals", "store_name = 'もとの店'", "serial_number = 'EDITED'"),
    ],
    "messages": [("outbox_messages", "title = replace(title, ' 1.', ' 2.')", _POSTS)],
    "storage": [("files", "size = size + 1", "true")],
    "reservations": [
        ("reservations_messages", "message_key = gen_random_uuid()", f"status = 'delivered' AND {_OUR_WISHES}"),
        ("reservations_calls", "external_id = NULL", f"external_id IS NOT NULL AND {_OUR_WISHES}"),
        ("reservations_payments", "status = 'expired'", f"status = 'paid' AND {_OUR_WISHES}"),
        ("reservations_refunds", "intent = 'pi_of_nobody'", _OUR_WISHES),
    ],
}


def check_losses_are_noticed(load: FullLoad, scenario: Scenario) -> None:
    """Raises AssertionError for a loss that its check does not notice."""
    counts = counting.COUNTS | {"reservations": lambda *_: reservation_end.compare_with_vendors(scenario)}
    assert counts.keys() == LOST.keys() | CHANGED.keys()
    unnoticed = []
    for name, template in _statements():
        statement = template.replace("CODES", f"{{{','.join(scenario.codes)}}}")
        with _changed_database(load.product, statement):
            try:
                counts[name](load.product, load.clients)
            except AssertionError:
                continue
            unnoticed.append(statement)
    assert not unnoticed, f"a count is satisfied with: {unnoticed}"


def _statements() -> Iterator[tuple[str, str]]:
    one_row = "(tableoid, ctid) = (SELECT tableoid, ctid FROM {table} WHERE {where} LIMIT 1)"
    for name, losses in LOST.items():
        for table, where in losses:
            yield name, f"DELETE FROM {table} WHERE {one_row.format(table=table, where=where)}"
    for name, changes in CHANGED.items():
        for table, change, where in changes:
            yield name, f"UPDATE {table} SET {change} WHERE {one_row.format(table=table, where=where)}"


@contextmanager
def _changed_database(product: RunningProduct, statement: str) -> Iterator[None]:
    """The checks read the database after `statement`, which is rolled back at the end."""
    engine = create_engine(sqlalchemy_url(rls_bypass_url(servers.url(product.stack.home, "superuser"))))
    with engine.connect() as connection, pytest.MonkeyPatch.context() as patch:
        # Switches triggers and foreign keys off.
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        driver: Any = connection.connection.driver_connection
        assert driver.execute(statement).rowcount == 1, f"nothing to lose: {statement}"
        patch.setattr(RunningProduct, "rows", _rows_method(driver))
        patch.setattr(RunningProduct, "db", _db_method(connection))
        yield
    engine.dispose()


def _rows_method(driver: psycopg.Connection[Any]) -> Any:
    def rows(_: RunningProduct, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        return driver.execute(statement, list(parameters)).fetchall()

    return rows


def _db_method(connection: Connection) -> Any:
    @contextmanager
    def db(_: RunningProduct) -> Iterator[Session]:
        with Session(connection, expire_on_commit=False) as session:
            yield session

    return db
