"""What an agent can be asked to do, and how that stands."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

# How long a command waits for its agent, and how long an agent at work may say nothing.
WAITS, AT_WORK = timedelta(hours=24), timedelta(hours=1)
BUNDLE_KEPT = timedelta(days=30)
# An agent that did not renew its token is asked again, but not with every look: it may be too old to know how.
ASKED_AGAIN = timedelta(days=7)
# So many at once: a fleet that was enrolled in one day renews its tokens in more than one.
MOST_RENEWALS = 500
# Of a swap: the technician has it in hand already, or gets it on the way.
SWAP_CODE_HOURS = 72


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
COMMAND_WORDS = {
    CommandName.DIAGNOSE: "リモート診断",
    CommandName.SEND_BUNDLE: "診断ファイルの取得",
    CommandName.ROTATE_TOKEN: "トークンの更新",
    CommandName.UPDATE_FIRMWARE: "ファームウェアの更新",
}


def is_step_back(present: CommandState, reported: CommandState) -> bool:
    """Whether a report arrived behind a later one: an agent never goes back from running to accepted."""
    return reported in OPEN and OPEN.index(reported) < OPEN.index(present)


class CodeState(StrEnum):
    """Whether an enrolment code still opens the door, and if not, why."""

    VALID = "valid"
    USED_UP = "used_up"
    EXPIRED = "expired"
    REVOKED = "revoked"


class Fate(StrEnum):
    """What becomes of a machine that was taken away."""

    REPAIR = "repair"
    STOCK = "stock"
    SCRAPPED = "scrapped"


FATE_WORDS = {Fate.REPAIR: "修理", Fate.STOCK: "在庫", Fate.SCRAPPED: "廃棄"}
