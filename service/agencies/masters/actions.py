"""Writes of the masters. A code is never changed or reused, because records refer to it."""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy import ColumnElement, true
from sqlalchemy.orm import Session

from service.agencies.masters import schemas
from service.agencies.masters.models import CarrierField, Choice, Option
from service.agencies.masters.rules import FIXED, FIXED_REFUSAL
from service.agencies.rules import AREA
from service.core.access.auth import Actor
from service.core.database.lookups import last_position
from service.core.edits import Edits
from service.core.problems import Conflict
from service.core.resources import Resource

INACTIVE = "無効になっています"
CODE = {"code": "コード"}
Row = TypeVar("Row", Choice, Option, CarrierField)


class Master(Resource[Row]):
    def create(self, db: Session, by: Actor, new: Any) -> Row:
        """Without a position it comes last. Raises Conflict when a unique value exists already."""
        position = new.position or last_position(db, self.model.position, self._same_list(new), limit=1000)
        return self.add(db, by, new.model_dump() | {"position": position})

    def _same_list(self, new: Any) -> ColumnElement[bool]:
        return true()


class Choices(Master[Choice]):
    def create(self, db: Session, by: Actor, new: schemas.NewChoice) -> Choice:
        """Raises Conflict when the code exists already, or the list is fixed."""
        _refuse_fixed(new.list)
        return super().create(db, by, new)

    def set_archived(self, db: Session, by: Actor, key: int, archived: bool) -> None:
        """An archived choice is no longer offered; records that have it keep it. Raises Conflict for a fixed list."""
        _refuse_fixed(self.lock(db, by, key).list)
        super().set_archived(db, by, key, archived)

    def _same_list(self, new: schemas.NewChoice) -> ColumnElement[bool]:
        return Choice.list == new.list


CHOICES = Choices(
    Edits(AREA.name, "choice", "選択肢", {"uq_agencies_choices_list_code": "code"}, CODE, archived=INACTIVE),
    Choice,
    schemas.ChoiceChange,
    schemas.NewChoice,
)
OPTIONS = Master(
    Edits(AREA.name, "option", "オプションサービス", {"uq_agencies_options_code": "code"}, CODE, archived=INACTIVE),
    Option,
    schemas.OptionChange,
    schemas.NewOption,
)
CARRIER_FIELDS = Master(
    Edits(
        AREA.name,
        "carrier_field",
        "元フィールド",
        {"uq_agencies_carrier_fields_record_field_part": "field"},
        {"field": "この項目と部分の元フィールド"},
        archived=INACTIVE,
    ),
    CarrierField,
    schemas.CarrierFieldChange,
    schemas.NewCarrierField,
)


def _refuse_fixed(list_name: str) -> None:
    if list_name in FIXED:
        raise Conflict(FIXED_REFUSAL)
