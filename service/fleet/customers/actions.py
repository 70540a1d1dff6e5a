"""A customer's changes after it was registered."""

from __future__ import annotations

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.core import audit
from service.core.auth import Actor
from service.core.clock import app_now
from service.core.db import violates
from service.core.problems import Conflict, Stale
from service.fleet.agents.actions import revoke_codes_of
from service.fleet.customers import schemas
from service.fleet.customers.queries import terminals_in_use
from service.fleet.models import Customer
from service.fleet.queries import get_customer
from service.fleet.rules import AREA


def change(db: Session, by: Actor, customer_id: int, new: schemas.CustomerChange) -> None:
    """
    Raises:
        NotFound: no such customer.
        Stale: somebody changed it since `version` was read.
        Conflict: it is archived, or another customer has that name.
    """
    customer = get_customer(db, customer_id, lock=True)
    given = new.model_dump(mode="json", exclude={"version"}, exclude_none=True)
    if new.version != customer.version:
        raise Stale(
            "ほかの人が先にこの顧客企業を変更しました。まだ保存されていません。"
            "最新の内容を確認してから、もう一度変更してください。",
            yours=given,
            current=schemas.CustomerChange.model_validate(customer, from_attributes=True).model_dump(mode="json"),
        )
    if customer.archived_at is not None:
        raise Conflict("この顧客企業はアーカイブされています。元に戻してから変更してください。")
    before = {name: getattr(customer, name) for name in given if getattr(customer, name) != given[name]}
    if not before:
        return
    try:
        with db.begin_nested():
            for name in before:
                setattr(customer, name, given[name])
            _touch(db, customer)
    except IntegrityError as error:
        if not violates(error, "uq_fleet_customers_company_name"):
            raise
        message = f"「{given['company_name']}」はすでに登録されています。"
        raise Conflict(message, [("company_name", message)]) from None
    after = {name: given[name] for name in before}
    audit.record(db, by, "update", AREA.name, "customer", customer.id, before=before, after=after)


def archive(db: Session, by: Actor, customer_id: int) -> None:
    """Its enrolment codes end with it. To one that is archived already nothing happens.

    Raises:
        NotFound: no such customer.
        Conflict: it has terminals in use.
    """
    customer = get_customer(db, customer_id, lock=True)
    if left := terminals_in_use(db, customer.id):
        raise Conflict(
            f"使用中の端末が{left:,}台あります。すべての端末をアーカイブしてから、顧客企業をアーカイブしてください。"
        )
    if customer.archived_at is None:
        revoke_codes_of(db, by, customer.id)
    _set_archived(db, by, customer, True)


def restore(db: Session, by: Actor, customer_id: int) -> None:
    """Its terminals stay archived: each is taken back by itself. Raises NotFound."""
    _set_archived(db, by, get_customer(db, customer_id, lock=True), False)


def _set_archived(db: Session, by: Actor, customer: Customer, archived: bool) -> None:
    if (customer.archived_at is not None) == archived:
        return
    customer.archived_at = app_now(db) if archived else None
    _touch(db, customer)
    before, after = {"archived": not archived}, {"archived": archived}
    audit.record(db, by, "status_change", AREA.name, "customer", customer.id, before=before, after=after)


def _touch(db: Session, customer: Customer) -> None:
    customer.version += 1
    customer.updated_at = app_now(db)
