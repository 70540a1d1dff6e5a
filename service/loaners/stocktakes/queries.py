"""Every read of stocktakes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, literal, or_, select
from sqlalchemy.orm import Session, aliased

from service.core.database.clock import app_now
from service.core.database.paging import Key, Listing, Page, contains, equals, when_true
from service.core.problems import Conflict, NotFound
from service.loaners.lists.queries import is_valid_at
from service.loaners.models import Device, DeviceState, Model, Site
from service.loaners.rules import Status
from service.loaners.stocktakes import schemas
from service.loaners.stocktakes.models import Counted, Stocktake
from service.loaners.stocktakes.rules import SAME_STOCKTAKE_WITHIN, Result

_Other, _OtherStocktake, _OwnStocktake = aliased(Counted), aliased(Stocktake), aliased(Stocktake)
_elsewhere = (
    select(_Other.id)
    .join(_OtherStocktake, _OtherStocktake.id == _Other.stocktake_id)
    .join(
        _OwnStocktake, and_(_OwnStocktake.site_id == _OtherStocktake.site_id, _OwnStocktake.id == Counted.stocktake_id)
    )
    .where(
        _Other.device_id == Counted.device_id,
        _Other.scanned_at.is_not(None),
        _OtherStocktake.id != _OwnStocktake.id,
        _OtherStocktake.started_at.between(
            _OwnStocktake.started_at - literal(SAME_STOCKTAKE_WITHIN),
            _OwnStocktake.started_at + literal(SAME_STOCKTAKE_WITHIN),
        ),
    )
    .correlate(Counted)
    .exists()
)
RESULT_CONDITIONS: dict[Result, ColumnElement[bool]] = {
    Result.UNKNOWN: Counted.device_id.is_(None),
    Result.MISPLACED: and_(Counted.device_id.is_not(None), ~Counted.expected),
    Result.FOUND: and_(Counted.expected, Counted.scanned_at.is_not(None)),
    Result.ELSEWHERE: and_(Counted.expected, Counted.scanned_at.is_(None), _elsewhere),
    Result.MISSING: and_(Counted.expected, Counted.scanned_at.is_(None), ~_elsewhere),
}


def _count(*conditions: Any) -> ColumnElement[int]:
    return (
        select(func.count())
        .where(Counted.stocktake_id == Stocktake.id, *conditions)
        .correlate(Stocktake)
        .scalar_subquery()
    )


STOCKTAKES = Listing(
    select(
        Stocktake.id,
        Stocktake.site_id,
        Site.name.label("site_name"),
        Stocktake.room,
        Stocktake.started_by,
        Stocktake.started_at,
        Stocktake.closed_by,
        Stocktake.closed_at,
        _count(Counted.expected).label("expected"),
        *(_count(condition).label(result.value) for result, condition in RESULT_CONDITIONS.items()),
    ).join(Site, Site.id == Stocktake.site_id),
    model=schemas.StocktakeItem,
    unique=Stocktake.id,
    keys={"started_at": Key(Stocktake.started_at), "site": Key(Site.name)},
    default="-started_at",
    filters={
        "id": equals(Stocktake.id),
        "site_id": equals(Stocktake.site_id),
        "is_open": when_true(Stocktake.closed_at.is_(None)),
        "is_closed": when_true(Stocktake.closed_at.is_not(None)),
    },
)
_number_shown = func.coalesce(Device.number, Counted.scanned)
ROWS = Listing(
    select(
        Counted.id,
        Counted.device_id,
        _number_shown.label("number"),
        Device.kind,
        Model.name.label("model_name"),
        Device.serial,
        Site.name.label("site_name"),
        DeviceState.status,
        case(*((condition, result.value) for result, condition in RESULT_CONDITIONS.items())).label("result"),
        Counted.scanned_by,
        Counted.scanned_at,
        Counted.note,
    )
    .select_from(Counted)
    .join(Stocktake, Stocktake.id == Counted.stocktake_id)
    .outerjoin(Device, Device.id == Counted.device_id)
    .outerjoin(Model, Model.id == Device.model_id)
    # The state when the stocktake was closed, or now.
    .outerjoin(
        DeviceState,
        and_(
            DeviceState.device_id == Device.id,
            is_valid_at(DeviceState.during, func.coalesce(Stocktake.closed_at, func.app_now())),
        ),
    )
    .outerjoin(Site, Site.id == DeviceState.site_id),
    model=schemas.RowItem,
    unique=Counted.id,
    keys={"number": Key(_number_shown), "scanned_at": Key(Counted.scanned_at, nullable=True)},
    default="number",
    filters={
        "stocktake_id": equals(Counted.stocktake_id),
        "q": contains(Device.number, Model.name, Device.serial, Counted.scanned, Counted.note),
        **{result.value: when_true(condition) for result, condition in RESULT_CONDITIONS.items()},
    },
)


def stocktakes(
    db: Session, limit: int, cursor: str | None, filters: schemas.StocktakeFilters
) -> Page[schemas.StocktakeItem]:
    return STOCKTAKES.read(
        db,
        limit,
        cursor,
        filters.sort,
        site_id=filters.site_id,
        is_open=filters.is_open is True,
        is_closed=filters.is_open is False,
    )


def stocktake_detail(db: Session, stocktake_id: int) -> schemas.StocktakeDetail:
    """As in the list. Raises NotFound."""
    row = db.execute(STOCKTAKES.all(id=stocktake_id)).mappings().one_or_none()
    if row is None:
        raise _absent()
    return schemas.StocktakeDetail(**row, as_of=app_now(db))


def rows(
    db: Session, stocktake_id: int, limit: int, cursor: str | None, filters: schemas.RowFilters
) -> Page[schemas.RowItem]:
    """Raises NotFound."""
    if db.get(Stocktake, stocktake_id) is None:
        raise _absent()
    return ROWS.read(db, limit, cursor, filters.sort, **_filter_values(stocktake_id, filters))


def all_rows(db: Session, stocktake_id: int, filters: schemas.RowFilters) -> Iterator[schemas.RowItem]:
    for row in db.execute(ROWS.all(filters.sort, **_filter_values(stocktake_id, filters))).mappings():
        yield schemas.RowItem(**row)


def _filter_values(stocktake_id: int, filters: schemas.RowFilters) -> dict[str, Any]:
    chosen = {filters.result.value: True} if filters.result else {}
    return {"stocktake_id": stocktake_id, "q": filters.q, **chosen}


def devices_at_site(db: Session, site_id: int) -> list[int]:
    """The devices that should be at the site now: all that are not lent."""
    return list(
        db.scalars(
            select(DeviceState.device_id).where(
                func.upper_inf(DeviceState.during),
                DeviceState.site_id == site_id,
                ~DeviceState.is_archived,
                or_(DeviceState.status.is_(None), DeviceState.status != Status.LENT.value),
            )
        )
    )


def get_open(db: Session, stocktake_id: int, *, to_close: bool = False) -> Stocktake:
    """Locks the stocktake: a scan and its closing cannot overlap. Raises NotFound, and Conflict for a closed one."""
    stocktake = db.get(Stocktake, stocktake_id, with_for_update={"read": not to_close}, populate_existing=True)
    if stocktake is None:
        raise _absent()
    if stocktake.closed_at is not None:
        raise Conflict("この棚卸は終了しています。新しい棚卸を始めてください。")
    return stocktake


def get_row(db: Session, stocktake_id: int, row_id: int) -> Counted:
    """Locked. Raises NotFound."""
    row = db.get(Counted, row_id, with_for_update=True, populate_existing=True)
    if row is None or row.stocktake_id != stocktake_id:
        raise NotFound("指定された行は見つかりません。棚卸を開き直してください。")
    return row


def find_row(db: Session, stocktake_id: int, device_id: int | None, code: str) -> Counted | None:
    """The row of the device, or of the unknown number; locked."""
    condition = (
        Counted.device_id == device_id if device_id else and_(Counted.device_id.is_(None), Counted.scanned == code)
    )
    return db.scalars(
        select(Counted).where(Counted.stocktake_id == stocktake_id, condition).with_for_update()
    ).one_or_none()


def row_item(db: Session, row_id: int) -> schemas.RowItem:
    return ROWS.read_one(db, row_id)


def _absent() -> NotFound:
    return NotFound("指定された棚卸は見つかりません。一覧を開き直してください。")
