"""What belongs to one incident, its six steps, and until when each is due."""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    """What the members of an incident share."""

    TERMINAL = "terminal"
    STORE = "store"
    CUSTOMER = "customer"
    NETWORK = "network"
    FLEET = "fleet"
