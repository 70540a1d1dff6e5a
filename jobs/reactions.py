"""What areas make of what became of their messages, and whether they still want one, by the area's name.

A reaction is called in the transaction that settles a message (`service.core.outbox.Settled`): sent, given up, or put
aside by a person. One that raises takes the settling back; after the lease the vendor is asked, and the reaction called
again. A check is asked in the transaction that claims a message, before each try.
"""

from __future__ import annotations

from collections.abc import Mapping

from service.core.outbox import Check, Reaction
from service.reservations.settling import actions as reservations

REACTIONS: Mapping[str, Reaction] = {"reservations": reservations.settled}
CHECKS: Mapping[str, Check] = {"reservations": reservations.unwanted}
