"""The demo's agencies: the document's own three, with what they applied for in the last weeks."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.agencies.models import Agency
from service.demo import people
from service.demo.agencies import requests
from service.demo.files import load

_COLUMNS = ("code", "name", "referral_shop_code", "referral_shop_name", "contact_name", "phone", "mail_address")


def fill(db: Session) -> None:
    is_new = not db.scalars(select(Agency.id).limit(1)).all()
    if is_new:
        db.add_all(Agency(**{name: agency[name] for name in _COLUMNS}) for agency in load("agencies")["agencies"])
        db.flush()
    ids = dict(db.execute(select(Agency.code, Agency.id)).all())
    people.add_tenant_memberships(db, "agencies", ids)
    if is_new:
        requests.fill(db, ids)
