"""Rules of agents: commands and their states, enrolment codes, token renewal, removed machines."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

# How long a command waits for its agent, and how long a working agent may send no report.
COMMAND_TTL, REPORT_TIMEOUT = timedelta(hours=24), timedelta(hours=1)
BUNDLE_RETENTION = timedelta(days=30)
# An agent that did not renew its token is asked again only after this time: it may be too old to support it.
RENEWAL_RETRY_AFTER = timedelta(days=7)
# Per run of the job, so that a fleet that was enrolled on one day does not renew all its tokens at once.
MAX_RENEWALS = 500
# Validity of the code of a swap: the technician has the new machine already, or gets it on the way.
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


OPEN_STATES = (CommandState.WAITING, CommandState.ACCEPTED, CommandState.RUNNING)
COMMAND_LABELS = {
    CommandName.DIAGNOSE: "リモート診断",
    CommandName.SEND_BUNDLE: "診断ファイルの取得",
    CommandName.ROTATE_TOKEN: "トークンの更新",
    CommandName.UPDATE_FIRMWARE: "ファームウェアの更新",
}


def is_step_back(present: CommandState, reported: CommandState) -> bool:
    """Whether a report arrived after a later one: an agent never goes back from running to accepted."""
    return reported in OPEN_STATES and OPEN_STATES.index(reported) < OPEN_STATES.index(present)


class CodeState(StrEnum):
    """Whether an enrolment code can be used, and if not, why."""

    VALID = "valid"
    USED_UP = "used_up"
    EXPIRED = "expired"
    REVOKED = "revoked"


class Fate(StrEnum):
    """What happens to a machine that was removed."""

    REPAIR = "repair"
    STOCK = "stock"
    SCRAPPED = "scrapped"


FATE_LABELS = {Fate.REPAIR: "修理", Fate.STOCK: "在庫", Fate.SCRAPPED: "廃棄"}
