"""Queries of the masters."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from sqlalchemy import Select, String, case, cast, func, or_, select
from sqlalchemy.orm import Session

from service.agencies.masters import schemas
from service.agencies.masters.models import CarrierField, Choice, Option
from service.agencies.masters.rules import COLUMNS, FIXED
from service.agencies.rules import CarrierRecord, ChoiceList, FieldPart
from service.core.access.auth import Actor
from service.core.database.paging import Key, Listing, Page, archived_filter, contains, equals, filter_values
from service.core.problems import Invalid

Item = TypeVar("Item")
# Lists in the order of the specification.
_LIST_ORDER = case(
    {name.value: place for place, name in enumerate(ChoiceList)}, value=Choice.list, else_=len(ChoiceList)
)
_TITLE = func.coalesce(
    case(
        {f"{record}.{field}": title for record, columns in COLUMNS.items() for field, title in columns.items()},
        value=func.concat(CarrierField.record, ".", CarrierField.field),
        else_=None,
    ),
    CarrierField.field,
)

CHOICES = Listing(
    select(
        Choice.id,
        Choice.version,
        Choice.list,
        Choice.code,
        Choice.name,
        Choice.is_example,
        Choice.list.in_(FIXED).label("is_fixed"),
        Choice.position,
        Choice.created_at,
        Choice.updated_at,
        Choice.archived_at,
    ),
    model=schemas.ChoiceItem,
    unique=Choice.id,
    keys={"list": Key(_LIST_ORDER * 10_000 + Choice.position), "code": Key(Choice.code), "name": Key(Choice.name)},
    default="list",
    filters={
        "list": equals(Choice.list),
        "q": contains(Choice.code, Choice.name),
        **archived_filter(Choice.archived_at),
    },
)
OPTIONS = Listing(
    select(
        Option.id,
        Option.version,
        Option.code,
        Option.name,
        Option.price,
        Option.is_support_pack,
        Option.position,
        Option.created_at,
        Option.updated_at,
        Option.archived_at,
    ),
    model=schemas.OptionItem,
    unique=Option.id,
    keys={"position": Key(Option.position), "code": Key(Option.code), "name": Key(Option.name)},
    default="position",
    filters={
        "q": contains(Option.code, Option.name),
        **archived_filter(Option.archived_at),
    },
)
CARRIER_FIELDS = Listing(
    select(
        CarrierField.id,
        CarrierField.version,
        CarrierField.record,
        CarrierField.field,
        _TITLE.label("title"),
        CarrierField.part,
        CarrierField.page,
        CarrierField.carrier_field,
        CarrierField.position,
        CarrierField.created_at,
        CarrierField.updated_at,
        CarrierField.archived_at,
    ),
    model=schemas.CarrierFieldItem,
    unique=CarrierField.id,
    keys={"position": Key(CarrierField.position), "carrier_field": Key(CarrierField.carrier_field)},
    default="position",
    filters={
        "record": equals(CarrierField.record),
        "page": equals(CarrierField.page),
        "q": contains(CarrierField.carrier_field, CarrierField.field, _TITLE),
        **archived_filter(CarrierField.archived_at),
    },
)


def page(
    listing: Listing[Item], db: Session, _: Actor, limit: int, cursor: str | None, filters: schemas.MasterFilters
) -> Page[Item]:
    return listing.read(db, limit, cursor, filters.sort, **filter_values(filters))


def choices_export(_: Actor, filters: schemas.ChoiceFilters) -> Select[*tuple[Any, ...]]:
    """All choices in the order of the list. Raises Invalid for an unknown sort order."""
    return CHOICES.all(filters.sort, **filter_values(filters)).add_columns(
        cast(Choice.is_example, String).label("example")
    )


def options_export(_: Actor, filters: schemas.OptionFilters) -> Select[*tuple[Any, ...]]:
    return OPTIONS.all(filters.sort, **filter_values(filters)).add_columns(
        cast(Option.is_support_pack, String).label("pack")
    )


def carrier_fields_export(_: Actor, filters: schemas.CarrierFieldFilters) -> Select[*tuple[Any, ...]]:
    return CARRIER_FIELDS.all(filters.sort, **filter_values(filters))


def masters(db: Session) -> schemas.Masters:
    """All choices and options in their order, for forms and for the labels of codes."""
    choices_by_list: dict[str, list[schemas.MasterChoice]] = {name.value: [] for name in ChoiceList}
    choice_rows = select(
        Choice.list, Choice.code, Choice.name, Choice.is_example, Choice.archived_at.is_(None).label("in_use")
    )
    for row in db.execute(choice_rows.order_by(Choice.list, Choice.position, Choice.id)).mappings():
        choices_by_list.setdefault(row["list"], []).append(schemas.MasterChoice(**row))
    options = select(
        Option.code, Option.name, Option.price, Option.is_support_pack, Option.archived_at.is_(None).label("in_use")
    )
    option_rows = db.execute(options.order_by(Option.position, Option.id)).mappings()
    return schemas.Masters(
        lists=ChoiceList.labels(),
        choices=choices_by_list,
        options=[schemas.MasterOption(**row) for row in option_rows],
        records=CarrierRecord.labels(),
        columns=COLUMNS,
        parts=FieldPart.labels(),
    )


def titles(db: Session) -> dict[str, dict[str, str]]:
    """Titles of choices by list and code, archived ones included."""
    titles_by_list: dict[str, dict[str, str]] = {name.value: {} for name in ChoiceList}
    for list_name, code, title in db.execute(select(Choice.list, Choice.code, Choice.name).order_by(Choice.position)):
        titles_by_list.setdefault(list_name, {})[code] = title
    return titles_by_list


def option_titles(db: Session) -> dict[str, str]:
    return dict(db.execute(select(Option.code, Option.name).order_by(Option.position)).all())


def check(db: Session, codes: Mapping[str, tuple[str, str]], before: Mapping[str, Any] | None = None) -> None:
    """Checks that each field's code is in its list and not archived. `codes`: list and code by field. Empty codes are
    not checked; a code that the record has already (`before`, by field) may stay. Raises Invalid by field."""
    previous = before or {}
    changed = {field: pair for field, pair in codes.items() if pair[1] and previous.get(field) != pair[1]}
    if not changed:
        return
    pairs = set(changed.values())
    matches = or_(*((Choice.list == name) & (Choice.code == code) for name, code in pairs))
    rows = db.execute(select(Choice.list, Choice.code).where(matches, Choice.archived_at.is_(None)))
    in_use = {(row.list, row.code) for row in rows}
    wrong = {field: name for field, (name, code) in changed.items() if (name, code) not in in_use}
    _refuse([(field, f"{ChoiceList(name).label}を選び直してください。") for field, name in wrong.items()])


def check_options(db: Session, field: str, codes: Collection[str], before: Collection[str] = ()) -> None:
    """As `check`, for オプションサービス."""
    new = set(codes) - set(before)
    if not new:
        return
    active = set(db.scalars(select(Option.code).where(Option.code.in_(new), Option.archived_at.is_(None))))
    wrong = "、".join(sorted(new - active))
    _refuse([(field, f"このオプションサービスは選べません（{wrong}）。選び直してください。")] if wrong else [])


def _refuse(errors: list[tuple[str, str]]) -> None:
    if errors:
        raise Invalid("選択肢が変更されたか、選べない値です。選び直してください。", errors)
