"""Every read of the summary, its trend, and the differences between two days."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Select, and_, bindparam, cast, func, or_, select
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Session, aliased

from service.core.database.clock import app_now
from service.core.database.paging import Filter, Key, Listing, Page, equals
from service.core.values.times import local_date
from service.loaners.lists.queries import end_of_day, is_valid_at
from service.loaners.models import Device, DeviceState, Model, Site
from service.loaners.rules import DEPOSIT_LABELS, UNSET_LABEL, Status
from service.loaners.summaries import schemas
from service.loaners.views.models import View
from service.loaners.views.queries import view_definition
from service.loaners.views.rules import CARDS, SUMMARY, Definition
from service.loaners.views.schemas import Cards, parse_json

UNSET_KEY = "unset"
DEFAULT_PERIOD = timedelta(days=30)
# One point for each week, a quarter of a year in total.
POINTS, STEP = 14, timedelta(days=7)
UNSET_DESCRIPTION = "ユーザー機を預かっていますが、預り機のステータスが登録されていません"


def summary(db: Session, filters: schemas.SummaryFilters) -> schemas.Summary:
    """Section 3.1: devices in 1.貸出中 with 預り 有り, by 預り機のステータス, site and デバイスタイプ, as the view
    SUMMARY defines them; the totals are those of the 管轄."""
    view = db.scalars(select(View).where(View.key == SUMMARY)).one()
    definition = view_definition(view)
    cards = Cards.model_validate(parse_json(view.columns)).categories
    groups = [*dict.fromkeys(definition.groups.values())]
    at = end_of_day(db, filters.as_of)
    is_valid = (
        func.upper_inf(DeviceState.during)
        if at is None
        else is_valid_at(DeviceState.during, _timestamp_parameter("moment"))
    )
    rows = db.execute(
        select(DeviceState.deposit, DeviceState.site_id, Device.category, func.count())
        .join(Device, Device.id == DeviceState.device_id)
        .where(is_valid, _is_counted(definition))
        .group_by(DeviceState.deposit, DeviceState.site_id, Device.category),
        {} if at is None else {"moment": at},
    )
    counts: Counter[tuple[str, int, str]] = Counter()
    for deposit, site_id, category, number in rows:
        counts[str(deposit or UNSET_KEY), site_id, definition.groups.get(category, "")] += number
    sites = _sites(db, filters.jurisdiction, {site_id for _, site_id, _ in counts})
    return schemas.Summary(
        as_of=app_now(db),
        shown=None if at is None else filters.as_of,
        jurisdiction=filters.jurisdiction,
        groups=groups,
        cards=[
            _card(str(CARDS[title].value), title, style.description, style.color, counts, sites, groups)
            for title, style in cards.items()
        ],
        unset=_card(UNSET_KEY, UNSET_LABEL, UNSET_DESCRIPTION, "secondary", counts, sites, groups),
    )


def _is_counted(definition: Definition) -> ColumnElement[bool]:
    """The condition of section 3.1, with the view's フィルタ条件."""
    statuses = definition.statuses or (Status.LENT,)
    return and_(
        DeviceState.status == Status.LENT.value,
        DeviceState.status.in_([status.value for status in statuses]),
        DeviceState.held.is_(True),
        DeviceState.is_archived.is_(bool(definition.archived)),
        Device.kind.in_([kind.value for kind in definition.kinds]),
    )


def _sites(db: Session, jurisdiction: str | None, counted: set[int]) -> dict[int, str]:
    """Active sites, and archived ones that still have devices to count."""
    statement = (
        select(Site.id, Site.name).where(or_(Site.archived_at.is_(None), Site.id.in_(counted))).order_by(Site.id)
    )
    if jurisdiction is not None:
        statement = statement.where(Site.jurisdiction == jurisdiction)
    return {row.id: row.name for row in db.execute(statement)}


def _card(
    deposit: str,
    title: str,
    description: str,
    color: str,
    counted: Mapping[tuple[str, int, str], int],
    sites: Mapping[int, str],
    groups: list[str],
) -> schemas.SummaryCard:
    rows: list[schemas.SummaryRow] = []
    for site_id, name in sites.items():
        counts = [counted.get((deposit, site_id, group), 0) for group in groups]
        rows.append(schemas.SummaryRow(site_id=site_id, site_name=name, counts=counts, total=sum(counts)))
    totals = [sum(row.counts[index] for row in rows) for index in range(len(groups))]
    return schemas.SummaryCard(
        deposit=deposit,
        title=title,
        description=description,
        color=color,
        rows=rows,
        totals=totals,
        total=sum(totals),
    )


def trend(db: Session, jurisdiction: str | None) -> schemas.Trend:
    """The cards' totals at the end of the same weekday in each week of the last quarter, oldest first."""
    definition = view_definition(db.scalars(select(View).where(View.key == SUMMARY)).one())
    today = local_date(app_now(db))
    days = [today - STEP * back for back in reversed(range(POINTS))]
    timestamps = [end_of_day(db, day) or app_now(db) for day in days]
    points = func.unnest(cast(timestamps, ARRAY(TIMESTAMP(timezone=True)))).table_valued("at").render_derived("points")
    statement = (
        select(points.c.at, DeviceState.deposit, func.count())
        .join(DeviceState, is_valid_at(DeviceState.during, points.c.at))
        .join(Device, Device.id == DeviceState.device_id)
        .where(_is_counted(definition))
        .group_by(points.c.at, DeviceState.deposit)
    )
    if jurisdiction is not None:
        statement = statement.join(Site, Site.id == DeviceState.site_id).where(Site.jurisdiction == jurisdiction)
    counts = {(local_date(at), str(deposit or UNSET_KEY)): number for at, deposit, number in db.execute(statement)}
    keys = [*(str(deposit.value) for deposit in DEPOSIT_LABELS), UNSET_KEY]
    return schemas.Trend(
        points=[schemas.TrendPoint(day=day, counts={key: counts.get((day, key), 0) for key in keys}) for day in days]
    )


def _timestamp_parameter(name: str) -> ColumnElement[datetime]:
    return bindparam(name, type_=TIMESTAMP(timezone=True))


Then, Now, ThenSite = aliased(DeviceState), aliased(DeviceState), aliased(Site)
_COMPARED_COLUMNS = ("site_id", "status", "held", "deposit", "is_archived")


def _either(first: Any, second: Any) -> Filter:
    return Filter(lambda name: or_(first == bindparam(name), second == bindparam(name)))


DIFFERENCES = Listing(
    select(
        Device.id,
        Device.number,
        Device.kind,
        Model.name.label("model_name"),
        Then.device_id.is_not(None).label("was_known"),
        ThenSite.name.label("before_site"),
        Then.status.label("before_status"),
        Then.held.label("before_held"),
        Then.deposit.label("before_deposit"),
        Then.is_archived.label("before_archived"),
        Site.name.label("site"),
        Now.status,
        Now.held,
        Now.deposit,
        Now.is_archived.label("archived"),
    )
    .join(Now, Now.device_id == Device.id)
    .outerjoin(Then, (Then.device_id == Device.id) & is_valid_at(Then.during, _timestamp_parameter("since")))
    .join(Model, Model.id == Device.model_id)
    .join(Site, Site.id == Now.site_id)
    .outerjoin(ThenSite, ThenSite.id == Then.site_id)
    .where(
        is_valid_at(Now.during, _timestamp_parameter("until")),
        or_(*(getattr(Now, name).is_distinct_from(getattr(Then, name)) for name in _COMPARED_COLUMNS)),
    ),
    model=schemas.Difference,
    unique=Device.id,
    keys={"number": Key(Device.number), "site": Key(Site.name)},
    default="number",
    filters={
        "site_id": _either(Now.site_id, Then.site_id),
        "jurisdiction": _either(Site.jurisdiction, ThenSite.jurisdiction),
        "kind": equals(Device.kind),
    },
)


def differences(
    db: Session, limit: int, cursor: str | None, filters: schemas.DifferenceFilters
) -> Page[schemas.Difference]:
    """Devices whose state differs between the earlier and the later day."""
    return DIFFERENCES.read(db, limit, cursor, filters.sort, parameters=_bounds(db, filters), **_filter_values(filters))


def all_differences(db: Session, filters: schemas.DifferenceFilters) -> Select[*tuple[Any, ...]]:
    return DIFFERENCES.all(filters.sort, parameters=_bounds(db, filters), **_filter_values(filters))


def _bounds(db: Session, filters: schemas.DifferenceFilters) -> dict[str, Any]:
    now = app_now(db)
    until = filters.until or local_date(now)
    first, last = sorted((filters.since or until - DEFAULT_PERIOD, until))
    return {"since": end_of_day(db, first) or now, "until": end_of_day(db, last) or now}


def _filter_values(filters: schemas.DifferenceFilters) -> dict[str, Any]:
    kind = filters.kind.value if filters.kind else None
    return {"site_id": filters.site_id, "jurisdiction": filters.jurisdiction, "kind": kind}
