"""Migrations as the launcher runs them, on a real database."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from sqlalchemy import CheckConstraint

from service.core.database.session import Base
from stack import migrations, servers
from stack.home import Home
from tests.conftest import TEST_DATABASE, committed_database


def test_a_release_does_not_change_the_schema_of_a_newer_one(
    running_servers: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with committed_database(running_servers, "genba_ahead"):
        url = servers.url(running_servers, "owner", "genba_ahead")
        assert migrations.migrate({"DATABASE_OWNER_URL": url}) == ""
        with psycopg.connect(url) as owner:
            owner.execute("UPDATE alembic_version SET version_num = '9999_newer'")

        assert "a newer release's (9999_newer)" in migrations.migrate({"DATABASE_OWNER_URL": url})
        (tmp_path / "database_owner_url").write_text(url)
        monkeypatch.delenv("DATABASE_OWNER_URL", raising=False)
        monkeypatch.setenv("SECRETS_FOLDER", str(tmp_path))
        assert migrations.main() == 0
        assert "a newer release's (9999_newer)" in capsys.readouterr().out

        with psycopg.connect(url) as owner:
            owner.execute("UPDATE alembic_version SET version_num = '0044_agencies'")
        # The tables of the following migrations exist already.
        with pytest.raises(RuntimeError, match="The migrations failed"):
            migrations.migrate({"DATABASE_OWNER_URL": url})
        assert migrations.main() == 1
        assert "The migrations failed" in capsys.readouterr().err


@pytest.mark.usefixtures("database", "served")
def test_check_constraints_of_tables_match_the_models(running_servers: Home) -> None:
    """`alembic check` does not compare them."""
    with psycopg.connect(servers.url(running_servers, "owner", TEST_DATABASE)) as owner:
        for table in Base.metadata.tables.values():
            declared = [check for check in table.constraints if isinstance(check, CheckConstraint)]
            owner.execute(f"CREATE TEMP TABLE declared (LIKE {table.name})")
            for check in declared:
                owner.execute(f"ALTER TABLE declared ADD CONSTRAINT {check.name} CHECK ({check.sqltext})")
            stored = _check_constraints(owner, table.name)
            assert _check_constraints(owner, "declared") == {
                check.name: stored.get(str(check.name)) for check in declared
            }
            owner.execute("DROP TABLE declared")


def _check_constraints(owner: psycopg.Connection, table: str) -> dict[str, str]:
    definitions = "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass"
    return dict(owner.execute(f"{definitions} AND contype = 'c'", [table]).fetchall())
