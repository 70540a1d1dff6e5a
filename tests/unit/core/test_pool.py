"""Connection pool: connections that are dead at checkout."""

from __future__ import annotations

import pytest
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError, OperationalError

from service.core.database.session import create_pooled_engine
from tests.conftest import Service


def _raise_disconnection(*_: object) -> None:
    raise DisconnectionError


def test_if_every_connection_is_dead_the_database_is_unavailable(service: Service) -> None:
    """PgBouncer's connections are dead while PostgreSQL is down. The service answers 503 then."""
    engine = create_pooled_engine(service.database_url)
    event.listen(engine, "checkout", _raise_disconnection)

    with pytest.raises(OperationalError):
        engine.connect()

    engine.dispose()
