"""What areas make of what became of their messages, by the area's name.

Called in the transaction that settles a message (`service.core.outbox.Settled`): sent, given up, or put aside by a
person. One that raises takes the settling back; after the lease the vendor is asked, and the reaction called again.
"""

from __future__ import annotations

from collections.abc import Mapping

from service.core.outbox import Reaction
from service.reservations.settling import actions as reservations

REACTIONS: Mapping[str, Reaction] = {"reservations": reservations.settled}
