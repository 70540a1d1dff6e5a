"""The areas by name, and what an area says about itself: roles, permissions, ticks, retention.

`AREAS` is the one list. Everything else is found by an area's name: its tables in `service/<area>/models`, its routes
in `service/<area>/api`, its jobs in `jobs/<area>`, its demo in `service/demo/<area>`. This module is pure, so that
beat can read it without loading the product.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from types import ModuleType
from typing import Literal

from service.core.purposes import Purpose

AREAS = ("fleet", "entries", "loaners", "agencies", "reservations")
# The floor's own name where rows, permissions and jobs carry an area's.
CORE = "core"
# Where beat puts its ticks and the worker takes them.
TICK_QUEUE = "ticks"

# What the administrator of an area may do with the floor's pages, within that area.
ADMINISTRATION = frozenset(
    {
        "core:audit:export",
        "core:audit:read",
        "core:calendar:read",
        "core:calendar:update",
        "core:import:create",
        "core:message:read",
        "core:message:resend",
        "core:system:read",
        "core:task:read",
        "core:user:read",
        "core:user:update",
    }
)
# What everybody may do who works with an area's lists: take them along, and see what becomes of it.
EVERYDAY = frozenset({"core:task:create"})


@dataclass(frozen=True)
class Role:
    """`scope`: a person in this role sees one agency or nursery only, the one of the membership."""

    title: str
    permissions: frozenset[str]
    scope: Literal["agency", "nursery"] | None = None


@dataclass(frozen=True)
class Tick:
    """What a job does in words, how often it is woken, and the silence after which it counts as broken (None: nobody
    waits for it). `queue`: of a worker of its own; `is_on`: for what an installation may do without; `remedy`: what is
    wrong then and what an administrator does, where it is no fault of the product's health."""

    title: str
    every: timedelta
    silence: timedelta | None = None
    queue: str = TICK_QUEUE
    is_on: Callable[[], bool] = lambda: True
    remedy: str = ""


@dataclass(frozen=True)
class Policy:
    """How long the rows of a table stay; `title` is what they are, for people. The table itself, what makes its rows
    old and the least they stay are declared by the migration (`kept_tables`), which no setting can undercut."""

    table: str
    title: str
    keep: Callable[[], timedelta]


@dataclass(frozen=True)
class Sign:
    """What is written over an area's public pages when they are not headed Genba: the name that its customers know it
    by. `paths`: where they begin; a notice (not found, say) on a path below one is headed so, too."""

    name: str
    paths: tuple[str, ...]

    def is_over(self, path: str) -> bool:
        return any(path == start or path.startswith(f"{start}/") for start in self.paths)


@dataclass(frozen=True)
class Area:
    name: str
    title: str
    roles: Mapping[str, Role]
    ticks: Mapping[str, Tick] = field(default_factory=dict)
    retention: tuple[Policy, ...] = ()
    # Words for the codes in the area's audit entries: what an entry is about, and its fields.
    subjects: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    # And for values that are codes: field, or subject.field, → code → word.
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    purposes: tuple[Purpose, ...] = ()
    # What is noted about its people beside the role: name → title.
    details: Mapping[str, str] = field(default_factory=dict)
    sign: Sign | None = None


CORE_TICKS: Mapping[str, Tick] = {
    "core.make_partitions": Tick("記録領域の準備", timedelta(hours=1)),
    "core.retention": Tick("保存期間の整理", timedelta(minutes=10)),
    "core.sweep": Tick("不要になったデータの整理", timedelta(hours=1)),
    "core.top_up_holidays": Tick("休日の補充", timedelta(hours=1)),
    "outbox.send": Tick("通知の送信", timedelta(seconds=3), silence=timedelta(seconds=120)),
    "tasks.wake": Tick("長い処理の開始", timedelta(seconds=1), silence=timedelta(seconds=120)),
}
CORE_RETENTION = (
    # Three years, leap day included.
    Policy("audit_entries", "監査ログ", lambda: timedelta(days=3 * 365 + 1)),
    Policy("backups", "バックアップの記録", lambda: timedelta(days=400)),
    # A dead letter that nobody decided about in three months, too.
    Policy("outbox_messages", "送信済み・破棄・送信失敗の通知", lambda: timedelta(days=90)),
    # A year's months can be looked up.
    Policy("probes", "稼働監視の記録", lambda: timedelta(days=400)),
    Policy("sessions", "期限切れのセッション", lambda: timedelta(days=30)),
    Policy("tasks", "終わった処理", lambda: timedelta(days=90)),
)


@lru_cache(maxsize=1)
def areas() -> Mapping[str, Area]:
    """Each area's own `AREA`, from its rules."""
    found: dict[str, Area] = {name: importlib.import_module(f"service.{name}.rules").AREA for name in AREAS}
    wrong = [name for name, area in found.items() if area.name != name]
    if wrong:
        raise RuntimeError(f"service/{wrong[0]}/rules.py declares an area of another name")
    return found


def sign_over(path: str) -> Sign | None:
    return next((area.sign for area in areas().values() if area.sign and area.sign.is_over(path)), None)


def ticks() -> dict[str, Tick]:
    """Every job's tick that is switched on, the floor's first."""
    listed = dict(CORE_TICKS)
    for area in areas().values():
        listed |= area.ticks
    return {name: tick for name, tick in listed.items() if tick.is_on()}


def policies() -> tuple[Policy, ...]:
    """What is kept how long, the floor's first."""
    return (*CORE_RETENTION, *(policy for area in areas().values() for policy in area.retention))


def check_settings() -> None:
    """Reads every area's settings. Raises ValidationError: a process that would fail later does not start."""
    for module in modules("settings"):
        module.settings()


def modules(kind: str) -> Iterator[ModuleType]:
    """The modules of one name (`models`, `api`) in all areas and their topics."""
    for area in AREAS:
        package = importlib.import_module(f"service.{area}")
        folders = [package.__name__, *(f"{package.__name__}.{topic}" for topic in _packages(package))]
        for folder in folders:
            if importlib.util.find_spec(f"{folder}.{kind}"):
                yield importlib.import_module(f"{folder}.{kind}")


def _packages(package: ModuleType) -> list[str]:
    return [found.name for found in pkgutil.iter_modules(package.__path__) if found.ispkg]
