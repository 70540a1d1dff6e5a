"""The labels of 入退管理 with their colours and icons, the same on each of its pages."""

from __future__ import annotations

from collections.abc import Mapping

from dashboards.contract import entries as contract
from dashboards.contract.entries import EntryType, SheetRow
from dashboards.ui import times
from dashboards.ui.figures import Figure
from dashboards.ui.status import Status, statuses

# The arrows of the specification (DI-AL-001, FR-AD-003).
IN = Status(f"↓ {contract.ENTRY_TYPE['Entry']}", "green", "arrow_downward")
OUT = Status(f"↑ {contract.ENTRY_TYPE['Exit']}", "orange", "arrow_upward")
ENTRY = {"Entry": IN, "Exit": OUT}
DIRECTION_LABELS = {"Entry": "登園", "Exit": "降園"}
ENTRY_LABELS = {code: f"{contract.ENTRY_TYPE[code]}（{label}）" for code, label in DIRECTION_LABELS.items()}


def timestamp(at: str | None) -> str:
    """The specification's YYYY-MM-DD HH:mm:ss."""
    return f"{times.parse(at):%Y-%m-%d %H:%M:%S}" if at else ""


def arrow(entry_type: EntryType) -> str:
    """As Markdown: the arrow with its label on its colour."""
    return f":{ENTRY[entry_type].color}-badge[**{ENTRY[entry_type].label}**]"


PRESENCE = statuses(
    contract.PRESENCE,
    {
        "present": ("green", "check_circle"),
        "absent": ("red", "cancel"),
        "late": ("orange", "schedule"),
        "left_early": ("blue", "logout"),
    },
)
NOT_ENTERED = "未入力"
# With what the scans suggest, and nothing.
SHOWN_PRESENCE = (
    PRESENCE
    | {f"{code}?": Status(f"{status.label}（推定）", "gray", "barcode_scanner") for code, status in PRESENCE.items()}
    | {"": Status(NOT_ENTERED, "gray", "help")}
)


def shown_presence(row: SheetRow) -> str:
    """A key of SHOWN_PRESENCE."""
    return (row["presence"] or "") + ("?" if row["suggested"] and row["presence"] else "")


def attended(counts: Mapping[str, int]) -> int:
    return counts["present"] + counts["late"] + counts["left_early"]


def presence_figures(counts: Mapping[str, int], unit: str, note: str = "") -> list[Figure]:
    """`note`: what the last figure includes."""
    return [
        *(Figure(status.label, f"{counts[code]:,}{unit}") for code, status in PRESENCE.items()),
        Figure(NOT_ENTERED, f"{counts['unknown']:,}{unit}", note),
    ]


MARKS = {
    "offline": Status("オフライン", "gray", "cloud_off"),
    "skew": Status("時計のずれ", "orange", "schedule"),
}
# A larger difference of a station's clock, in seconds, is marked.
MAX_SKEW_SECONDS = 120

ANOMALIES = statuses(
    contract.UNUSUAL_KIND,
    {
        "early": ("blue", "schedule"),
        "late": ("orange", "schedule"),
        "other_person": ("red", "person_alert"),
        "forgotten": ("gray", "help"),
    },
)

CARD = {
    "issued": Status("発行済み", "green", "check_circle"),
    "none": Status("未発行", "gray", "remove"),
}

STATIONS = {
    "running": Status("稼働中", "green", "check_circle"),
    "waiting": Status("未送信あり", "orange", "schedule_send"),
    "attention": Status("要確認あり", "orange", "report"),
    "silent": Status("応答なし", "red", "cloud_off"),
}

NURSERIES = {
    "running": Status("利用中", "green", "check_circle"),
    "off": Status("パスワード未設定", "orange", "key_off"),
    "archived": Status("アーカイブ済み", "gray", "archive"),
}
