"""The one way to have the rows of a table found by 探す: triggers keep their terms in `search_terms`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from alembic import op

EVENTS = ("added", "changed", "removed")
# So many rows cannot be changed while `fill` reads them.
BATCH = 5_000


@dataclass(frozen=True)
class Searchable:
    """The columns that a row is found by. Identifiers have groups (TC200-000042), numbers are long ones without.
    `subject` is the column with the id of what is found, `tenant` the one with its tenant."""

    table: str
    area: str
    kind: str
    identifiers: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    tenant: str | None = None
    subject: str = "id"

    def create_triggers(self) -> None:
        """An update seldom changes what a row is found by, and the condition costs less than the function."""
        columns = (*self.identifiers, *self.numbers, *self.names)
        changed = f"ROW({_of('OLD', columns)}) IS DISTINCT FROM ROW({_of('NEW', columns)})"
        arguments = ", ".join(map(_quoted, (self.area, self.kind, self._tenant, f"r.{self.subject}", self._given)))
        does = f"EXECUTE FUNCTION keep_search_terms({arguments})"
        op.execute(
            f"CREATE TRIGGER search_added AFTER INSERT ON {self.table} REFERENCING NEW TABLE AS new_rows "
            f"FOR EACH STATEMENT {does}"
        )
        op.execute(f"CREATE TRIGGER search_changed AFTER UPDATE ON {self.table} FOR EACH ROW WHEN ({changed}) {does}")
        op.execute(
            f"CREATE TRIGGER search_removed AFTER DELETE ON {self.table} REFERENCING OLD TABLE AS old_rows "
            f"FOR EACH STATEMENT {does}"
        )

    def drop_triggers(self) -> None:
        for event in EVENTS:
            op.execute(f"DROP TRIGGER search_{event} ON {self.table}")

    def fill(self) -> None:
        """Adds the missing terms of the rows that are there: in an autocommit block, once the triggers are committed,
        and in a session that sees the area. Its share locks are held for one batch: a row that was just changed is read
        as it is now, and one that was read is not changed before its terms are committed. Otherwise old terms could
        come after the trigger had removed them, and stay."""
        op.execute(f"""
            DO $$
            DECLARE
                first bigint := 0;
                last bigint;
            BEGIN
                LOOP
                    SELECT max(id) INTO last FROM (
                        SELECT {self.subject} AS id FROM {self.table} WHERE {self.subject} > first
                        ORDER BY {self.subject} LIMIT {BATCH}
                    ) b;
                    EXIT WHEN last IS NULL;
                    INSERT INTO search_terms (area, kind, place, term, subject_id, tenant_id)
                    SELECT {_quoted(self.area)}, {_quoted(self.kind)}, t.place, t.term, r.{self.subject}, {self._tenant}
                    FROM (
                        SELECT * FROM {self.table} WHERE {self.subject} > first AND {self.subject} <= last FOR SHARE
                    ) r, search_terms_of({self._given}) t
                    ON CONFLICT DO NOTHING;
                    COMMIT;
                    first := last;
                END LOOP;
            END
            $$
        """)

    def remove_wrong_terms(self) -> None:
        """Those that no row has. `MATERIALIZED`: the terms of a row are computed once, not for each of its terms. The
        session has to see the area."""
        op.execute(f"""
            WITH terms AS MATERIALIZED (
                SELECT r.{self.subject} AS subject_id, t.place, t.term
                FROM {self.table} r, search_terms_of({self._given}) t
            )
            DELETE FROM search_terms s WHERE s.area = {_quoted(self.area)} AND s.kind = {_quoted(self.kind)}
                AND NOT EXISTS (
                    SELECT FROM terms t WHERE t.subject_id = s.subject_id AND t.place = s.place AND t.term = s.term
                )
        """)

    @property
    def _tenant(self) -> str:
        return f"r.{self.tenant}" if self.tenant else "NULL::bigint"

    @property
    def _given(self) -> str:
        lists = (self.identifiers, self.numbers, self.names)
        return ", ".join(f"ARRAY[{_of('r', columns)}]::text[]" for columns in lists)


def _of(row: str, columns: Iterable[str]) -> str:
    return ", ".join(f"{row}.{column}" for column in columns)


def _quoted(text: str) -> str:
    return f"'{text}'"
