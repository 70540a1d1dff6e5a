"""What an agent can be asked to do, and how that stands."""

from __future__ import annotations

from enum import StrEnum


class CommandName(StrEnum):
    DIAGNOSE = "diagnose"
    SEND_BUNDLE = "send_bundle"
    ROTATE_TOKEN = "rotate_token"
    UPDATE_FIRMWARE = "update_firmware"


class CommandState(StrEnum):
    WAITING = "waiting"
    ACCEPTED = "accepted"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


OPEN = (CommandState.WAITING, CommandState.ACCEPTED, CommandState.RUNNING)


class Fate(StrEnum):
    """What becomes of a machine that was taken away."""

    REPAIR = "repair"
    STOCK = "stock"
    SCRAPPED = "scrapped"
