"""What a stretch of time amounts to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    """`part` of `whole`; the share is None of nothing."""

    part: int
    whole: int

    @property
    def share(self) -> float | None:
        return self.part / self.whole if self.whole else None


@dataclass(frozen=True)
class Period:
    """Reservations of a stretch of time [since, until), on the product's clock.

    `requested`: made in it. `success`: 予約成功率, confirmed of those that were closed in it. `payment`: 決済成功率, paid
    of the links sent in it. `cancelled`: キャンセル率, cancelled of those that had been confirmed. Money in yen:
    `paid` and `refunded` by when it was. `operations`: 手動対応 that began in it, by kind. `by_service` and `by_shop`
    count reservations by title and by shop's name.
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
