"""Reservations' routes for people: permission, one call, answer. Each action is a route of its own and answers with the
reservation as it then is."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from service.core.auth import Actor, allow
from service.core.db import Db
from service.core.exports import doors
from service.core.lists import Asking, lists
from service.core.paging import Cursor, Limit, Page
from service.core.problems import RESPONSES
from service.core.reading import ReadDb
from service.core.texts import NO_NUL
from service.reservations.desk import actions, exports, queries, schemas

Code = Annotated[str, Path(min_length=1, max_length=20, pattern=NO_NUL)]
Number = Annotated[int, Path(ge=1, lt=2**31)]
READ, OPERATE = "reservations:reservation:read", "reservations:reservation:operate"
Reader = Annotated[Actor, allow(READ)]
Operator = Annotated[Actor, allow(OPERATE)]
_CONFLICT: dict[int | str, dict[str, Any]] = {409: RESPONSES[409]}
_ABSENT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404]}
_EITHER = _ABSENT | _CONFLICT
router = APIRouter(
    prefix="/api/reservations/reservations",
    tags=["reservations"],
    responses={status: RESPONSES[status] for status in (400, 401, 403, 422, 503)},
)

doors.add(router, "", exports.RESERVATIONS)


@router.get("", response_model=Page[schemas.ReservationItem])
async def reservations(
    asking: Annotated[Asking, lists(READ, may_lag=True)],
    filters: Annotated[schemas.ReservationFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """What was asked for last comes first."""
    return await asking.page(lambda db, _: queries.reservations(db, limit, cursor, filters))


@router.post("", status_code=201, responses=_CONFLICT)
def create(
    actor: Annotated[Actor, allow("reservations:reservation:create")], db: Db, new: schemas.NewReservation
) -> schemas.ReservationDetail:
    return _now(db, actions.create(db, actor, new).code)


@router.get("/counts")
def counts(actor: Reader, db: ReadDb) -> schemas.Counts:
    return schemas.Counts.model_validate(queries.counts(db))


@router.get("/{code}", responses=_ABSENT)
def reservation(actor: Reader, db: Db, code: Code) -> schemas.ReservationDetail:
    return _now(db, code)


@router.get("/{code}/steps", responses=_ABSENT)
def steps(actor: Reader, db: Db, code: Code) -> schemas.Replay:
    """Its timeline lived through once more: how it stood after each event."""
    return schemas.Replay.model_validate(queries.steps(db, code))


@router.post("/{code}/shop-agreed", responses=_EITHER)
def shop_agreed(actor: Operator, db: Db, code: Code, new: schemas.ShopAgreed) -> schemas.ReservationDetail:
    """予約OKを確認."""
    actions.shop_agreed(db, actor, code, new)
    return _now(db, code)


@router.post("/{code}/shop-refused", responses=_EITHER)
def shop_refused(actor: Operator, db: Db, code: Code, new: schemas.Noted) -> schemas.ReservationDetail:
    """予約NGを確認."""
    actions.shop_refused(db, actor, code, new)
    return _now(db, code)


@router.post("/{code}/change-accepted", responses=_EITHER)
def accept_change(actor: Operator, db: Db, code: Code, new: schemas.Change) -> schemas.ReservationDetail:
    """変更を反映."""
    actions.accept_change(db, actor, code, new)
    return _now(db, code)


@router.post("/{code}/change-refused", responses=_EITHER)
def refuse_change(actor: Operator, db: Db, code: Code, new: schemas.Noted) -> schemas.ReservationDetail:
    """承諾なし."""
    actions.refuse_change(db, actor, code, new)
    return _now(db, code)


@router.post("/{code}/rearrange", responses=_EITHER)
def rearrange(actor: Operator, db: Db, code: Code, new: schemas.Rearrangement) -> schemas.ReservationDetail:
    """別の日時で探し直す."""
    actions.rearrange(db, actor, code, new)
    return _now(db, code)


@router.post("/{code}/link", responses=_EITHER)
def send_link(actor: Operator, db: Db, code: Code, new: schemas.Noted) -> schemas.ReservationDetail:
    """決済リンクを再作成."""
    actions.send_link(db, actor, code, new)
    return _now(db, code)


@router.post("/{code}/link-by-mail", responses=_EITHER)
def mail_link(actor: Operator, db: Db, code: Code, new: schemas.LinkByMail) -> schemas.ReservationDetail:
    """決済リンクをメールで送る."""
    actions.mail_link(db, actor, code, new)
    return _now(db, code)


@router.post("/{code}/cancel", responses=_EITHER)
def cancel(actor: Operator, db: Db, code: Code, new: schemas.Cancellation) -> schemas.ReservationDetail:
    actions.cancel(db, actor, code, new)
    return _now(db, code)


@router.post("/{code}/refund", responses=_EITHER)
def retry_refund(
    actor: Annotated[Actor, allow("reservations:reservation:refund")], db: Db, code: Code, new: schemas.Noted
) -> schemas.ReservationDetail:
    """返金をやり直す."""
    actions.retry_refund(db, actor, code, new)
    return _now(db, code)


@router.post("/{code}/refunded-otherwise", responses=_EITHER)
def refunded_otherwise(
    actor: Annotated[Actor, allow("reservations:reservation:refund")],
    db: Db,
    code: Code,
    new: schemas.RefundedOtherwise,
) -> schemas.ReservationDetail:
    """別の方法で返金した."""
    actions.refunded_otherwise(db, actor, code, new)
    return _now(db, code)


@router.post("/{code}/calls/{number}/answer", responses=_EITHER)
def correct(actor: Operator, db: Db, code: Code, number: Number, new: schemas.Correction) -> schemas.ReservationDetail:
    """判定を訂正."""
    actions.correct(db, actor, code, number, new)
    return _now(db, code)


@router.post("/{code}/customer", responses=_EITHER)
def correct_customer(actor: Operator, db: Db, code: Code, new: schemas.CustomerCorrection) -> schemas.ReservationDetail:
    """依頼者の連絡先を訂正."""
    actions.correct_customer(db, actor, code, new)
    return _now(db, code)


@router.post("/{code}/contacts", status_code=201, responses=_ABSENT)
def note_contact(
    actor: Annotated[Actor, allow("reservations:reservation:contact")], db: Db, code: Code, new: schemas.Contact
) -> schemas.ReservationDetail:
    """What was talked about with the customer or a shop."""
    actions.note_contact(db, actor, code, new)
    return _now(db, code)


def _now(db: Db, code: str) -> schemas.ReservationDetail:
    return schemas.ReservationDetail.model_validate(queries.in_full(db, code))
