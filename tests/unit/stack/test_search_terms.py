"""What 探す finds by, when it is filled while others work, and in a database that an earlier migration filled."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session

from service.core.database.session import sqlalchemy_url
from service.migrations.searchable import Searchable
from stack import servers
from stack.home import ROOT, Home
from tests.concurrent_transactions import run_concurrently
from tests.conftest import committed_database
from tests.rls_bypass import rls_bypass_url

NAME = "genba_search_terms"
CUSTOMERS = Searchable("fleet_customers", "fleet", "customer", names=("company_name",))
NEW_CUSTOMER = (
    "INSERT INTO fleet_customers (company_name, contact_person, contact_email, contact_phone) "
    "VALUES (:name, '', '', '') RETURNING id"
)


@pytest.fixture
def owner(running_servers: Home) -> Iterator[Engine]:
    with committed_database(running_servers, NAME):
        engine = create_engine(rls_bypass_url(sqlalchemy_url(servers.url(running_servers, "owner", NAME))))
        yield engine
        engine.dispose()


DEVICE = (
    "INSERT INTO loaners_devices (number, kind, category, model_id, serial, asset_number) "
    "SELECT 'OSAKA_Laptop_X_1_001', 'terminal', category, id, '1', '1' "
    "FROM loaners_models WHERE category = 'Laptop' LIMIT 1 RETURNING id"
)


def terms(engine: Engine, kind: str = "customer") -> set[str]:
    with engine.connect() as connection:
        return set(connection.scalars(text("SELECT term FROM search_terms WHERE kind = :kind"), {"kind": kind}))


def add_customer(engine: Engine, name: str) -> int:
    with engine.begin() as connection:
        return int(connection.scalar(text(NEW_CUSTOMER), {"name": name}) or 0)


def test_a_row_that_is_renamed_while_the_terms_are_filled_has_those_of_its_new_name(owner: Engine) -> None:
    add_customer(owner, "旧商店")
    with owner.begin() as connection:
        connection.execute(text("DELETE FROM search_terms"))  # As before the triggers.

    def fill(db: Session) -> None:
        connection = owner.connect().execution_options(isolation_level="AUTOCOMMIT")
        with connection, Operations.context(MigrationContext.configure(connection)):
            CUSTOMERS.fill()

    with Session(owner) as renaming:
        renaming.execute(text("UPDATE fleet_customers SET company_name = '新商店'"))
        run_concurrently(owner, renaming, fill, lambda: None)

    assert terms(owner) >= {"新商店", "商店"}
    assert not {"旧商店", "旧"} & terms(owner)


def test_what_two_rows_of_one_thing_share_stays_when_one_of_them_changes(owner: Engine) -> None:
    with owner.begin() as connection:
        device = {"id": connection.scalar(text(DEVICE))}
        connection.execute(text("INSERT INTO loaners_aliases VALUES ('A-0777', :id), ('B-0777', :id)"), device)
        connection.execute(text("UPDATE loaners_aliases SET alias = 'C-0888' WHERE alias = 'A-0777'"))

    assert terms(owner, "alias") == {"b0777", "0777", "777", "c0888", "0888", "888"}


@pytest.mark.deep
def test_the_terms_of_a_database_of_0048_are_put_right(owner: Engine, running_servers: Home) -> None:
    def alembic(*command: str) -> None:
        environ = os.environ | {"DATABASE_OWNER_URL": servers.url(running_servers, "owner", NAME)}
        subprocess.run(
            [sys.executable, "-m", "alembic", *command], cwd=ROOT, env=environ, capture_output=True, check=True
        )

    alembic("downgrade", "0048_core_search")
    row_id = add_customer(owner, f"{'長' * 38}い名前の末尾")
    with owner.begin() as connection:
        connection.execute(
            text("INSERT INTO search_terms VALUES ('fleet', 'customer', 1, '旧商店', :id, NULL)"), {"id": row_id}
        )
    assert "末尾" not in terms(owner)

    alembic("upgrade", "head")

    assert "末尾" in terms(owner)
    assert "旧商店" not in terms(owner)
