"""Callbacks of areas for their outbox messages, by the area's name.

A reaction is called in the transaction that settles a message (`service.core.outbox.records.Settled`): sent, failed, or
discarded by an operator. When it raises, the transaction is rolled back; after the lease the message is reconciled with
the vendor, and the reaction called again. A check is called in the transaction that claims a message, before each
attempt, and decides whether the message is still wanted.
"""

from __future__ import annotations

from collections.abc import Mapping

from service.core.outbox.records import Check, Reaction
from service.reservations.vendor_events import actions as reservations

REACTIONS: Mapping[str, Reaction] = {"reservations": reservations.handle_delivery_result}
CHECKS: Mapping[str, Check] = {"reservations": reservations.reason_not_to_send}
