"""Writes what the dashboards know of the service into `dashboards/contract/`, a module for each area: the types of its
answers and the labels of its codes, both from the OpenAPI document. `make contract` runs it; a test in `tests/house`
says when it has to be run again.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from datamodel_code_generator import InputFileType, generate
from datamodel_code_generator.enums import DataModelType
from datamodel_code_generator.format import Formatter, PythonVersion
from datamodel_code_generator.parser import LiteralType

from service.core.areas import AREAS, CORE
from service.core.values.labels import TABLES
from stack.home import ROOT
from tests import conftest  # noqa: F401  # sets the service's environment
from tests.whole import service_app

FOLDER = ROOT / "dashboards" / "contract"
HEADER = '"""Types of answers and labels of codes. Written by `make contract` from the OpenAPI document."""\n'
_REFERENCE = "#/components/schemas/"
# What says nothing about the type, and a title would become a type of its own.
_NO_TYPE = {"title", "description", "default", "pattern", "format", "examples"}


def modules(document: Mapping[str, Any]) -> dict[str, str]:
    """Area → the text of its module."""
    return {area: _formatted(f"{_types(document, area)}\n{_labels(document, area)}") for area in (CORE, *AREAS)}


def _labels(document: Mapping[str, Any], area: str) -> str:
    by_name: dict[str, Mapping[Any, str]] = {}
    for table, labels in document["x-labels"][area].items():
        # JSON has no keys that are numbers.
        kind = int if any(isinstance(code, int) for code in TABLES.get(area, {}).get(table, ())) else str
        name = re.sub(r"(?<=[a-z])(?=[A-Z])|\W", "_", table).upper()
        labels = {kind(code): label for code, label in labels.items()}
        assert by_name.setdefault(name, labels) == labels, f"two tables of labels are named {name}"
    first = {repr(labels): name for name, labels in reversed(by_name.items())}
    # An equal table under another name is that table.
    lines = ((name, first[repr(labels)], labels) for name, labels in by_name.items())
    return "".join(f"{name} = {labels if name == equal else equal}\n" for name, equal, labels in lines)


def _types(document: Mapping[str, Any], area: str) -> str:
    schemas, names = document["components"]["schemas"], _answers(document, area)
    short_names = _short_names(names)
    renamed = {short_names[name]: _without_limits(schemas[name], short_names) for name in names}
    text = generate(
        json.dumps({"openapi": "3.1.0", "components": {"schemas": renamed}}),
        input_file_type=InputFileType.OpenAPI,
        output_model_type=DataModelType.TypingTypedDict,
        target_python_version=PythonVersion.PY_311,
        enum_field_as_literal=LiteralType.All,
        custom_file_header=HEADER,
        formatters=[Formatter.BUILTIN],
        use_closed_typed_dict=False,
        use_standard_collections=True,
        use_union_operator=True,
    )
    assert isinstance(text, str)
    return text


def _formatted(text: str) -> str:
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(FOLDER / "area.py"), "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def _answers(document: Mapping[str, Any], area: str) -> list[str]:
    """The names of all schemas that the area's successful answers consist of."""
    found: dict[str, None] = {}
    waiting = [
        name
        for path, operations in document["paths"].items()
        if _area_of(path) == area
        for operation in operations.values()
        for status, response in operation["responses"].items()
        if status.startswith("2")
        for name in _references(response)
    ]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = None
            waiting += _references(document["components"]["schemas"][name])
    return sorted(found)


def _area_of(path: str) -> str:
    name = path.split("/")[2] if path.startswith("/api/") else CORE
    return name if name in AREAS else CORE


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"].removeprefix(_REFERENCE)
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _short_names(names: Iterable[str]) -> dict[str, str]:
    """service__agencies__sites__schemas__ImageItem becomes ImageItem, or SitesImageItem where the area has two."""
    # pydantic numbers the pages of equally named items: paging__Page_SiteItem___3.
    parts = {name: re.sub(r"___\d+$", "", name).strip("_").split("__") for name in names}
    counts = Counter(path[-1] for path in parts.values())
    return {
        name: path[-1] if counts[path[-1]] == 1 or len(path) == 1 else f"{path[-3].title()}{path[-1]}"
        for name, path in parts.items()
    }


def _without_limits(node: Any, names: Mapping[str, str]) -> Any:
    """The schema with what makes its type, and with short names."""
    if isinstance(node, list):
        return [_without_limits(value, names) for value in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return {"$ref": _REFERENCE + names[node["$ref"].removeprefix(_REFERENCE)]}
    kept = {key: value for key, value in node.items() if key not in _NO_TYPE or not isinstance(value, str)}
    if "properties" in node:
        kept["properties"] = {name: _without_limits(value, names) for name, value in node["properties"].items()}
        # An answer has all its fields, also those with a default.
        kept["required"] = [*node["properties"]]
        return kept
    return {key: _without_limits(value, names) for key, value in kept.items()}


def main() -> None:
    for area, text in modules(service_app().fastapi.openapi()).items():
        (FOLDER / f"{area}.py").write_text(text)


if __name__ == "__main__":
    main()
