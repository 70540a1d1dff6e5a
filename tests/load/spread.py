"""The plan for more than one PostgreSQL (Citus) in docs/scaling.md: which table is distributed by which column, and
what stands in the way. `python -m tests.load.spread` works its last two columns out anew from the product's tables.

The rules of Citus 14: each unique key of a distributed table holds the column that it is distributed by; a foreign key
of a distributed table leads to a reference table, or to one distributed alike over that very column; none leads from a
local or a reference table to a distributed one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ForeignKeyConstraint, MetaData, PrimaryKeyConstraint, Table, UniqueConstraint

from tests.load import marked

HOW = ("reference", "local")
HEAD = ["table", "distributed by", "unique keys that must change", "foreign keys that must change or go"]


@dataclass(frozen=True)
class Place:
    """`column`: of a distributed table; else None, and `how` says what it is."""

    how: str
    column: str | None


def plan() -> dict[str, Place]:
    """As the document has it."""
    rows = [marked.cells(line) for line in marked.read("tables") if line.startswith("| `")]
    placed = {}
    for row in rows:
        how = row[1].strip("`")
        placed[row[0].strip("`")] = Place(how, None) if how in HOW else Place("distributed", how)
    return placed


def unique_keys(table: Table) -> list[list[str]]:
    keys = [
        [column.name for column in key.columns]
        for key in table.constraints
        if isinstance(key, (UniqueConstraint, PrimaryKeyConstraint)) and key.columns
    ]
    keys += [[str(getattr(one, "name", one)) for one in index.expressions] for index in table.indexes if index.unique]
    return sorted(keys)


def must_change(table: Table, column: str) -> list[str]:
    """Unique keys that a table distributed by the column cannot have."""
    return [", ".join(key) for key in unique_keys(table) if column not in key]


def must_go(table: Table, placed: Mapping[str, Place]) -> list[str]:
    here, found = placed[table.name], []
    for key in table.constraints:
        if not isinstance(key, ForeignKeyConstraint):
            continue
        there = placed[key.referred_table.name]
        pairs = [(element.parent.name, element.column.name) for element in key.elements]
        if here.column is None:
            fine = there.column is None
        else:
            fine = there.how == "reference" or (here.column, there.column) in pairs
        if not fine:
            found.append(f"{', '.join(mine for mine, _ in pairs)} → {key.referred_table.name}")
    return sorted(found)


def lines(metadata: MetaData, placed: Mapping[str, Place]) -> list[str]:
    """The table of the document. Raises KeyError for a table without a place."""
    rows = [HEAD, ["---"] * len(HEAD)]
    for name, table in sorted(metadata.tables.items()):
        place = placed[name]
        keys = must_change(table, place.column) if place.column else []
        how = f"`{place.column}`" if place.column else place.how
        rows.append([f"`{name}`", how, "; ".join(keys), "; ".join(must_go(table, placed))])
    return [f"| {' | '.join(row)} |" for row in rows]


def whole() -> MetaData:
    """All tables of the product."""
    import service.main  # noqa: F401  # the floor's
    from service.core import areas
    from service.core.access import throttle  # noqa: F401
    from service.core.database.session import Base

    list(areas.modules("models"))
    return Base.metadata


if __name__ == "__main__":
    marked.write("tables", lines(whole(), plan()))
