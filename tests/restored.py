"""A database of committed rows for one test after the other: each finds it as the migrations left it.

A copy of the template for each test would cost twenty times as much, and its connections would know nothing yet.
"""

from __future__ import annotations

import psycopg
from sqlalchemy import create_engine
from sqlalchemy.orm import Session, sessionmaker

from service.core.database import session as core_db
from stack import servers
from stack.home import Home
from tests.rls_bypass import seeing_all

# What migrations wrote is kept beside it. A table that nobody ever wrote to has no bytes and need not be looked at;
# triggers and foreign keys are about people's changes.
_KEEP = """
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


class Restored:
    """`url`: libpq's form, as the application's role. `sessions`: the product's own session factory on it."""

    def __init__(self, home: Home, name: str) -> None:
        self.url = servers.url(home, "app", name)
        self.owner_url = servers.url(home, "owner", name)
        self.engine = create_engine(core_db.sqlalchemy_url(self.url), pool_size=20)
        self.sessions = sessionmaker(self.engine, expire_on_commit=False)
        # Of tests that look at rows behind the doors.
        self.seeing_all = create_engine(core_db.sqlalchemy_url(seeing_all(self.url)), pool_size=20)
        self._superuser = psycopg.connect(servers.url(home, "superuser", name), autocommit=True)
        self.keep()

    def keep(self) -> None:
        """From now on each test finds it as it is now."""
        self._superuser.execute(_KEEP)

    def restore(self) -> None:
        self._superuser.execute("CALL as_made.restore()")

    def session(self) -> Session:
        return Session(self.seeing_all)

    def close(self) -> None:
        self._superuser.close()
        for engine in (self.engine, self.seeing_all):
            engine.dispose()
