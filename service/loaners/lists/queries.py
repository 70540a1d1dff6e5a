"""Every read of device lists as views define them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, SmallInteger, String, any_, bindparam, cast, func, or_, select
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Session, aliased

from service.core.database.clock import app_now
from service.core.database.paging import Filter, Key, Listing, contains, equals, when_true
from service.core.pages import shell
from service.core.values.times import day_bounds, local_date
from service.loaners.forms import rules as forms
from service.loaners.forms.models import Form
from service.loaners.forms.rules import Question
from service.loaners.history.models import ArchivedEvent, Event
from service.loaners.history.rules import label_path
from service.loaners.lists import schemas
from service.loaners.models import Alias, Device, DeviceState, Model, Site
from service.loaners.rules import Deposit, Kind, Status
from service.loaners.views import queries as views
from service.loaners.views import rules
from service.loaners.views.models import View
from service.loaners.views.rules import INTEGRATED, INTEGRATED_NAME, INTEGRATED_TEXT, INTEGRATED_VIEW, Definition, Facts

NESTED = "3-0"
MOMENT = bindparam("moment", type_=TIMESTAMP(timezone=True))
# The site in the number, which a transfer does not change.
Home = aliased(Site)


def is_valid_at(during: Any, at: ColumnElement[datetime]) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = during.op("@>", is_comparison=True)(at)
    return condition


def _one_of(column: Any, value_type: Any) -> Filter:
    return Filter(
        lambda name: column == any_(bindparam(name, type_=ARRAY(value_type))), lambda values: [*values] or None
    )


def _last_form(name: str) -> Any:
    """A column of the last form event, archived or not."""
    column = Event.__table__.c[name]
    return func.coalesce(column, _archived(name, column.type), type_=column.type)


def _archived(name: str, column_type: Any) -> Any:
    stored = ArchivedEvent.event[name]
    return stored if isinstance(column_type, JSONB) else cast(stored.astext, column_type)


_text_search = contains(Device.number, Model.name, Device.serial, Device.asset_number, _last_form("borrower"))
_alias_search = contains(Alias.alias)
FORM_EVENT_AT = func.coalesce(Event.effective_at, ArchivedEvent.effective_at, type_=TIMESTAMP(timezone=True))


def _matches_text(name: str) -> ColumnElement[bool]:
    return or_(
        _text_search.condition(name), Device.id.in_(select(Alias.device_id).where(_alias_search.condition(name)))
    )


def _listing(condition: ColumnElement[bool], updated_at: Any) -> Listing:
    return Listing(
        select(
            Device.id,
            Device.number,
            Device.kind,
            Device.category,
            Model.name.label("model_name"),
            Model.maker,
            Device.serial,
            Device.asset_number,
            Device.software,
            Device.os,
            Device.extra,
            Device.created_at,
            updated_at.label("updated_at"),
            DeviceState.site_id,
            Site.name.label("site_name"),
            Site.jurisdiction,
            Home.id.label("home_id"),
            Home.name.label("home_name"),
            DeviceState.status,
            DeviceState.held,
            DeviceState.deposit,
            DeviceState.is_archived,
            _last_form("form_id").label("form_id"),
            _last_form("answers").label("answers"),
            FORM_EVENT_AT.label("told_at"),
            _last_form("actor_name").label("actor_name"),
            _last_form("actor_mail").label("actor_mail"),
        )
        .join(DeviceState, DeviceState.device_id == Device.id)
        .join(Model, Model.id == Device.model_id)
        .join(Site, Site.id == DeviceState.site_id)
        .outerjoin(Home, Home.code == func.split_part(Device.number, "_", 1))
        .outerjoin(Event, Event.id == DeviceState.form_event_id)
        .outerjoin(ArchivedEvent, ArchivedEvent.id == DeviceState.form_event_id)
        .where(condition),
        unique=Device.id,
        keys={
            "number": Key(Device.number),
            "model": Key(Model.name),
            "serial": Key(Device.serial),
            "site": Key(Site.name),
            "status": Key(DeviceState.status, nullable=True),
            "updated_at": Key(updated_at),
            "told_at": Key(FORM_EVENT_AT, nullable=True),
        },
        default="number",
        filters={
            "kinds": _one_of(Device.kind, String),
            "categories": _one_of(Device.category, String),
            "statuses": _one_of(DeviceState.status, SmallInteger),
            "site_id": equals(DeviceState.site_id),
            "jurisdiction": equals(Site.jurisdiction),
            "number_site_id": equals(Home.id),
            "nested": Filter(lambda name: _nested_answer() == bindparam(name, type_=String)),
            "deposit": equals(DeviceState.deposit),
            "is_unset": when_true(deposit_is_unset()),
            "is_moved": when_true(DeviceState.site_id != Home.id),
            "q": Filter(_matches_text, _text_search.value),
            "is_archived": when_true(DeviceState.is_archived.is_(True)),
            "is_in_use": when_true(~DeviceState.is_archived),
        },
    )


def _nested_answer() -> ColumnElement[str]:
    """The answer to the question that controls others of the same status: 3-0 for 3.社内にて保管中."""
    key = func.concat(DeviceState.status, f"-{forms.NESTING}")
    answer: ColumnElement[str] = _last_form("answers").op("->>", return_type=String())(key)
    return answer


def deposit_is_unset() -> ColumnElement[bool]:
    """Lent with a user's machine held, but without a 預り機のステータス."""
    return (DeviceState.status == Status.LENT.value) & DeviceState.held & DeviceState.deposit.is_(None)


PRESENT = _listing(func.upper_inf(DeviceState.during), Device.updated_at)
AS_OF = _listing(
    is_valid_at(DeviceState.during, MOMENT), func.lower(DeviceState.during, type_=TIMESTAMP(timezone=True))
)


def end_of_day(db: Session, day: date | None) -> datetime | None:
    """The end of the day; None (meaning now) for today and for later days."""
    if day is None or day >= local_date(app_now(db)):
        return None
    return day_bounds(day)[1] - timedelta(microseconds=1)


@dataclass(frozen=True)
class PublishedForms:
    """Questions of published forms by id, and the current form of each kind."""

    questions: Mapping[int, Sequence[Question]]
    current: Mapping[Kind, int]


def published_forms(db: Session) -> PublishedForms:
    rows = db.execute(
        select(Form.id, Form.kind, Form.questions, Form.import_only)
        .where(Form.published_at.is_not(None))
        .order_by(Form.kind, Form.number)
    )
    questions: dict[int, Sequence[Question]] = {}
    current: dict[Kind, int] = {}
    for form_id, kind, stored, import_only in rows:
        questions[form_id] = forms.load_questions(stored)
        if not import_only:
            current[Kind(kind)] = form_id
    return PublishedForms(questions, current)


@dataclass(frozen=True)
class ListQuery:
    """A request for a view's list."""

    key: str
    name: str
    definition: Definition
    forms: PublishedForms
    columns: list[str]
    custom_titles: Mapping[str, str]
    at: datetime | None
    filters: schemas.ListFilters

    @property
    def listing(self) -> Listing:
        return PRESENT if self.at is None else AS_OF

    @property
    def parameters(self) -> dict[str, Any]:
        return {} if self.at is None else {"moment": self.at}

    def filter_values(self) -> dict[str, Any]:
        filters, view = self.filters, self.definition
        archived = filters.archived if view.archived is None else view.archived
        kinds = [kind.value for kind in view.kinds if filters.kind in (None, kind)]
        statuses = [status.value for status in view.statuses if filters.status in (None, status)]
        if filters.status and not view.statuses:
            statuses = [filters.status.value]
        categories = [name for name, group in view.groups.items() if group == filters.group] if filters.group else None
        return {
            # "-" matches no row: the view does not include the requested kind.
            "kinds": kinds or ["-"],
            "categories": None if categories is None else categories or ["-"],
            "statuses": statuses or ([0] if view.statuses else None),
            "site_id": filters.site_id,
            "jurisdiction": filters.jurisdiction,
            "number_site_id": filters.number_site_id,
            "nested": filters.nested,
            "deposit": None if filters.deposit in (None, "unset") else int(filters.deposit or 0),
            "is_unset": filters.deposit == "unset",
            "is_moved": filters.moved,
            "q": filters.q,
            "is_archived": archived,
            "is_in_use": not archived,
        }


def build_query(db: Session, key: str, filters: schemas.ListFilters) -> ListQuery:
    """Raises NotFound for an unknown view."""
    name, view = views.get_definition(db, key)
    published, at = published_forms(db), end_of_day(db, filters.as_of)
    columns = rules.visible_columns(view, [])
    if view.base is not None and filters.status is not None:
        form_columns = rules.form_columns(
            [published.questions[form_id] for form_id in _forms_in_use(db, view, published, at)]
        )
        columns = rules.visible_columns(view, form_columns, filters.status, filters.nested)
    return ListQuery(key, name, view, published, columns, views.custom_titles(db), at, filters)


def _forms_in_use(db: Session, view: Definition, published: PublishedForms, at: datetime | None) -> list[int]:
    """The current forms, then earlier ones that are the last form of some device."""
    current = [published.current[kind] for kind in view.kinds if kind in published.current]
    is_valid = func.upper_inf(DeviceState.during) if at is None else is_valid_at(DeviceState.during, MOMENT)
    rows = db.scalars(
        select(_last_form("form_id"))
        .select_from(DeviceState)
        .join(Device, Device.id == DeviceState.device_id)
        .outerjoin(Event, Event.id == DeviceState.form_event_id)
        .outerjoin(ArchivedEvent, ArchivedEvent.id == DeviceState.form_event_id)
        .where(is_valid, Device.kind.in_([kind.value for kind in view.kinds]))
        .distinct(),
        {} if at is None else {"moment": at},
    )
    earlier = {form_id for form_id in rows if form_id is not None} & published.questions.keys()
    return [*current, *sorted(earlier.difference(current))]


def page(db: Session, key: str, limit: int, cursor: str | None, filters: schemas.ListFilters) -> schemas.ListPage:
    """Raises NotFound, and Invalid for an unknown sort order."""
    query = build_query(db, key, filters)
    result = query.listing.read_rows(
        db,
        limit,
        cursor,
        filters.sort,
        item=lambda row: _item(query, row),
        parameters=query.parameters,
        **query.filter_values(),
    )
    return schemas.ListPage(
        **result,
        view=key,
        name=query.name,
        columns=query.columns,
        as_of=app_now(db),
        shown=None if query.at is None else filters.as_of,
    )


def rows(db: Session, query: ListQuery) -> Iterator[list[str]]:
    """The cells of all rows, in the order of the list. Raises Invalid for an unknown sort order."""
    statement = query.listing.all(query.filters.sort, parameters=query.parameters, **query.filter_values())
    for row in db.execute(statement.execution_options(yield_per=1000)).mappings():
        yield row_cells(query, dict(row))


def _item(query: ListQuery, row: Mapping[str, Any]) -> dict[str, Any]:
    moved = row["home_id"] is not None and row["home_id"] != row["site_id"]
    return {
        **{name: row[name] for name in ("id", "number", "kind", "site_id", "site_name", "is_archived")},
        **{name: row[name] for name in ("status", "held", "deposit")},
        "home": row["home_name"] if moved else None,
        "cells": row_cells(query, row),
    }


def row_cells(query: ListQuery, row: Mapping[str, Any]) -> list[str]:
    values = rules.row_values(_facts(query, row))
    return [rules.cell_value(query.definition, column, values, row["category"]) for column in query.columns]


_SAME_NAMES = (
    "number",
    "category",
    "model_name",
    "maker",
    "serial",
    "asset_number",
    "software",
    "os",
    "site_name",
    "jurisdiction",
    "held",
    "is_archived",
    "created_at",
    "updated_at",
    "told_at",
)


def _facts(query: ListQuery, row: Mapping[str, Any]) -> Facts:
    extra = row["extra"]
    return Facts(
        **{name: row[name] for name in _SAME_NAMES},
        kind=Kind(row["kind"]),
        status=None if row["status"] is None else Status(row["status"]),
        deposit=None if row["deposit"] is None else Deposit(row["deposit"]),
        actor_name=row["actor_name"] or "",
        actor_mail=row["actor_mail"] or "",
        answers=row["answers"] or {},
        questions=query.forms.questions.get(row["form_id"], ()),
        further={title: str(extra.get(key, "") or "") for key, title in query.custom_titles.items()},
        url=shell.address() + label_path(row["number"]),
    )


def _view_choice(key: str, name: str, description: str, definition: Definition) -> schemas.ViewChoice:
    groups = [*dict.fromkeys(definition.groups.values())]
    return schemas.ViewChoice(key=key, name=name, description=description, groups=groups)


def _active_views(db: Session) -> list[schemas.ViewChoice]:
    rows = db.scalars(select(View).where(View.archived_at.is_(None)).order_by(View.position))
    return [_view_choice(view.key, view.name, view.description, views.view_definition(view)) for view in rows]


def options(db: Session) -> schemas.Options:
    """Values for the filters of lists, and the active views; the integrated view comes first."""
    sites = [
        schemas.Choice(
            id=site.id, name=site.name, jurisdiction=site.jurisdiction, archived=site.archived_at is not None
        )
        for site in db.scalars(select(Site).order_by(Site.jurisdiction, Site.id))
    ]
    published = published_forms(db)
    nested = [
        choice
        for form_id in published.current.values()
        for question in published.questions[form_id]
        if question.key == NESTED
        for choice in question.choices
    ]
    return schemas.Options(
        views=[_view_choice(INTEGRATED, INTEGRATED_NAME, INTEGRATED_TEXT, INTEGRATED_VIEW), *_active_views(db)],
        sites=sites,
        jurisdictions=[*dict.fromkeys(site.jurisdiction for site in sites if not site.archived)],
        nested=[*dict.fromkeys(nested)],
    )
