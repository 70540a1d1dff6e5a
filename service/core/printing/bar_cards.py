"""Cards to cut out of A4, six on a page: a name, a Code 128 bar code of 80 by 40 mm, its number, and a QR code that
links to the same card on a phone. Print at 100 %."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.core.printing import code128
from service.core.reports.typeset import typeset

PER_PAGE = 6
# 300 by 150 pixels at 96 per inch, quiet zones included.
WIDTH, HEIGHT = 80.0, 40.0
QR_SIDE = 24.0
MIN_QR_MODULE = 0.33


@dataclass(frozen=True)
class BarCard:
    """`by` is the issuer; without a `link` there is no QR code."""

    name: str
    code: str
    by: str
    text: str
    link: str | None = None
    link_text: str = ""


def sheets(cards: Sequence[BarCard], made_at: datetime, while_waiting: Callable[[], None] | None = None) -> bytes:
    """The PDF. Raises CodeDoesNotFit for a link that is too long for a readable QR code."""
    data = {
        "title": "カード",
        "width": WIDTH,
        "height": HEIGHT,
        "qr": QR_SIDE,
        "pages": [
            [_card_data(card) for card in cards[first : first + PER_PAGE]] for first in range(0, len(cards), PER_PAGE)
        ],
    }
    return typeset("cards.typ", data, made_at, tagged=False, while_waiting=while_waiting)


def _card_data(card: BarCard) -> dict[str, Any]:
    quiet = "0" * code128.QUIET
    codes: list[dict[str, Any]] = [{"modules": [quiet + code128.modules(card.code) + quiet]}]
    if card.link is not None:
        codes.append({"qr": card.link, "most": int(QR_SIDE / MIN_QR_MODULE)})
    return {
        "name": card.name,
        "number": card.code,
        "by": card.by,
        "text": card.text,
        "link_text": card.link_text,
        "codes": codes,
    }
