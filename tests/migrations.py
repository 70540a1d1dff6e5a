"""What a migration does to a database that the previous release works with: its statements, and what is wrong there.

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

# What is found, and what to do instead. The first words are what ALLOWED of a migration names.
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


class Rows:
    """For migrations that fill their own tables with rows; there is no database that could answer."""

    def __init__(self, written: io.StringIO) -> None:
        self._written = written

    def exec_driver_sql(self, statement: object, _: object = None) -> None:
        self._written.write(f"{statement};")

    execute = exec_driver_sql


def statements(module: ModuleType, direction: str) -> list[str]:
    """Each statement of one migration on one line, in capitals, as PostgreSQL would get it."""
    written = io.StringIO()
    options = {"as_sql": True, "output_buffer": written, "transaction_per_migration": True}
    context = MigrationContext.configure(dialect_name="postgresql", opts=options)
    context.impl.connection = Rows(written)  # type: ignore[assignment]
    context.impl.bulk_insert = lambda *_, **__: None  # type: ignore[method-assign]
    with Operations.context(context):
        getattr(module, direction)()
    return list(split(written.getvalue()))


def split(text: str) -> Iterator[str]:
    """At each semicolon that is in no string, comment, or body of a function. What strings say is left out."""
    statement = ""
    pieces = re.compile(r"--[^\n]*|/\*.*?\*/|(\$\w*\$).*?\1|'(?:[^']|'')*'|;|[^;'$/-]+|.", re.DOTALL)
    for found in pieces.finditer(text):
        piece = found[0]
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


def dangers(found: list[str]) -> set[str]:
    """Names of `REMEDIES`. What was made in the same migration is nobody's yet."""
    told, new = set(), set()
    timed = [one for one in found if one not in ("BEGIN", "COMMIT") and "CONCURRENTLY" not in one]
    if timed and not timed[0].startswith("SET LOCAL LOCK_TIMEOUT"):
        told.add("lock timeout")
    for one in found:
        if made := TABLE.match(one):
            new.add(made[1])
        elif (made := INDEX.match(one)) and made[2] not in new and not made[1]:
            told.add("index")
        elif (made := ALTER.match(one)) and made[1] not in new:
            told |= {danger for action in _actions(made[2]) for danger in _of_action(action)}
        elif (made := DROP.match(one)) and made[2] not in new:
            told.add("drop")
        elif (made := CHANGE.match(one)) and made[1] not in new and " WHERE " not in one:
            told.add("whole table")
        elif (made := HEAVY.match(one)) and made[1] not in new:
            told.add("heavy lock")
    return told


def _actions(text: str) -> Iterator[str]:
    """ALTER TABLE takes several, separated by commas that stand in no parentheses."""
    depth, action = 0, ""
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            yield action.strip()
            action = ""
        else:
            action += letter
    yield action.strip()


def _of_action(action: str) -> Iterator[str]:
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
        yield from _of_column(action)


def _of_column(action: str) -> Iterator[str]:
    if ("GENERATED" in action and "VIRTUAL" not in action) or "SERIAL" in action or VOLATILE.search(action):
        yield "rewrite"
    if "NOT NULL" in action and "DEFAULT" not in action and "GENERATED" not in action:
        yield "required column"
    if re.search(r"\b(REFERENCES|CHECK)\b", action):
        yield "constraint"
    if re.search(r"\b(UNIQUE|PRIMARY KEY)\b", action):
        yield "unique"
