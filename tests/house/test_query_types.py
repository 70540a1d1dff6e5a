"""Queries return the schema or a typed row; a route does not validate it a second time."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.home import ROOT

AREAS = ("agencies", "fleet", "loaners", "reservations")
BARE = {"dict[str, Any]", "list[dict[str, Any]]", "dict[str, Any] | None", "Iterator[dict[str, Any]]"}
# What is no answer: the parameters of a statement, the values of a form, and the JSON of a column.
ALLOWED = {"impact_parameters", "fact_parameters", "dump_figures", "as_stored", "values"}


def modules(area: str, name: str) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted((ROOT / "service" / area).rglob(name)):
        yield path.relative_to(ROOT), ast.parse(path.read_text())


@pytest.mark.parametrize("area", AREAS)
def test_no_query_returns_a_bare_dict(area: str) -> None:
    bare = [
        f"{path}: {node.name}"
        for path, tree in modules(area, "queries.py")
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.returns is not None and ast.unparse(node.returns) in BARE
        if not node.name.startswith("_") and node.name not in ALLOWED
    ]

    assert bare == [], "return a schema or a typed row; what is no answer stands in ALLOWED"


@pytest.mark.parametrize("area", AREAS)
def test_no_route_validates_what_a_query_returns(area: str) -> None:
    validating = [
        f"{path}:{node.lineno}"
        for path, tree in modules(area, "api.py")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "model_validate"
    ]

    assert validating == [], "let the query return the schema"
