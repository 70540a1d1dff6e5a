"""The SQL statements of a migration, and which of them are unsafe while the previous release uses the database.

docs/upgrades.md says why, and what to do instead.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from types import ModuleType

from alembic.migration import MigrationContext
from alembic.operations import Operations

NAME = r'(?:IF (?:NOT )?EXISTS )?(?:ONLY )?(?:PUBLIC\.)?"?(\w+)"?'
TABLE = re.compile(rf"CREATE (?:UNLOGGED )?TABLE {NAME}")
INDEX = re.compile(rf"CREATE (?:UNIQUE )?INDEX (CONCURRENTLY )?(?:IF NOT EXISTS )?(?:\w+ )?ON {NAME}")
ALTER = re.compile(rf"ALTER TABLE {NAME} (.*)")
DROP = re.compile(rf"DROP (TABLE|VIEW|MATERIALIZED VIEW|SEQUENCE|TYPE) {NAME}")
CHANGE = re.compile(rf"(?:UPDATE|DELETE FROM) {NAME}")
HEAVY = re.compile(
    rf"(?:LOCK(?: TABLE)?|TRUNCATE(?: TABLE)?|CLUSTER|VACUUM FULL|REINDEX(?! .*CONCURRENTLY)(?: \w+)?) {NAME}"
)
VOLATILE = re.compile(r"DEFAULT .*(GEN_RANDOM_UUID|UUIDV[47]|RANDOM|CLOCK_TIMESTAMP|NEXTVAL|TIMEOFDAY)\(")

# Each danger and what to do instead. ALLOWED in a migration lists keys of this.
REMEDIES = {
    "lock timeout": "begin with SET LOCAL lock_timeout = '5s'",
    "index": "CREATE INDEX CONCURRENTLY in op.get_context().autocommit_block()",
    "rewrite": "a column that has to be written into every row: add it empty, fill it in batches",
    "required column": "the previous release does not fill it: give it a default, or let it be empty",
    "constraint": "add it NOT VALID, and VALIDATE CONSTRAINT in a transaction of its own",
    "unique": "CREATE UNIQUE INDEX CONCURRENTLY, then ADD CONSTRAINT … USING INDEX",
    "not null": "add a CHECK (… IS NOT NULL) NOT VALID, validate it, then SET NOT NULL",
    "drop": "the previous release still asks for it: drop it a release later, and say so (CONTRACTS)",
    "rename": "the previous release asks for the old name: add a new one, and drop the old one a release later",
    "whole table": "every row locked at once: change them in batches, outside of the migration",
    "heavy lock": "nobody can read meanwhile",
}


class OfflineConnection:
    """A connection without a database: it collects the statements of migrations that insert rows themselves."""

    def __init__(self, output: io.StringIO) -> None:
        self._output = output

    def exec_driver_sql(self, statement: object, _: object = None) -> None:
        self._output.write(f"{statement};")

    execute = exec_driver_sql


def migration_statements(module: ModuleType, direction: str) -> list[str]:
    """The statements of one migration as PostgreSQL would get them: one line each, in upper case."""
    output = io.StringIO()
    options = {"as_sql": True, "output_buffer": output, "transaction_per_migration": True}
    context = MigrationContext.configure(dialect_name="postgresql", opts=options)
    context.impl.connection = OfflineConnection(output)  # type: ignore[assignment]
    context.impl.bulk_insert = lambda *_, **__: None  # type: ignore[method-assign]
    with Operations.context(context):
        getattr(module, direction)()
    return list(split_statements(output.getvalue()))


def split_statements(text: str) -> Iterator[str]:
    """Split at each semicolon outside of strings, comments and function bodies. The content of strings is removed."""
    statement = ""
    pieces = re.compile(r"--[^\n]*|/\*.*?\*/|(\$\w*\$).*?\1|'(?:[^']|'')*'|;|[^;'$/-]+|.", re.DOTALL)
    for match in pieces.finditer(text):
        piece = match[0]
        if piece == ";":
            if statement.strip():
                yield " ".join(statement.split()).upper()
            statement = ""
        elif piece.startswith(("--", "/*")):
            statement += " "
        else:
            statement += "''" if piece[0] in "'$" and len(piece) > 1 else piece
    if statement.strip():
        yield " ".join(statement.split()).upper()


def find_dangers(sql_statements: list[str]) -> set[str]:
    """Keys of `REMEDIES`. Tables that the same migration creates are not in use yet, so nothing there is a danger."""
    danger_keys, new_tables = set(), set()
    locking = [sql for sql in sql_statements if sql not in ("BEGIN", "COMMIT") and "CONCURRENTLY" not in sql]
    if locking and not locking[0].startswith("SET LOCAL LOCK_TIMEOUT"):
        danger_keys.add("lock timeout")
    for sql in sql_statements:
        if match := TABLE.match(sql):
            new_tables.add(match[1])
        elif (match := INDEX.match(sql)) and match[2] not in new_tables and not match[1]:
            danger_keys.add("index")
        elif (match := ALTER.match(sql)) and match[1] not in new_tables:
            danger_keys |= {danger for action in _actions(match[2]) for danger in _action_dangers(action)}
        elif (match := DROP.match(sql)) and match[2] not in new_tables:
            danger_keys.add("drop")
        elif (match := CHANGE.match(sql)) and match[1] not in new_tables and " WHERE " not in sql:
            danger_keys.add("whole table")
        elif (match := HEAVY.match(sql)) and match[1] not in new_tables:
            danger_keys.add("heavy lock")
    return danger_keys


def _actions(text: str) -> Iterator[str]:
    """The actions of an ALTER TABLE, which are separated by commas outside of parentheses."""
    depth, action = 0, ""
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            yield action.strip()
            action = ""
        else:
            action += letter
    yield action.strip()


def _action_dangers(action: str) -> Iterator[str]:
    if re.match(r"RENAME\b", action):
        yield "rename"
    elif re.match(r"DROP (?!CONSTRAINT)", action):
        yield "drop"
    elif re.match(r"ALTER (COLUMN )?\w+ (SET DATA )?TYPE\b", action):
        yield "rewrite"
    elif re.match(r"ALTER (COLUMN )?\w+ SET NOT NULL", action):
        yield "not null"
    elif re.match(r"ADD (CONSTRAINT \w+ )?(CHECK|FOREIGN KEY|NOT NULL)\b", action):
        if "NOT VALID" not in action:
            yield "constraint"
    elif re.match(r"ADD (CONSTRAINT \w+ )?(UNIQUE|PRIMARY KEY|EXCLUDE)\b", action):
        if "USING INDEX" not in action:
            yield "unique"
    elif action.startswith("ADD "):
        yield from _column_dangers(action)


def _column_dangers(action: str) -> Iterator[str]:
    if ("GENERATED" in action and "VIRTUAL" not in action) or "SERIAL" in action or VOLATILE.search(action):
        yield "rewrite"
    if "NOT NULL" in action and "DEFAULT" not in action and "GENERATED" not in action:
        yield "required column"
    if re.search(r"\b(REFERENCES|CHECK)\b", action):
        yield "constraint"
    if re.search(r"\b(UNIQUE|PRIMARY KEY)\b", action):
        yield "unique"
