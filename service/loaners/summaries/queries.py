"""Every read of the summary, its trend, and of what changed between two days."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Select, and_, bindparam, cast, func, or_, select
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Session, aliased

from service.core.clock import app_now
from service.core.paging import Filter, Key, Listing, equals
from service.core.times import local_date
from service.loaners.history.models import DeviceState
from service.loaners.lists.queries import held_at, moment_of
from service.loaners.models import Device, Model, Site
from service.loaners.rules import DEPOSIT_WORDS, UNSET, Status
from service.loaners.summaries import schemas
from service.loaners.views.models import View
from service.loaners.views.queries import of_view
from service.loaners.views.rules import CARDS, SUMMARY, Definition
from service.loaners.views.schemas import Cards, parsed

UNSET_KEY = "unset"
USUAL = timedelta(days=30)
# A week each, a quarter of a year altogether.
POINTS, STEP = 14, timedelta(days=7)
UNSET_DESCRIPTION = "ユーザー機を預かっていますが、預り機のステータスが登録されていません"


def summary(db: Session, filters: schemas.SummaryFilters) -> dict[str, Any]:
    """Section 3.1: 1.貸出中 with 預り 有り, by 預り機のステータス, site and デバイスタイプ, as the view SUMMARY has
    them; the totals are those of the 管轄."""
    view = db.scalars(select(View).where(View.key == SUMMARY)).one()
    definition = of_view(view)
    cards = Cards.model_validate(parsed(view.columns)).categories
    groups = [*dict.fromkeys(definition.groups.values())]
    moment = moment_of(db, filters.as_of)
    holds = func.upper_inf(DeviceState.during) if moment is None else held_at(DeviceState.during, _moment("moment"))
    rows = db.execute(
        select(DeviceState.deposit, DeviceState.site_id, Device.category, func.count())
        .join(Device, Device.id == DeviceState.device_id)
        .where(holds, _counts(definition))
        .group_by(DeviceState.deposit, DeviceState.site_id, Device.category),
        {} if moment is None else {"moment": moment},
    )
    counted: Counter[tuple[str, int, str]] = Counter()
    for deposit, site_id, category, number in rows:
        counted[str(deposit or UNSET_KEY), site_id, definition.groups.get(category, "")] += number
    sites = _sites(db, filters.jurisdiction, {site_id for _, site_id, _ in counted})
    return {
        "as_of": app_now(db),
        "shown": None if moment is None else filters.as_of,
        "jurisdiction": filters.jurisdiction,
        "groups": groups,
        "cards": [
            _card(str(CARDS[title].value), title, look.description, look.color, counted, sites, groups)
            for title, look in cards.items()
        ],
        "unset": _card(UNSET_KEY, UNSET, UNSET_DESCRIPTION, "secondary", counted, sites, groups),
    }


def _counts(definition: Definition) -> ColumnElement[bool]:
    """What section 3.1 counts, as far as the view's フィルタ条件 leaves it."""
    wanted = definition.statuses or (Status.LENT,)
    return and_(
        DeviceState.status == Status.LENT.value,
        DeviceState.status.in_([status.value for status in wanted]),
        DeviceState.held.is_(True),
        DeviceState.is_archived.is_(bool(definition.archived)),
        Device.kind.in_([kind.value for kind in definition.kinds]),
    )


def _sites(db: Session, jurisdiction: str | None, counted: set[int]) -> dict[int, str]:
    """Those in use, and others that still have something to count."""
    rows = select(Site.id, Site.name).where(or_(Site.archived_at.is_(None), Site.id.in_(counted))).order_by(Site.id)
    if jurisdiction is not None:
        rows = rows.where(Site.jurisdiction == jurisdiction)
    return {row.id: row.name for row in db.execute(rows)}


def _card(
    deposit: str,
    title: str,
    description: str,
    color: str,
    counted: Mapping[tuple[str, int, str], int],
    sites: Mapping[int, str],
    groups: list[str],
) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for site_id, name in sites.items():
        counts = [counted.get((deposit, site_id, group), 0) for group in groups]
        rows.append({"site_id": site_id, "site_name": name, "counts": counts, "total": sum(counts)})
    totals = [sum(row["counts"][place] for row in rows) for place in range(len(groups))]
    return {
        "deposit": deposit,
        "title": title,
        "description": description,
        "color": color,
        "rows": rows,
        "totals": totals,
        "total": sum(totals),
    }


def trend(db: Session, jurisdiction: str | None) -> dict[str, Any]:
    """The cards' totals at the end of the same weekday of the last quarter's weeks, the oldest first."""
    definition = of_view(db.scalars(select(View).where(View.key == SUMMARY)).one())
    today = local_date(app_now(db))
    days = [today - STEP * back for back in reversed(range(POINTS))]
    moments = [moment_of(db, day) or app_now(db) for day in days]
    points = func.unnest(cast(moments, ARRAY(TIMESTAMP(timezone=True)))).table_valued("at").render_derived("points")
    rows = (
        select(points.c.at, DeviceState.deposit, func.count())
        .join(DeviceState, held_at(DeviceState.during, points.c.at))
        .join(Device, Device.id == DeviceState.device_id)
        .where(_counts(definition))
        .group_by(points.c.at, DeviceState.deposit)
    )
    if jurisdiction is not None:
        rows = rows.join(Site, Site.id == DeviceState.site_id).where(Site.jurisdiction == jurisdiction)
    found = {(local_date(at), str(deposit or UNSET_KEY)): number for at, deposit, number in db.execute(rows)}
    keys = [*(str(deposit.value) for deposit in DEPOSIT_WORDS), UNSET_KEY]
    return {"points": [{"day": day, "counts": {key: found.get((day, key), 0) for key in keys}} for day in days]}


def _moment(name: str) -> ColumnElement[datetime]:
    return bindparam(name, type_=TIMESTAMP(timezone=True))


Then, Now, ThenSite = aliased(DeviceState), aliased(DeviceState), aliased(Site)
_WATCHED = ("site_id", "status", "held", "deposit", "is_archived")


def _either(one: Any, other: Any) -> Filter:
    return Filter(lambda name: or_(one == bindparam(name), other == bindparam(name)))


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
    .outerjoin(Then, (Then.device_id == Device.id) & held_at(Then.during, _moment("since")))
    .join(Model, Model.id == Device.model_id)
    .join(Site, Site.id == Now.site_id)
    .outerjoin(ThenSite, ThenSite.id == Then.site_id)
    .where(
        held_at(Now.during, _moment("until")),
        or_(*(getattr(Now, name).is_distinct_from(getattr(Then, name)) for name in _WATCHED)),
    ),
    unique=Device.id,
    keys={"number": Key(Device.number), "site": Key(Site.name)},
    default="number",
    filters={
        "site_id": _either(Now.site_id, Then.site_id),
        "jurisdiction": _either(Site.jurisdiction, ThenSite.jurisdiction),
        "kind": equals(Device.kind),
    },
)


def differences(db: Session, limit: int, cursor: str | None, filters: schemas.DifferenceFilters) -> dict[str, Any]:
    """Devices of which something else held later; from the earlier day to the later one."""
    return DIFFERENCES.page(db, limit, cursor, filters.sort, asked=_bounds(db, filters), **_cut(filters))


def all_differences(db: Session, filters: schemas.DifferenceFilters) -> Select[*tuple[Any, ...]]:
    return DIFFERENCES.all(filters.sort, asked=_bounds(db, filters), **_cut(filters))


def _bounds(db: Session, filters: schemas.DifferenceFilters) -> dict[str, Any]:
    now = app_now(db)
    until = filters.until or local_date(now)
    first, last = sorted((filters.since or until - USUAL, until))
    return {"since": moment_of(db, first) or now, "until": moment_of(db, last) or now}


def _cut(filters: schemas.DifferenceFilters) -> dict[str, Any]:
    kind = filters.kind.value if filters.kind else None
    return {"site_id": filters.site_id, "jurisdiction": filters.jurisdiction, "kind": kind}
