"""Connections that turn out dead when they are taken."""

from __future__ import annotations

import pytest
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError, OperationalError

from service.core.database.session import create_pooled_engine
from tests.conftest import Service


def _dead(*_: object) -> None:
    raise DisconnectionError


def test_a_database_of_which_every_connection_is_dead_is_away(service: Service) -> None:
    """As PgBouncer's are while PostgreSQL is down. Whoever asks is told to come again (503)."""
    engine = create_pooled_engine(service.database_url)
    event.listen(engine, "checkout", _dead)

    with pytest.raises(OperationalError):
        engine.connect()

    engine.dispose()
