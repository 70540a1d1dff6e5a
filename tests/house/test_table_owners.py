"""A topic writes its own tables and its area's only; who needs another topic's state changed asks its actions."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator

import pytest
from sqlalchemy import Table

from service.core.areas import AREAS
from service.core.database.session import Base
from stack.home import ROOT

# Topics that write another's table, each with its reason.
EXCEPTIONS = {
    # One statement stores a batch of heartbeats and marks the commands that go into its answers.
    ("service.fleet", "fleet_commands"),
    # The request's models declare its images, because its sites refer to them; this topic adds them.
    ("service.agencies.images", "agencies_images"),
}
_SQL_WRITE = re.compile(r"\b(?:INSERT INTO|UPDATE|DELETE FROM)\s+([a-z_]+)")
_STATEMENTS = {"insert", "update", "delete", "upsert"}


def table_owners() -> tuple[dict[str, str], dict[str, str]]:
    """The folder that declares each table, by the table's name; and the table of each model, by its dotted name."""
    folders: dict[str, str] = {}
    models: dict[str, str] = {}
    for path in (ROOT / "service").rglob("models.py"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for attribute, value in vars(importlib.import_module(name)).items():
            table = getattr(value, "__table__", value)
            is_imported = getattr(value, "__module__", name) != name
            if isinstance(table, Table) and not is_imported and value is not Base:
                folders[table.name] = name.removesuffix(".models")
                models[f"{name}.{attribute}"] = table.name
    return folders, models


def written(source: str, models: dict[str, str]) -> Iterator[str]:
    """The tables that a module's statements write, or whose rows it creates."""
    tree = ast.parse(source)
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _SQL_WRITE.findall(node.value)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            is_statement = isinstance(node.func, ast.Name) and node.func.id in _STATEMENTS and node.args
            first, _, rest = ast.unparse(node.args[0] if is_statement else node.func).partition(".")
            dotted = f"{names.get(first, first)}.{rest}" if rest else names.get(first, first)
            if dotted in models:
                yield models[dotted]


@pytest.mark.parametrize("area", AREAS)
def test_a_topic_writes_no_table_of_another_topic(area: str) -> None:
    folders, models = table_owners()
    foreign: set[tuple[str, str, str]] = set()
    for path in (ROOT / "service" / area).rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        # What stands in a folder without tables of its own, such as the ingest, belongs to the area.
        topic = ".".join(parts[:3] if (ROOT.joinpath(*parts[:3], "actions.py")).exists() else parts[:2])
        for table in written(path.read_text(), models):
            owner = folders.get(table, topic)
            if owner not in (topic, f"service.{area}") and (topic, table) not in EXCEPTIONS:
                foreign.add((topic, table, owner))

    assert foreign == set(), (
        "(topic, table, owner): call an action of the owner, or add (topic, table) with its reason to EXCEPTIONS"
    )
