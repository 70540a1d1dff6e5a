"""What the fleet shows on ホーム: the open alerts, or the week's uptime."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.database.paging import Page
from service.core.home.declared import Due, DueList, DueRows, MenuCount, State, Week, due_rows
from service.core.home.rules import percent, week_figure
from service.core.home.schemas import Good, Unit, WeekFigure
from service.core.values.times import day_bounds
from service.fleet import queries
from service.fleet.firmware import queries as firmware
from service.fleet.incidents import queries as incidents
from service.fleet.incidents.rules import STEPS, place_label
from service.fleet.incidents.schemas import IncidentFilters, IncidentItem
from service.fleet.monthly import queries as monthly
from service.fleet.monthly.rules import Seconds, uptime
from service.fleet.monthly.schemas import Overview

# By number of the response step.
STEP_VERBS = {
    2: "初動を確認する",
    3: "リモート診断する",
    4: "顧客に連絡する",
    5: "対応を実施する",
    6: "完了を報告する",
}
ALL_STEPS_DONE = "解決済みにする"
ONLY_READ = "内容を確認する"


def _alerts(db: Session, by: Actor, limit: int) -> DueRows:
    now = app_now(db)

    def read(**filters: Any) -> Page[IncidentItem]:
        return incidents.incidents(db, by, limit, None, IncidentFilters(**filters))

    return due_rows(lambda row: _alert(row, by, now), read, assignee="me")


def _open_alerts(db: Session, _: Actor) -> int:
    return incidents.counts(db).open


def _alert(row: IncidentItem, by: Actor, now: datetime) -> Due:
    is_snoozed = row.snoozed_until is not None and row.snoozed_until > now
    terminals = f"　{row.members_open:,}台" if row.members > 1 else ""
    return Due(
        row.id,
        place_label(row.scope, row.customer_name, row.store_name, row.network),
        f"{row.alert_type.label}{terminals}{'（スヌーズ中）' if is_snoozed else ''}",
        _next_step(row, by),
        f"/alerts?id={row.id}",
        since=row.opened_at,
        due_at=row.snoozed_until if is_snoozed else row.due_at,
        owner_id=row.assignee.id if row.assignee else None,
        owner_name=row.assignee.name if row.assignee else None,
    )


def _next_step(row: IncidentItem, by: Actor) -> str:
    """The step itself only for who may record it."""
    permission = STEPS[row.step].permission if row.step else "fleet:incident:resolve"
    if permission not in by.permissions:
        return ONLY_READ
    return STEP_VERBS[row.step] if row.step else ALL_STEPS_DONE


def _overview(db: Session, _: Actor) -> Overview:
    """Without the month's figures, which the sentence does not name."""
    return monthly.overview(db, None).model_copy(update={"figures": None, "before": None})


def _week(db: Session, days: Sequence[date]) -> list[WeekFigure]:
    begins, ends = day_bounds(days[0])[0], day_bounds(days[-1])[1]
    seconds = {day: seconds for day, _, seconds in monthly.seconds_by_day(db, begins, ends)}
    opened = incidents.opened_by_day(db, begins, ends)
    return [
        week_figure("時間稼働率", Unit.PERCENT, [seconds.get(day, Seconds()) for day in days], _uptime_percent),
        week_figure("障害", Unit.COUNT, [opened.get(day, 0) for day in days], sum, Good.DOWN),
    ]


def _uptime_percent(days: Sequence[Seconds]) -> float | None:
    return percent(uptime(sum(days, Seconds())), digits=2)


HOME = (
    State(
        key="fleet.summary",
        title="ダッシュボード",
        permission="fleet:terminal:read",
        address="/dashboard",
        read=lambda db, _: queries.summary(db),
    ),
    State(
        key="fleet.reports",
        title="レポート",
        permission="fleet:report:read",
        address="/reports",
        read=_overview,
    ),
    DueList(
        key="fleet.alerts",
        title="アラート",
        permission="fleet:incident:read",
        read=_alerts,
        count=_open_alerts,
    ),
    MenuCount(
        key="fleet.open_alerts",
        title="アラート一覧",
        permission="fleet:incident:read",
        address="/alerts",
        count=_open_alerts,
    ),
    MenuCount(
        key="fleet.paused_rollouts",
        title="ファームウェア管理",
        permission="fleet:firmware:read",
        address="/firmware",
        count=lambda db, _: firmware.overview(db).paused,
    ),
    Week(key="fleet.week", title="直近7日間の数字", permission="fleet:report:read", address="/reports", read=_week),
)
