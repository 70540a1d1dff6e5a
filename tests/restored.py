"""A database for tests that commit: each test starts with the rows of the migrations, because they are restored.

A copy of the template for each test would take twenty times as long, and new connections have empty caches.
"""

from __future__ import annotations

import psycopg
from sqlalchemy import create_engine
from sqlalchemy.orm import Session, sessionmaker

from service.core.database import session as core_db
from stack import servers
from stack.home import Home
from tests.rls_bypass import rls_bypass_url

# Copies the rows of the migrations into the schema `as_made`, and restores them. A table without any rows ever written
# has a size of 0 and is skipped; session_replication_role disables triggers and foreign keys.
_SNAPSHOT = """
DO $$
DECLARE found record;
BEGIN
    DROP SCHEMA IF EXISTS as_made CASCADE;
    CREATE SCHEMA as_made;
    FOR found IN SELECT relname FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND pg_relation_size(oid) > 0
    LOOP
        EXECUTE format('CREATE TABLE as_made.%1$I AS TABLE public.%1$I', found.relname);
    END LOOP;
END $$;
CREATE PROCEDURE as_made.restore() LANGUAGE plpgsql AS $$
DECLARE found record;
BEGIN
    SET LOCAL session_replication_role = replica;
    SET LOCAL lock_timeout = '20s';
    FOR found IN SELECT relname FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND pg_relation_size(oid) > 0
    LOOP
        EXECUTE format('DELETE FROM public.%I', found.relname);
    END LOOP;
    FOR found IN SELECT relname, string_agg(quote_ident(attname), ', ') AS names
        FROM pg_class JOIN pg_attribute ON attrelid = format('public.%I', relname)::regclass
        WHERE relnamespace = 'as_made'::regnamespace AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
        GROUP BY relname
    LOOP
        EXECUTE format(
            'INSERT INTO public.%1$I (%2$s) OVERRIDING SYSTEM VALUE SELECT %2$s FROM as_made.%1$I',
            found.relname, found.names
        );
    END LOOP;
END $$;
"""


class RestoredDatabase:
    """`url`: for libpq, with the application's role. `sessions`: the product's session factory on it."""

    def __init__(self, home: Home, name: str) -> None:
        self.url = servers.url(home, "app", name)
        self.owner_url = servers.url(home, "owner", name)
        self.engine = create_engine(core_db.sqlalchemy_url(self.url), pool_size=20)
        self.sessions = sessionmaker(self.engine, expire_on_commit=False)
        # For tests that read rows directly instead of through the API: bypasses row-level security.
        self.seeing_all = create_engine(core_db.sqlalchemy_url(rls_bypass_url(self.url)), pool_size=20)
        self._superuser = psycopg.connect(servers.url(home, "superuser", name), autocommit=True)
        self.keep()

    def keep(self) -> None:
        """Take a snapshot of the current rows: `restore` goes back to it."""
        self._superuser.execute(_SNAPSHOT)

    def restore(self) -> None:
        self._superuser.execute("CALL as_made.restore()")

    def session(self) -> Session:
        return Session(self.seeing_all)

    def close(self) -> None:
        self._superuser.close()
        for engine in (self.engine, self.seeing_all):
            engine.dispose()
