"""Runs the migrations as the owner role; the application's role cannot change the schema."""

from __future__ import annotations

import re

from alembic import context
from sqlalchemy import create_engine

import service.core.audit
import service.core.backups
import service.core.files.records
import service.core.health
import service.core.holidays
import service.core.imports.records
import service.core.installation
import service.core.instances
import service.core.once
import service.core.outbox
import service.core.probes
import service.core.retention
import service.core.tasks.records
import service.core.throttle  # noqa: F401  # every module with tables, so that `alembic check` sees them
from service.core import areas
from service.core.db import Base, sqlalchemy_url
from service.core.settings import from_environment

for _ in areas.modules("models"):
    pass  # imported, which is all it takes

# Partitions come and go by the day and the month; their parent is what the models describe.
PARTITION = re.compile(r"_(p\d{6}(\d{2})?|default)$")


def include_name(name: str | None, kind: str, _: object) -> bool:
    return not (kind == "table" and name and PARTITION.search(name))


url = from_environment("DATABASE_OWNER_URL")
if not url:
    raise SystemExit("DATABASE_OWNER_URL is missing: migrations connect as the role genba_owner.")

engine = create_engine(sqlalchemy_url(url), connect_args={"prepare_threshold": None})
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
engine.dispose()
