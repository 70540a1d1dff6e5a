"""Migrations as the launcher runs them, on a real database."""

from __future__ import annotations

import psycopg
import pytest

from stack import migrations, servers
from stack.home import Home
from tests.conftest import committed_database


def test_a_release_leaves_the_schema_of_a_newer_one_as_it_is(running_servers: Home) -> None:
    with committed_database(running_servers, "genba_ahead"):
        url = servers.url(running_servers, "owner", "genba_ahead")
        assert migrations.migrate({"DATABASE_OWNER_URL": url}) == ""
        with psycopg.connect(url) as owner:
            owner.execute("UPDATE alembic_version SET version_num = '9999_newer'")

        assert "a newer release's (9999_newer)" in migrations.migrate({"DATABASE_OWNER_URL": url})

        with psycopg.connect(url) as owner:
            owner.execute("UPDATE alembic_version SET version_num = '0034_reservations_guides'")
        # What that one leads to is there already.
        with pytest.raises(RuntimeError, match="The migrations failed"):
            migrations.migrate({"DATABASE_OWNER_URL": url})
