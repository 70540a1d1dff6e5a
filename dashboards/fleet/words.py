"""The labels of 端末管理 with their colours and icons, the same on each page."""

from __future__ import annotations

from dashboards.contract import fleet as contract
from dashboards.ui.status import Status, statuses

TERMINAL = statuses(
    contract.STATUS,
    {
        "online": ("green", "check_circle"),
        "offline": ("red", "cloud_off"),
        "error": ("orange", "error"),
        "maintenance": ("gray", "build"),
    },
)
# How the hours of a terminal's day are divided.
DAY = TERMINAL | {"closed": Status("閉店中", "blue", "storefront")}
ALERT = statuses(
    contract.ALERT_TYPE,
    {
        "offline": ("red", "cloud_off"),
        "error": ("orange", "error"),
        "high_cpu": ("orange", "speed"),
        "high_memory": ("orange", "memory"),
        "update_failed": ("orange", "sync_problem"),
    },
)
ROLLOUT = statuses(
    contract.ROLLOUT_STATE,
    {
        "draft": ("gray", "edit_note"),
        "running": ("blue", "sync"),
        "paused": ("orange", "pause_circle"),
        "aborted": ("gray", "cancel"),
        "finished": ("green", "check_circle"),
    },
)
COMMAND_STATES = statuses(
    contract.COMMAND_STATE,
    {
        "waiting": ("gray", "schedule"),
        "accepted": ("blue", "move_to_inbox"),
        "running": ("blue", "autorenew"),
        "done": ("green", "check_circle"),
        "failed": ("red", "error"),
        "cancelled": ("gray", "cancel"),
        "expired": ("orange", "timer_off"),
    },
)
OPEN_COMMANDS = ("waiting", "accepted", "running")
PHASES = statuses(
    contract.PHASE, {"now": ("blue", "build"), "next": ("gray", "event"), "past": ("green", "check_circle")}
)
CODES = statuses(
    contract.CODE_STATE,
    {
        "valid": ("green", "check_circle"),
        "used_up": ("gray", "done_all"),
        "expired": ("orange", "timer_off"),
        "revoked": ("red", "block"),
    },
)
