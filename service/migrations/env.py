"""Runs the migrations as the owner role; the application's role cannot change the schema."""

from __future__ import annotations

import re
from importlib import import_module

from alembic import context
from sqlalchemy import NullPool, create_engine

from service.core import areas
from service.core.database.session import Base, sqlalchemy_url
from service.core.settings import from_environment

# Every module with tables is imported, so that `alembic check` sees them.
CORE_MODELS = (
    "access.throttle",
    "audit",
    "database.installation",
    "database.retention",
    "files.records",
    "holidays",
    "http.idempotency",
    "imports.records",
    "monitoring.backups",
    "monitoring.health",
    "monitoring.instances",
    "monitoring.probes",
    "outbox.records",
    "search.terms",
    "tasks.records",
    "users.preferences",
)
for module in CORE_MODELS:
    import_module(f"service.core.{module}")
for _ in areas.modules("models"):
    pass

# Partitions come and go by the day and the month; their parent is what the models describe.
PARTITION = re.compile(r"_(p\d{6}(\d{2})?|default)$")


def include_name(name: str | None, kind: str, _: object) -> bool:
    return not (kind == "table" and name and PARTITION.search(name))


url = from_environment("DATABASE_OWNER_URL")
if not url:
    raise SystemExit("DATABASE_OWNER_URL is missing: migrations connect as the role genba_owner.")

engine = create_engine(sqlalchemy_url(url), connect_args={"prepare_threshold": None}, poolclass=NullPool)
with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_name=include_name,
        transaction_per_migration=True,
        compare_server_default=False,
    )
    with context.begin_transaction():
        context.run_migrations()
