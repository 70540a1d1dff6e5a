"""The Japanese labels of codes, each declared once: here they are registered, the OpenAPI document lists them under
`x-labels`, and the dashboards read them from there (`make contract`).

    class Presence(Labelled):
        ABSENT = "absent", "欠席"

    Presence.ABSENT.label
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self, TypeVar

Code = TypeVar("Code", bound=str | int)
# By area and table name. Registered when the module is imported.
TABLES: dict[str, dict[str, Mapping[Any, str]]] = {}


class Labelled(StrEnum):
    """Codes with their labels. The table is in the area of the class's module, and has the class's name or that of
    `class Status(Labelled, table="EnquiryStatus")`."""

    _value_: str
    label: str

    def __new__(cls, code: str, label: str = "") -> Self:
        member = str.__new__(cls, code)
        member._value_, member.label = code, label
        return member

    def __init_subclass__(cls, table: str = "") -> None:
        super().__init_subclass__()
        room, _, path = cls.__module__.partition(".")
        if room == "service":
            _register(path.split(".")[0], table or cls.__name__, cls.labels())

    @classmethod
    def labels(cls) -> dict[str, str]:
        """Code → label, in the order of the class."""
        return {member.value: member.label for member in cls}


def table(area: str, name: str, labels: Mapping[Code, str]) -> Mapping[Code, str]:
    """Registers the labels of codes that are no enumeration; returns them."""
    _register(area, name, labels)
    return labels


def resolved(area: str, labels: Mapping[str, str] | str) -> Mapping[Any, str]:
    """The labels, or those of the area's table with this name."""
    return TABLES[area][labels] if isinstance(labels, str) else labels


def _register(area: str, name: str, labels: Mapping[Any, str]) -> None:
    tables = TABLES.setdefault(area, {})
    if tables.get(name, labels) != labels:
        raise RuntimeError(f"{area} has two tables of labels named {name}")
    tables[name] = labels
