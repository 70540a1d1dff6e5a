"""Routes of reservations for operators. Each action has its own route and returns the reservation after it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.exports import routes
from service.core.http.problem_responses import refusals
from service.core.routing.replica_reads import ReadDb
from service.core.values.texts import NO_NUL
from service.reservations.desk import actions, exports, queries, schemas

Code = Annotated[str, Path(min_length=1, max_length=20, pattern=NO_NUL)]
Number = Annotated[int, Path(ge=1, lt=2**31)]
READ, OPERATE = "reservations:reservation:read", "reservations:reservation:operate"
Reader = Annotated[Actor, allow(READ)]
Operator = Annotated[Actor, allow(OPERATE)]
router = APIRouter(
    prefix="/api/reservations/reservations",
    tags=["reservations"],
    responses=refusals(400, 401, 403, 422, 503),
)

routes.add_export_routes(router, "", exports.RESERVATIONS)


@router.get("")
def reservations(
    actor: Reader,
    db: ReadDb,
    filters: Annotated[schemas.ReservationFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.ReservationItem]:
    """Newest request first."""
    return queries.reservations(db, limit, cursor, filters)


@router.post("", status_code=201, responses=refusals(409))
def create(
    actor: Annotated[Actor, allow("reservations:reservation:create")], db: Db, new: schemas.NewReservation
) -> schemas.ReservationDetail:
    return queries.reservation_detail(db, actions.create(db, actor, new).code)


@router.get("/counts")
def counts(actor: Reader, db: ReadDb) -> schemas.Counts:
    return queries.counts(db)


@router.get("/{code}", responses=refusals(404))
def reservation(actor: Reader, db: Db, code: Code) -> schemas.ReservationDetail:
    return queries.reservation_detail(db, code)


@router.get("/{code}/steps", responses=refusals(404))
def steps(actor: Reader, db: Db, code: Code) -> schemas.Replay:
    """A replay of the timeline: the reservation after each event."""
    return queries.replay_steps(db, code)


@router.post("/{code}/shop-agreed", responses=refusals(404, 409))
def shop_agreed(actor: Operator, db: Db, code: Code, new: schemas.ShopAgreed) -> schemas.ReservationDetail:
    """予約OKを確認."""
    actions.record_shop_ok(db, actor, code, new)
    return queries.reservation_detail(db, code)


@router.post("/{code}/shop-refused", responses=refusals(404, 409))
def shop_refused(actor: Operator, db: Db, code: Code, new: schemas.Noted) -> schemas.ReservationDetail:
    """予約NGを確認."""
    actions.record_shop_refusal(db, actor, code, new)
    return queries.reservation_detail(db, code)


@router.post("/{code}/change-accepted", responses=refusals(404, 409))
def accept_change(actor: Operator, db: Db, code: Code, new: schemas.Change) -> schemas.ReservationDetail:
    """変更を反映."""
    actions.accept_change(db, actor, code, new)
    return queries.reservation_detail(db, code)


@router.post("/{code}/change-refused", responses=refusals(404, 409))
def refuse_change(actor: Operator, db: Db, code: Code, new: schemas.Noted) -> schemas.ReservationDetail:
    """承諾なし."""
    actions.refuse_change(db, actor, code, new)
    return queries.reservation_detail(db, code)


@router.post("/{code}/rearrange", responses=refusals(404, 409))
def rearrange(actor: Operator, db: Db, code: Code, new: schemas.Rearrangement) -> schemas.ReservationDetail:
    """別の日時で探し直す."""
    actions.rearrange(db, actor, code, new)
    return queries.reservation_detail(db, code)


@router.post("/{code}/link", responses=refusals(404, 409))
def send_link(actor: Operator, db: Db, code: Code, new: schemas.Noted) -> schemas.ReservationDetail:
    """決済リンクを再作成."""
    actions.send_link(db, actor, code, new)
    return queries.reservation_detail(db, code)


@router.post("/{code}/link-by-mail", responses=refusals(404, 409))
def mail_link(actor: Operator, db: Db, code: Code, new: schemas.LinkByMail) -> schemas.ReservationDetail:
    """決済リンクをメールで送る."""
    actions.mail_link(db, actor, code, new)
    return queries.reservation_detail(db, code)


@router.post("/{code}/cancel", responses=refusals(404, 409))
def cancel(actor: Operator, db: Db, code: Code, new: schemas.Cancellation) -> schemas.ReservationDetail:
    actions.cancel(db, actor, code, new)
    return queries.reservation_detail(db, code)


@router.post("/{code}/refund", responses=refusals(404, 409))
def retry_refund(
    actor: Annotated[Actor, allow("reservations:reservation:refund")], db: Db, code: Code, new: schemas.Noted
) -> schemas.ReservationDetail:
    """返金をやり直す."""
    actions.retry_refund(db, actor, code, new)
    return queries.reservation_detail(db, code)


@router.post("/{code}/refunded-otherwise", responses=refusals(404, 409))
def refunded_otherwise(
    actor: Annotated[Actor, allow("reservations:reservation:refund")],
    db: Db,
    code: Code,
    new: schemas.RefundedOtherwise,
) -> schemas.ReservationDetail:
    """別の方法で返金した."""
    actions.record_other_refund(db, actor, code, new)
    return queries.reservation_detail(db, code)


@router.post("/{code}/calls/{number}/answer", responses=refusals(404, 409))
def correct(actor: Operator, db: Db, code: Code, number: Number, new: schemas.Correction) -> schemas.ReservationDetail:
    """判定を訂正."""
    actions.correct_answer(db, actor, code, number, new)
    return queries.reservation_detail(db, code)


@router.post("/{code}/customer", responses=refusals(404, 409))
def correct_customer(actor: Operator, db: Db, code: Code, new: schemas.CustomerCorrection) -> schemas.ReservationDetail:
    """依頼者の連絡先を訂正."""
    actions.correct_customer(db, actor, code, new)
    return queries.reservation_detail(db, code)


@router.post("/{code}/contacts", status_code=201, responses=refusals(404))
def note_contact(
    actor: Annotated[Actor, allow("reservations:reservation:contact")], db: Db, code: Code, new: schemas.Contact
) -> schemas.ReservationDetail:
    """Records a conversation with the customer or a shop."""
    actions.note_contact(db, actor, code, new)
    return queries.reservation_detail(db, code)
