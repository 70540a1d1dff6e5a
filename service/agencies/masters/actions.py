"""Writes of the masters. A code is never changed or reused, because records refer to it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.agencies.masters import queries, schemas
from service.agencies.masters.models import CarrierField, Choice, Option
from service.agencies.masters.rules import FIXED, FIXED_REFUSAL
from service.agencies.rules import AREA
from service.core.access.auth import Actor
from service.core.edits import Edits
from service.core.problems import Conflict

INACTIVE = "無効になっています"
CODE = {"code": "コード"}
CHOICES = Edits(AREA.name, "choice", "選択肢", {"uq_agencies_choices_list_code": "code"}, CODE, archived=INACTIVE)
OPTIONS = Edits(
    AREA.name, "option", "オプションサービス", {"uq_agencies_options_code": "code"}, CODE, archived=INACTIVE
)
CARRIER_FIELDS = Edits(
    AREA.name,
    "carrier_field",
    "元フィールド",
    {"uq_agencies_carrier_fields_record_field_part": "field"},
    {"field": "この項目と部分の元フィールド"},
    archived=INACTIVE,
)


def create_choice(db: Session, by: Actor, new: schemas.NewChoice) -> Choice:
    """Raises Conflict when the code exists already, or the list is fixed."""
    _refuse_fixed(new.list)
    position = new.position or _next_position(db, select(func.max(Choice.position)).where(Choice.list == new.list))
    values = new.model_dump() | {"position": position}
    choice = Choice(**values)
    CHOICES.create(db, by, choice, values)
    return choice


def change_choice(db: Session, by: Actor, choice_id: int, new: schemas.ChoiceChange) -> None:
    CHOICES.change(db, by, queries.get(db, Choice, choice_id, lock=True), new)


def archive_choice(db: Session, by: Actor, choice_id: int, archived: bool) -> None:
    """An archived choice is no longer offered; records that have it keep it. Raises Conflict for a fixed list."""
    choice = queries.get(db, Choice, choice_id, lock=True)
    _refuse_fixed(choice.list)
    CHOICES.set_archived(db, by, choice, archived)


def create_option(db: Session, by: Actor, new: schemas.NewOption) -> Option:
    """Raises Conflict when the code exists already."""
    values = new.model_dump() | {"position": new.position or _next_position(db, select(func.max(Option.position)))}
    option = Option(**values)
    OPTIONS.create(db, by, option, values)
    return option


def change_option(db: Session, by: Actor, option_id: int, new: schemas.OptionChange) -> None:
    OPTIONS.change(db, by, queries.get(db, Option, option_id, lock=True), new)


def archive_option(db: Session, by: Actor, option_id: int, archived: bool) -> None:
    OPTIONS.set_archived(db, by, queries.get(db, Option, option_id, lock=True), archived)


def create_carrier_field(db: Session, by: Actor, new: schemas.NewCarrierField) -> CarrierField:
    """Raises Conflict when that part of the column has a carrier field already."""
    values = new.model_dump() | {
        "position": new.position or _next_position(db, select(func.max(CarrierField.position)))
    }
    field = CarrierField(**values)
    CARRIER_FIELDS.create(db, by, field, values)
    return field


def change_carrier_field(db: Session, by: Actor, field_id: int, new: schemas.CarrierFieldChange) -> None:
    CARRIER_FIELDS.change(db, by, queries.get(db, CarrierField, field_id, lock=True), new)


def archive_carrier_field(db: Session, by: Actor, field_id: int, archived: bool) -> None:
    """An archived carrier field is no longer shown to operators."""
    CARRIER_FIELDS.set_archived(db, by, queries.get(db, CarrierField, field_id, lock=True), archived)


def _refuse_fixed(list_name: str) -> None:
    if list_name in FIXED:
        raise Conflict(FIXED_REFUSAL)


def _next_position(db: Session, highest: Any) -> int:
    return min((db.scalar(highest) or 0) + 1, 1000)
