"""The plan for more than one PostgreSQL (Citus) in docs/scaling.md: which table is distributed by which column, and
which keys prevent it. `python -m tests.load.spread` writes its last two columns from the product's tables.

The rules of Citus 14: each unique key of a distributed table contains its distribution column; a foreign key of a
distributed table leads to a reference table, or to a table distributed alike over that very column; none leads from a
local or a reference table to a distributed one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ForeignKeyConstraint, MetaData, PrimaryKeyConstraint, Table, UniqueConstraint

from tests.load import marked

UNDISTRIBUTED = ("reference", "local")
HEADINGS = ["table", "distributed by", "unique keys that must change", "foreign keys that must change or go"]


@dataclass(frozen=True)
class Distribution:
    """`column`: the column of a distributed table; otherwise None. `kind`: distributed, reference or local."""

    kind: str
    column: str | None


def plan() -> dict[str, Distribution]:
    """Reads the plan from the document."""
    rows = [marked.cells(line) for line in marked.read("tables") if line.startswith("| `")]
    distributions = {}
    for row in rows:
        kind = row[1].strip("`")
        distributions[row[0].strip("`")] = (
            Distribution(kind, None) if kind in UNDISTRIBUTED else Distribution("distributed", kind)
        )
    return distributions


def unique_keys(table: Table) -> list[list[str]]:
    keys = [
        [column.name for column in key.columns]
        for key in table.constraints
        if isinstance(key, (UniqueConstraint, PrimaryKeyConstraint)) and key.columns
    ]
    keys += [
        [str(getattr(expression, "name", expression)) for expression in index.expressions]
        for index in table.indexes
        if index.unique
    ]
    return sorted(keys)


def unique_keys_to_change(table: Table, column: str) -> list[str]:
    """The unique keys that a table distributed by the column cannot have."""
    return [", ".join(key) for key in unique_keys(table) if column not in key]


def foreign_keys_to_change(table: Table, distributions: Mapping[str, Distribution]) -> list[str]:
    own, keys = distributions[table.name], []
    for key in table.constraints:
        if not isinstance(key, ForeignKeyConstraint):
            continue
        referred = distributions[key.referred_table.name]
        pairs = [(element.parent.name, element.column.name) for element in key.elements]
        if own.column is None:
            is_allowed = referred.column is None
        else:
            is_allowed = referred.kind == "reference" or (own.column, referred.column) in pairs
        if not is_allowed:
            keys.append(f"{', '.join(column for column, _ in pairs)} → {key.referred_table.name}")
    return sorted(keys)


def table_lines(metadata: MetaData, distributions: Mapping[str, Distribution]) -> list[str]:
    """The table of the document. Raises KeyError for a table that is not in the plan."""
    rows = [HEADINGS, ["---"] * len(HEADINGS)]
    for name, table in sorted(metadata.tables.items()):
        distribution = distributions[name]
        keys = unique_keys_to_change(table, distribution.column) if distribution.column else []
        kind = f"`{distribution.column}`" if distribution.column else distribution.kind
        rows.append([f"`{name}`", kind, "; ".join(keys), "; ".join(foreign_keys_to_change(table, distributions))])
    return [f"| {' | '.join(row)} |" for row in rows]


def product_metadata() -> MetaData:
    """All tables of the product."""
    import service.main  # noqa: F401  # registers the core models
    from service.core import areas
    from service.core.access import throttle  # noqa: F401
    from service.core.database.session import Base

    list(areas.modules("models"))
    return Base.metadata


if __name__ == "__main__":
    marked.write("tables", table_lines(product_metadata(), plan()))
