"""Changes of records that several people work on: the version that was read decides, and every change is audited."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Protocol

from pydantic import BaseModel
from pydantic_core import to_jsonable_python
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.core import audit
from service.core.auth import Actor
from service.core.clock import app_now
from service.core.db import violates
from service.core.problems import Conflict, Stale


class Record(Protocol):
    id: Any
    version: Any
    updated_at: Any
    archived_at: Any


@dataclass(frozen=True)
class Edits:
    """How records of a kind are changed. `noun` is what people call one; `unique` maps a constraint to the field it is
    about, which `titles` may have a word for; null empties those that `may_be_emptied`. `archived` is said of one that
    is."""

    area: str
    subject: str
    noun: str
    unique: Mapping[str, str] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    may_be_emptied: frozenset[str] = frozenset()
    archived: str = "アーカイブされています"

    def create(
        self, db: Session, by: Actor | str, row: Record, values: Mapping[str, Any], *, address: str = "-"
    ) -> None:
        """Adds the row; `values` are what the trail says of it. Raises Conflict when it is there already."""
        self._write(db, values, lambda: db.add(row))
        after = to_jsonable_python(values)
        audit.record(db, by, "create", self.area, self.subject, row.id, after=after, address=address)

    def change(
        self,
        db: Session,
        by: Actor,
        row: Record,
        new: BaseModel,
        check: Callable[[Mapping[str, Any]], None] = lambda _: None,
    ) -> dict[str, Any]:
        """Takes over what `new`, which has a `version`, gives and the locked row has not: the values before. What is
        left out, or null, stays. `check` is shown what would become different, and raises when it may not.

        Raises:
            Stale: somebody changed it since that version was read.
            Conflict: it is archived, or the new value is another's.
        """
        sent = new.model_dump(exclude={"version"}, exclude_unset=True)
        given = {name: value for name, value in sent.items() if value is not None or name in self.may_be_emptied}
        if new.version != row.version:  # type: ignore[attr-defined]  # each such model has one
            raise Stale(
                f"ほかの人が先にこの{self.noun}を変更しました。まだ保存されていません。"
                "最新の内容を確認してから、もう一度変更してください。",
                yours=to_jsonable_python(given),
                current=type(new).model_validate(row, from_attributes=True).model_dump(mode="json"),
            )
        if row.archived_at is not None:
            raise Conflict(f"この{self.noun}は{self.archived}。元に戻してから変更してください。")
        before = {name: getattr(row, name) for name in given if getattr(row, name) != given[name]}
        after = {name: given[name] for name in before}
        if before:
            check(after)
            self._write(db, after, lambda: self._set(db, row, after))
            plain = to_jsonable_python(before), to_jsonable_python(after)
            audit.record(db, by, "update", self.area, self.subject, row.id, before=plain[0], after=plain[1])
        return before

    def set_archived(
        self,
        db: Session,
        by: Actor,
        row: Record,
        archived: bool,
        ended: Mapping[str, int | str] = MappingProxyType({}),
    ) -> bool:
        """Whether it was not so before. An archived record leaves the lists and keeps its history; `ended`: how much of
        what was open ended with it, and why."""
        if (row.archived_at is not None) == archived:
            return False
        self._set(db, row, {"archived_at": app_now(db) if archived else None})
        before, after = {"archived": not archived}, {"archived": archived, **ended}
        audit.record(db, by, "status_change", self.area, self.subject, row.id, before=before, after=after)
        return True

    def touch(self, db: Session, row: Record) -> None:
        """Somebody changed what belongs to the record: who read it before has an old one."""
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
            name = next((named for constraint, named in self.unique.items() if violates(error, constraint)), None)
            if name is None:
                raise
            message = f"{self.titles.get(name, '')}「{values[name]}」はすでに登録されています。"
            raise Conflict(message, [(name, message)]) from None
