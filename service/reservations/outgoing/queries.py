"""Finds calls, payments, refunds and messages."""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from service.reservations.outgoing.models import Message, Payment, PhoneCall, Refund

Row = TypeVar("Row", Message, Payment, PhoneCall, Refund)


def find_row(db: Session, table: type[Row], *conditions: ColumnElement[bool]) -> Row | None:
    """The row that meets the conditions, if there is one."""
    return db.scalars(select(table).where(*conditions)).first()
