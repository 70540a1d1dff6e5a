"""Every read of devices as views show them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, SmallInteger, String, any_, bindparam, cast, func, or_, select
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Session, aliased

from service.core.clock import app_now
from service.core.pages import shell
from service.core.paging import Filter, Key, Listing, contains, equals, when
from service.core.times import day_bounds, local_date
from service.loaners.forms import rules as forms
from service.loaners.forms.models import Form
from service.loaners.forms.rules import Question
from service.loaners.history.models import ArchivedEvent, DeviceState, Event
from service.loaners.history.rules import label_path
from service.loaners.lists import schemas
from service.loaners.models import Alias, Device, Model, Site
from service.loaners.rules import Deposit, Kind, Status
from service.loaners.views import queries as views
from service.loaners.views import rules
from service.loaners.views.models import View
from service.loaners.views.rules import INTEGRATED, INTEGRATED_NAME, INTEGRATED_TEXT, INTEGRATED_VIEW, Definition, Facts

NESTED = "3-0"
MOMENT = bindparam("moment", type_=TIMESTAMP(timezone=True))
# The site that stands in the number, which a transfer does not change.
Home = aliased(Site)


def held_at(during: Any, moment: ColumnElement[datetime]) -> ColumnElement[bool]:
    found: ColumnElement[bool] = during.op("@>", is_comparison=True)(moment)
    return found


def _one_of(column: Any, kind: Any) -> Filter:
    return Filter(lambda name: column == any_(bindparam(name, type_=ARRAY(kind))), lambda given: [*given] or None)


def _told(name: str) -> Any:
    """This of the last form, wherever it lies now."""
    column = Event.__table__.c[name]
    return func.coalesce(column, _put_away(name, column.type), type_=column.type)


def _put_away(name: str, kind: Any) -> Any:
    stored = ArchivedEvent.event[name]
    return stored if isinstance(kind, JSONB) else cast(stored.astext, kind)


_named = contains(Device.number, Model.name, Device.serial, Device.asset_number, _told("borrower"))
_alias = contains(Alias.alias)
TOLD_AT = func.coalesce(Event.effective_at, ArchivedEvent.effective_at, type_=TIMESTAMP(timezone=True))


def _found_by(name: str) -> ColumnElement[bool]:
    return or_(_named.condition(name), Device.id.in_(select(Alias.device_id).where(_alias.condition(name))))


def _listing(holds: ColumnElement[bool], updated_at: Any) -> Listing:
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
            _told("form_id").label("form_id"),
            _told("answers").label("answers"),
            TOLD_AT.label("told_at"),
            _told("actor_name").label("actor_name"),
            _told("actor_mail").label("actor_mail"),
        )
        .join(DeviceState, DeviceState.device_id == Device.id)
        .join(Model, Model.id == Device.model_id)
        .join(Site, Site.id == DeviceState.site_id)
        .outerjoin(Home, Home.code == func.split_part(Device.number, "_", 1))
        .outerjoin(Event, Event.id == DeviceState.form_event_id)
        .outerjoin(ArchivedEvent, ArchivedEvent.id == DeviceState.form_event_id)
        .where(holds),
        unique=Device.id,
        keys={
            "number": Key(Device.number),
            "model": Key(Model.name),
            "serial": Key(Device.serial),
            "site": Key(Site.name),
            "status": Key(DeviceState.status, nullable=True),
            "updated_at": Key(updated_at),
            "told_at": Key(TOLD_AT, nullable=True),
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
            "is_unset": when(unset()),
            "is_moved": when(DeviceState.site_id != Home.id),
            "q": Filter(_found_by, _named.value),
            "is_archived": when(DeviceState.is_archived.is_(True)),
            "is_in_use": when(~DeviceState.is_archived),
        },
    )


def _nested_answer() -> ColumnElement[str]:
    """To the question that leads to others of the same status: 3-0 of 3.社内にて保管中."""
    key = func.concat(DeviceState.status, f"-{forms.NESTING}")
    found: ColumnElement[str] = _told("answers").op("->>", return_type=String())(key)
    return found


def unset() -> ColumnElement[bool]:
    """Lent with a user's machine held, and nobody said what about it."""
    return (DeviceState.status == Status.LENT.value) & DeviceState.held & DeviceState.deposit.is_(None)


PRESENT = _listing(func.upper_inf(DeviceState.during), Device.updated_at)
AS_OF = _listing(held_at(DeviceState.during, MOMENT), func.lower(DeviceState.during, type_=TIMESTAMP(timezone=True)))


def moment_of(db: Session, day: date | None) -> datetime | None:
    """The last one of that day; None: now, because it is today or still to come."""
    if day is None or day >= local_date(app_now(db)):
        return None
    return day_bounds(day)[1] - timedelta(microseconds=1)


@dataclass(frozen=True)
class Forms:
    """Published forms by id, and the newest one of each kind that is filled in here."""

    questions: Mapping[int, Sequence[Question]]
    current: Mapping[Kind, int]


def published(db: Session) -> Forms:
    rows = db.execute(
        select(Form.id, Form.kind, Form.questions, Form.import_only)
        .where(Form.published_at.is_not(None))
        .order_by(Form.kind, Form.number)
    )
    questions: dict[int, Sequence[Question]] = {}
    current: dict[Kind, int] = {}
    for form_id, kind, stored, import_only in rows:
        questions[form_id] = forms.read(stored)
        if not import_only:
            current[Kind(kind)] = form_id
    return Forms(questions, current)


@dataclass(frozen=True)
class Asked:
    """A view's list for one request."""

    key: str
    name: str
    definition: Definition
    forms: Forms
    columns: list[str]
    further: Mapping[str, str]
    moment: datetime | None
    filters: schemas.ListFilters

    @property
    def listing(self) -> Listing:
        return PRESENT if self.moment is None else AS_OF

    @property
    def parameters(self) -> dict[str, Any]:
        return {} if self.moment is None else {"moment": self.moment}

    def cut(self) -> dict[str, Any]:
        filters, view = self.filters, self.definition
        archived = filters.archived if view.archived is None else view.archived
        wanted = [kind.value for kind in view.kinds if filters.kind in (None, kind)]
        statuses = [status.value for status in view.statuses if filters.status in (None, status)]
        if filters.status and not view.statuses:
            statuses = [filters.status.value]
        categories = [name for name, group in view.groups.items() if group == filters.group] if filters.group else None
        return {
            # A kind that the view does not read has no rows in it.
            "kinds": wanted or ["-"],
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


def asked(db: Session, key: str, filters: schemas.ListFilters) -> Asked:
    """Raises NotFound for a view that is not there."""
    name, view = views.definition(db, key)
    known, moment = published(db), moment_of(db, filters.as_of)
    shown = rules.shown(view, [])
    if view.base is not None and filters.status is not None:
        columns = rules.available([known.questions[one] for one in _forms_in_use(db, view, known, moment)])
        shown = rules.shown(view, columns, filters.status, filters.nested)
    return Asked(key, name, view, known, shown, views.further_titles(db), moment, filters)


def _forms_in_use(db: Session, view: Definition, known: Forms, moment: datetime | None) -> list[int]:
    """Those that are filled in now, then earlier ones by which some device was told last."""
    now = [known.current[kind] for kind in view.kinds if kind in known.current]
    holds = func.upper_inf(DeviceState.during) if moment is None else held_at(DeviceState.during, MOMENT)
    rows = db.scalars(
        select(_told("form_id"))
        .select_from(DeviceState)
        .join(Device, Device.id == DeviceState.device_id)
        .outerjoin(Event, Event.id == DeviceState.form_event_id)
        .outerjoin(ArchivedEvent, ArchivedEvent.id == DeviceState.form_event_id)
        .where(holds, Device.kind.in_([kind.value for kind in view.kinds]))
        .distinct(),
        {} if moment is None else {"moment": moment},
    )
    earlier = {one for one in rows if one is not None} & known.questions.keys()
    return [*now, *sorted(earlier.difference(now))]


def page(db: Session, key: str, limit: int, cursor: str | None, filters: schemas.ListFilters) -> dict[str, Any]:
    """Raises NotFound, and Invalid for an order that is none of ours."""
    want = asked(db, key, filters)
    found = want.listing.page(
        db, limit, cursor, filters.sort, item=lambda row: _item(want, row), asked=want.parameters, **want.cut()
    )
    return found | {
        "view": key,
        "name": want.name,
        "columns": want.columns,
        "as_of": app_now(db),
        "shown": None if want.moment is None else filters.as_of,
    }


def rows(db: Session, want: Asked) -> Iterator[list[str]]:
    """All of the list, in its order: the cells. Raises Invalid for an order that is none of ours."""
    found = want.listing.all(want.filters.sort, asked=want.parameters, **want.cut())
    for row in db.execute(found.execution_options(yield_per=1000)).mappings():
        yield cells(want, dict(row))


def _item(want: Asked, row: Mapping[str, Any]) -> dict[str, Any]:
    moved = row["home_id"] is not None and row["home_id"] != row["site_id"]
    return {
        **{name: row[name] for name in ("id", "number", "kind", "site_id", "site_name", "is_archived")},
        **{name: row[name] for name in ("status", "held", "deposit")},
        "home": row["home_name"] if moved else None,
        "cells": cells(want, row),
    }


def cells(want: Asked, row: Mapping[str, Any]) -> list[str]:
    values = rules.sheet(_facts(want, row))
    return [rules.cell(want.definition, column, values, row["category"]) for column in want.columns]


_ALIKE = ("number", "category", "model_name", "maker", "serial", "asset_number", "software", "os", "site_name",
          "jurisdiction", "held", "is_archived", "created_at", "updated_at", "told_at")  # fmt: skip


def _facts(want: Asked, row: Mapping[str, Any]) -> Facts:
    extra = row["extra"]
    return Facts(
        **{name: row[name] for name in _ALIKE},
        kind=Kind(row["kind"]),
        status=None if row["status"] is None else Status(row["status"]),
        deposit=None if row["deposit"] is None else Deposit(row["deposit"]),
        actor_name=row["actor_name"] or "",
        actor_mail=row["actor_mail"] or "",
        answers=row["answers"] or {},
        questions=want.forms.questions.get(row["form_id"], ()),
        further={title: str(extra.get(key, "") or "") for key, title in want.further.items()},
        url=shell.address() + label_path(row["number"]),
    )


def _choice(key: str, name: str, description: str, definition: Definition) -> dict[str, Any]:
    groups = [*dict.fromkeys(definition.groups.values())]
    return {"key": key, "name": name, "description": description, "groups": groups}


def _used(db: Session) -> list[dict[str, Any]]:
    found = db.scalars(select(View).where(View.archived_at.is_(None)).order_by(View.position))
    return [_choice(view.key, view.name, view.description, views.of_view(view)) for view in found]


def options(db: Session) -> dict[str, Any]:
    """What lists can be narrowed to, and the views there are, the integrated one first."""
    sites = [
        {"id": site.id, "name": site.name, "jurisdiction": site.jurisdiction, "archived": site.archived_at is not None}
        for site in db.scalars(select(Site).order_by(Site.jurisdiction, Site.id))
    ]
    known = published(db)
    nested = [
        choice
        for form_id in known.current.values()
        for question in known.questions[form_id]
        if question.key == NESTED
        for choice in question.choices
    ]
    return {
        "views": [_choice(INTEGRATED, INTEGRATED_NAME, INTEGRATED_TEXT, INTEGRATED_VIEW), *_used(db)],
        "sites": sites,
        "jurisdictions": [*dict.fromkeys(site["jurisdiction"] for site in sites if not site["archived"])],
        "nested": [*dict.fromkeys(nested)],
    }
