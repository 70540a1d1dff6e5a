"""Rules of agents: commands and their states, enrolment codes, token renewal, removed machines."""

from __future__ import annotations

from datetime import timedelta

from service.core.values.labels import Labelled

# How long a command waits for its agent, and how long a working agent may send no report.
COMMAND_TTL, REPORT_TIMEOUT = timedelta(hours=24), timedelta(hours=1)
BUNDLE_RETENTION = timedelta(days=30)
# An agent that did not renew its token is asked again only after this time: it may be too old to support it.
RENEWAL_RETRY_AFTER = timedelta(days=7)
# Per run of the job, so that a fleet that was enrolled on one day does not renew all its tokens at once.
MAX_RENEWALS = 500
# Validity of the code of a swap: the technician has the new machine already, or gets it on the way.
SWAP_CODE_HOURS = 72


class CommandName(Labelled):
    DIAGNOSE = "diagnose", "リモート診断"
    SEND_BUNDLE = "send_bundle", "診断ファイルの取得"
    ROTATE_TOKEN = "rotate_token", "トークンの更新"
    UPDATE_FIRMWARE = "update_firmware", "ファームウェアの更新"


class CommandState(Labelled):
    WAITING = "waiting", "送信待ち"
    ACCEPTED = "accepted", "受付済み"
    RUNNING = "running", "実行中"
    DONE = "done", "完了"
    FAILED = "failed", "失敗"
    CANCELLED = "cancelled", "取り消し"
    EXPIRED = "expired", "期限切れ"


OPEN_STATES = (CommandState.WAITING, CommandState.ACCEPTED, CommandState.RUNNING)


def is_step_back(present: CommandState, reported: CommandState) -> bool:
    """Whether a report arrived after a later one: an agent never goes back from running to accepted."""
    return reported in OPEN_STATES and OPEN_STATES.index(reported) < OPEN_STATES.index(present)


class CodeState(Labelled):
    """Whether an enrolment code can be used, and if not, why."""

    VALID = "valid", "有効"
    USED_UP = "used_up", "使用済み"
    EXPIRED = "expired", "期限切れ"
    REVOKED = "revoked", "失効"


class Fate(Labelled):
    """What happens to a machine that was removed."""

    REPAIR = "repair", "修理に出す"
    STOCK = "stock", "在庫に戻す"
    SCRAPPED = "scrapped", "廃棄する"
