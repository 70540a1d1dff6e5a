"""Rules of figures: the counts that are added up, and their rates. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from service.reservations.state_machine.states import State

# In these states it is decided whether a reservation succeeded; before, it is not counted.
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
    """`part` of `whole`; the share is None when `whole` is 0."""

    part: int = 0
    whole: int = 0

    @property
    def share(self) -> float | None:
        return self.part / self.whole if self.whole else None


@dataclass(frozen=True)
class Counts:
    """Numbers of events, each counted at the time it happened; money in yen.

    `requested`: reservations requested. `confirmed` and `failed`: reservations that were decided, each once.
    `completed` and `cancelled`: how confirmed reservations ended. `links_paid` and `links_unpaid`: the first payment
    link of each reservation, counted when it was sent; a link that can still be paid is neither. `paid`: payments by
    Stripe. `refunded`: refunds by Stripe or by staff.
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
    """Figures of the reservations in a period [since, until), on the product's clock.

    `requested`: requested in the period. `success`: 予約成功率, the share of confirmed ones among those decided in the
    period (confirmed, or ended without confirmation). `payment`: 決済成功率, the share of paid and confirmed ones among
    those whose first payment link was sent in the period; a link that can still be paid does not count yet.
    `cancelled`: キャンセル率, the share of cancelled ones among the confirmed ones that ended in the period (completed
    or cancelled). `paid` and `refunded`: yen, by the time Stripe received the payment or made the refund. `operations`:
    手動対応 that began in the period, by kind (`states.Task`). `by_service`: requested, by the title of the
    service; `by_shop`: confirmed, by the name of the shop, 一覧にない店舗 for an unlisted one. In each the largest
    number comes first.
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


def format_percent(rate: Rate) -> str:
    """92%, 91.7%; – for an empty rate. Less than the whole is never shown as 100%."""
    if rate.share is None:
        return "–"
    return "100%" if rate.part == rate.whole else f"{min(round(rate.share * 100, 1), 99.9):g}%"


def format_yen(amount: int) -> str:
    return f"-¥{-amount:,}" if amount < 0 else f"¥{amount:,}"


def monday(day: date) -> date:
    """The Monday of the week of `day`."""
    return day - timedelta(days=day.weekday())
