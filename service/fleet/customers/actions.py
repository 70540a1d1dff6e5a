"""Changes to a customer after its registration."""

from __future__ import annotations

from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.problems import Conflict
from service.fleet.actions import CUSTOMERS
from service.fleet.agents.actions import revoke_customer_codes
from service.fleet.customers import schemas
from service.fleet.customers.queries import terminals_in_use
from service.fleet.queries import get_customer


def change(db: Session, by: Actor, customer_id: int, new: schemas.CustomerChange) -> None:
    """
    Raises:
        NotFound: no such customer.
        Stale: it was changed since `version` was read (stale edit).
        Conflict: it is archived, or another customer has that name.
    """
    CUSTOMERS.change(db, by, get_customer(db, customer_id, lock=True), new)


def archive(db: Session, by: Actor, customer_id: int) -> None:
    """Archives the customer and revokes its enrolment codes. Idempotent.

    Raises:
        NotFound: no such customer.
        Conflict: it has terminals in use.
    """
    customer = get_customer(db, customer_id, lock=True)
    if remaining := terminals_in_use(db, customer.id):
        raise Conflict(
            f"使用中の端末が{remaining:,}台あります。すべての端末をアーカイブしてから、顧客企業をアーカイブしてください。"
        )
    if customer.archived_at is None:
        CUSTOMERS.set_archived(db, by, customer, True, {"codes_revoked": revoke_customer_codes(db, customer.id)})


def restore(db: Session, by: Actor, customer_id: int) -> None:
    """Its terminals stay archived; each is restored on its own. Raises NotFound."""
    CUSTOMERS.set_archived(db, by, get_customer(db, customer_id, lock=True), False)
