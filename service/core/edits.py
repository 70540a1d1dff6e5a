"""Edits of records with optimistic locking (a version number): stale edits are refused, every change is audited."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Optional, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, create_model
from pydantic_core import to_jsonable_python
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.core import audit
from service.core.access.auth import Actor
from service.core.audit import NO_CHANGES, Changes
from service.core.database.clock import app_now
from service.core.database.session import violates
from service.core.problems import Conflict, Stale
from service.core.values.texts import RecordVersion


class Record(Protocol):
    id: Any
    version: Any
    updated_at: Any
    archived_at: Any


class Edit(BaseModel):
    """`version` is the version that was read; a stale edit is a conflict (optimistic locking)."""

    model_config = ConfigDict(extra="forbid")

    version: RecordVersion


Change = TypeVar("Change", bound=Edit)


def change_of(new: type[BaseModel], *, fixed: tuple[str, ...] = ()) -> Callable[[type[Change]], type[Change]]:
    """Completes the model of a change with the fields of `new`, each optional, except the `fixed` ones, which do not
    change, and those that the model declares itself. Fields that are omitted or null do not change, except those in
    `Edits.may_be_emptied`. mypy does not see these fields: read them by `entered_values`."""

    def complete(change: type[Change]) -> type[Change]:
        fields: dict[str, Any] = {
            name: (Optional[field_info.rebuild_annotation()], None)  # noqa: UP045  # a value, not an annotation
            for name, field_info in new.model_fields.items()
            if name not in {*fixed, *change.model_fields}
        }
        names: dict[str, Any] = {"__module__": change.__module__, "__doc__": change.__doc__}
        return create_model(change.__name__, __base__=change, **names, **fields)

    return complete


# Changes the parts of a record; returns them before and after, for the audit log: one edit is one entry.
Parts = Callable[[], Changes]


def no_parts() -> Changes:
    return NO_CHANGES


def entered_values(new: BaseModel, may_be_emptied: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The fields of a change that the user sent, without `version`. Null does not change a field, except those in
    `may_be_emptied`."""
    sent_values = new.model_dump(exclude={"version"}, exclude_unset=True)
    return {name: value for name, value in sent_values.items() if value is not None or name in may_be_emptied}


@dataclass(frozen=True)
class Edits:
    """How records of one kind are edited. `noun` is the record's name in messages. `unique` maps a unique constraint to
    its field, whose title is in `titles` if it has one. Null empties the fields in `may_be_emptied`. `archived` is the
    end of the message about an archived record."""

    area: str
    subject: str
    noun: str
    unique: Mapping[str, str] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    may_be_emptied: frozenset[str] = frozenset()
    archived: str = "アーカイブされています"

    def create(
        self,
        db: Session,
        by: Actor | str,
        row: Record,
        values: Mapping[str, Any],
        *,
        address: str = "-",
        parts: Parts = no_parts,
    ) -> None:
        """Adds the row, and its `parts`; `values` go into the audit log. Raises Conflict when a unique value exists
        already."""
        self._write(db, values, lambda: db.add(row))
        after = to_jsonable_python({**values, **parts()[1]})
        audit.record(db, by, "create", self.area, self.subject, row.id, after=after, address=address)

    def change(
        self,
        db: Session,
        by: Actor,
        row: Record,
        new: Edit,
        check: Callable[[Mapping[str, Any]], None] = lambda _: None,
        parts: Parts = no_parts,
    ) -> dict[str, Any]:
        """Sets the fields of `new` that differ from the locked row; returns their values from before. Fields that are
        missing, or null, stay. `check` gets the fields that would change, and raises when the change is not allowed.
        `parts` changes what is not a field of the row.

        Raises:
            Stale: another user has changed the record since that version was read.
            Conflict: the record is archived, or another record has the unique value.
        """
        values = entered_values(new, self.may_be_emptied)
        if new.version != row.version:
            raise Stale(
                f"ほかの人が先にこの{self.noun}を変更しました。まだ保存されていません。"
                "最新の内容を確認してから、もう一度変更してください。",
                yours=to_jsonable_python(values),
                current=type(new).model_validate(row, from_attributes=True).model_dump(mode="json"),
            )
        if row.archived_at is not None:
            raise Conflict(f"この{self.noun}は{self.archived}。元に戻してから変更してください。")
        before = {name: getattr(row, name) for name in values if getattr(row, name) != values[name]}
        after = {name: values[name] for name in before}
        if before:
            check(after)
            self._write(db, after, lambda: self._set(db, row, after))
        old_parts, new_parts = parts()
        if not before and old_parts != new_parts:
            self.touch(db, row)
        old_values, new_values = {**before, **old_parts}, {**after, **new_parts}
        if old_values != new_values:
            old, changed = to_jsonable_python(old_values), to_jsonable_python(new_values)
            audit.record(db, by, "update", self.area, self.subject, row.id, before=old, after=changed)
        return before

    def set_archived(
        self,
        db: Session,
        by: Actor,
        row: Record,
        archived: bool,
        ended: Mapping[str, int | str] = MappingProxyType({}),
    ) -> bool:
        """Archives or restores; returns whether that changed anything. An archived record leaves the lists and keeps
        its history. `ended`: what was open and ended with it, how much and why, for the audit log."""
        if (row.archived_at is not None) == archived:
            return False
        self._set(db, row, {"archived_at": app_now(db) if archived else None})
        before, after = {"archived": not archived}, {"archived": archived, **ended}
        audit.record(db, by, "status_change", self.area, self.subject, row.id, before=before, after=after)
        return True

    def touch(self, db: Session, row: Record) -> None:
        """Increments the version after a change of the record's parts, so that edits of the old version are stale."""
        self._set(db, row, {})

    def _set(self, db: Session, row: Record, values: Mapping[str, Any]) -> None:
        now: datetime = app_now(db)
        for name, value in values.items():
            setattr(row, name, value)
        row.version += 1
        row.updated_at = now

    def _write(self, db: Session, values: Mapping[str, Any], write: Any) -> None:
        try:
            with db.begin_nested():
                write()
        except IntegrityError as error:
            name = next(
                (field_name for constraint, field_name in self.unique.items() if violates(error, constraint)), None
            )
            if name is None:
                raise
            raise Conflict.at_field(
                name, f"{self.titles.get(name, '')}「{values[name]}」はすでに登録されています。"
            ) from None
