"""A customer's changes after it was registered."""

from __future__ import annotations

from sqlalchemy.orm import Session

from service.core.auth import Actor
from service.core.problems import Conflict
from service.fleet.actions import CUSTOMERS
from service.fleet.agents.actions import revoke_codes_of
from service.fleet.customers import schemas
from service.fleet.customers.queries import terminals_in_use
from service.fleet.queries import get_customer


def change(db: Session, by: Actor, customer_id: int, new: schemas.CustomerChange) -> None:
    """
    Raises:
        NotFound: no such customer.
        Stale: somebody changed it since `version` was read.
        Conflict: it is archived, or another customer has that name.
    """
    CUSTOMERS.change(db, by, get_customer(db, customer_id, lock=True), new)


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
    if CUSTOMERS.set_archived(db, by, customer, True):
        revoke_codes_of(db, by, customer.id)


def restore(db: Session, by: Actor, customer_id: int) -> None:
    """Its terminals stay archived: each is taken back by itself. Raises NotFound."""
    CUSTOMERS.set_archived(db, by, get_customer(db, customer_id, lock=True), False)
