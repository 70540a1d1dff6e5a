"""What figures are made of: facts that are added up, and the rates of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from service.reservations.events.rules import State

# Once it is in one of these, it is clear whether a reservation succeeded; before that nobody counts it.
DECIDED = frozenset(
    {
        State.CONFIRMED,
        State.COMPLETED,
        State.PAYMENT_TIMEOUT,
        State.CANCELLED,
        State.REFUND_PENDING,
        State.REFUNDED,
    }
)
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Rate:
    """`part` of `whole`; the share is None of nothing."""

    part: int
    whole: int

    @property
    def share(self) -> float | None:
        return self.part / self.whole if self.whole else None


@dataclass(frozen=True)
class Counts:
    """How often what happened, each counted at the moment when it did; money in yen.

    `requested`: reservations made. `confirmed` and `failed`: it became clear that one succeeded, or that it did not; of
    each reservation it becomes clear once. `completed` and `cancelled`: what became of confirmed ones in the end.
    `links_paid` and `links_unpaid`: first payment links of reservations, by when they were sent; one that can still be
    paid is neither. `paid` and `refunded`: what Stripe took, and what it or a person gave back.
    """

    requested: int = 0
    confirmed: int = 0
    failed: int = 0
    completed: int = 0
    cancelled: int = 0
    links_paid: int = 0
    links_unpaid: int = 0
    paid: int = 0
    refunded: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in COUNTS})

    @property
    def success(self) -> Rate:
        """予約成功率"""
        return Rate(self.confirmed, self.confirmed + self.failed)

    @property
    def payment(self) -> Rate:
        """決済成功率"""
        return Rate(self.links_paid, self.links_paid + self.links_unpaid)

    @property
    def cancellation(self) -> Rate:
        """キャンセル率"""
        return Rate(self.cancelled, self.cancelled + self.completed)

    @property
    def sales(self) -> int:
        """売上"""
        return self.paid - self.refunded


COUNTS = tuple(Counts.__dataclass_fields__)


@dataclass(frozen=True)
class Period:
    """Reservations of a stretch of time [since, until), on the product's clock.

    `requested`: made in it. `success`: 予約成功率, confirmed of those whose outcome became clear in it (confirmed, or
    over without ever having been). `payment`: 決済成功率, of the reservations whose first payment link was sent in it,
    those that were paid and confirmed; one that can still be paid does not count yet. `cancelled`: キャンセル率, of the
    confirmed ones that came to an end in it (completed or cancelled), those that were cancelled. Money in yen: `paid`
    and `refunded` by when Stripe had it, and when it had given it back. `operations`: 手動対応 that began in it, by
    kind (`events.rules.Task`). `by_service`: those made in it, by the service's title; `by_shop`: those confirmed in
    it, by the shop's name, one in no list as 一覧にない店舗. The largest number comes first in each.
    """

    requested: int
    success: Rate
    payment: Rate
    cancelled: Rate
    paid: int
    refunded: int
    operations: Mapping[str, int]
    by_service: Mapping[str, int]
    by_shop: Mapping[str, int]

    @property
    def sales(self) -> int:
        """売上"""
        return self.paid - self.refunded


def monday(day: date) -> date:
    """With which the day's week begins."""
    return day - timedelta(days=day.weekday())
