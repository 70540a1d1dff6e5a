"""The areas, and what each declares about itself: roles, permissions, periodic jobs (ticks), retention.

`AREAS` is the one list. Everything else is found by an area's name: its tables in `service/<area>/models`, its routes
in `service/<area>/api`, its jobs in `jobs/<area>`, its demo in `service/demo/<area>`. This module imports no models or
routes, so that Celery beat can read it without loading the product.
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
# The name of the core where rows, permissions and jobs name an area.
CORE = "core"
# The Celery queue for ticks.
TICK_QUEUE = "ticks"

# Permissions of an area's administrator on the core's pages, within that area.
ADMINISTRATOR_PERMISSIONS = frozenset(
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
# Permissions of all staff who work with an area's lists: to export them, and to follow that task.
STAFF_PERMISSIONS = frozenset({"core:task:create"})


@dataclass(frozen=True)
class Role:
    """`scope`: a user in this role sees only one agency or nursery, that of the membership."""

    title: str
    permissions: frozenset[str]
    scope: Literal["agency", "nursery"] | None = None


@dataclass(frozen=True)
class Tick:
    """A periodic job: its title, its interval, and the silence after which it counts as broken (None: never). `queue`:
    for a job with a worker of its own. `is_on`: for a job that an installation can do without. `remedy`: what is wrong
    when the job is silent, and what an administrator does, for a job that does not make the product unhealthy."""

    title: str
    every: timedelta
    silence: timedelta | None = None
    queue: str = TICK_QUEUE
    is_on: Callable[[], bool] = lambda: True
    remedy: str = ""


@dataclass(frozen=True)
class RetentionPolicy:
    """How long the rows of a table stay; `title` names them for users. The migration declares the table, the column
    with the rows' age and the minimum time (`kept_tables`); no setting can go below it."""

    table: str
    title: str
    keep: Callable[[], timedelta]


@dataclass(frozen=True)
class Brand:
    """The brand in the header of an area's public pages in place of Genba: the name that its customers know. `paths`:
    the prefixes of these pages; a notice (for example not found) on a path below one has this header, too."""

    name: str
    paths: tuple[str, ...]

    def covers(self, path: str) -> bool:
        return any(path == start or path.startswith(f"{start}/") for start in self.paths)


@dataclass(frozen=True)
class Area:
    name: str
    title: str
    roles: Mapping[str, Role]
    ticks: Mapping[str, Tick] = field(default_factory=dict)
    retention: tuple[RetentionPolicy, ...] = ()
    # Titles for codes in the area's audit entries: subjects and fields.
    subjects: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    # And for values that are codes: field, or subject.field, → code → title, or the name of the area's table
    # (`service.core.values.labels`) where it stands with a topic.
    values: Mapping[str, Mapping[str, str] | str] = field(default_factory=dict)
    purposes: tuple[Purpose, ...] = ()
    # Further fields of the area's memberships, in addition to the role: name → title.
    details: Mapping[str, str] = field(default_factory=dict)
    sign: Brand | None = None


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
    RetentionPolicy("audit_entries", "監査ログ", lambda: timedelta(days=3 * 365 + 1)),
    RetentionPolicy("backups", "バックアップの記録", lambda: timedelta(days=400)),
    # Also dead letters that no user decided about in three months.
    RetentionPolicy("outbox_messages", "送信済み・破棄・送信失敗の通知", lambda: timedelta(days=90)),
    # Pages show the months of one year.
    RetentionPolicy("probes", "稼働監視の記録", lambda: timedelta(days=400)),
    RetentionPolicy("sessions", "期限切れのセッション", lambda: timedelta(days=30)),
    RetentionPolicy("tasks", "終わった処理", lambda: timedelta(days=90)),
)


@lru_cache(maxsize=1)
def areas() -> Mapping[str, Area]:
    """Each area's `AREA`, from its rules."""
    by_name: dict[str, Area] = {name: importlib.import_module(f"service.{name}.rules").AREA for name in AREAS}
    misnamed = [name for name, area in by_name.items() if area.name != name]
    if misnamed:
        raise RuntimeError(f"service/{misnamed[0]}/rules.py declares an area of another name")
    return by_name


def brand_for_path(path: str) -> Brand | None:
    return next((area.sign for area in areas().values() if area.sign and area.sign.covers(path)), None)


def ticks() -> dict[str, Tick]:
    """The ticks of all jobs that are switched on, the core's first."""
    all_ticks = dict(CORE_TICKS)
    for area in areas().values():
        all_ticks |= area.ticks
    return {name: tick for name, tick in all_ticks.items() if tick.is_on()}


def retention_policies() -> tuple[RetentionPolicy, ...]:
    """The retention policies of all tables, the core's first."""
    return (*CORE_RETENTION, *(policy for area in areas().values() for policy in area.retention))


def check_settings() -> None:
    """Reads every area's settings. Raises ValidationError, so that a process with wrong settings does not start."""
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
    return [module.name for module in pkgutil.iter_modules(package.__path__) if module.ispkg]
