"""What the reservations show on ホーム: what is due at the desk, or the week's figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.database.paging import Page
from service.core.home.declared import Due, DueList, DueRows, MenuCount, State, Week, due_rows
from service.core.home.rules import percent, week_figure
from service.core.home.schemas import Good, Unit, WeekFigure
from service.core.values.times import DAY
from service.reservations.alarms import queries as alarms
from service.reservations.chores import queries as chores
from service.reservations.chores.schemas import TurnFilters, TurnItem
from service.reservations.drafts import queries as drafts
from service.reservations.enquiries import queries as enquiries
from service.reservations.enquiries.schemas import EnquiryFilters, EnquiryItem
from service.reservations.figures import queries as figures
from service.reservations.figures.rules import Counts, Rate
from service.reservations.incidents import queries as incidents
from service.reservations.incidents.schemas import IncidentFilters, IncidentItem
from service.reservations.management import queries as management
from service.reservations.queue import queries as queue
from service.reservations.queue.schemas import OperationFilters, OperationItem


def _operations(db: Session, by: Actor, limit: int) -> DueRows:
    def read(**filters: Any) -> Page[OperationItem]:
        return queue.operations(db, by, limit, None, OperationFilters(**filters))

    return due_rows(_operation, read, owner="me")


def _operation(row: OperationItem) -> Due:
    return Due(
        row.id,
        row.title,
        "　".join(part for part in (row.code, row.customer_name, row.service_name) if part),
        "対応する",
        f"/operations?id={row.id}",
        since=row.opened_at,
        due_at=row.due_at,
        owner_id=row.owner.id if row.owner else None,
        owner_name=row.owner.name if row.owner else None,
    )


def _enquiries(db: Session, by: Actor, limit: int) -> DueRows:
    def read(**filters: Any) -> Page[EnquiryItem]:
        return enquiries.enquiries(db, by, limit, None, EnquiryFilters(**filters))

    return due_rows(_enquiry, read, owner="me")


def _enquiry(row: EnquiryItem) -> Due:
    return Due(
        row.id,
        row.topic,
        "　".join(part for part in (row.code, row.sender_name) if part),
        "回答する" if row.first_response_at is None else "解決する",
        f"/enquiries?id={row.id}",
        since=row.received_at,
        due_at=row.due_at,
        owner_id=row.owner.id if row.owner else None,
        owner_name=row.owner.name if row.owner else None,
    )


def _incidents(db: Session, _: Actor, limit: int) -> DueRows:
    filters = IncidentFilters(sort="next_due_at")
    return due_rows(_incident, lambda: incidents.incidents(db, limit, None, filters))


def _incident(row: IncidentItem) -> Due:
    return Due(
        row.id,
        row.title,
        f"{row.code}　{row.level.label}" + (f"　次は{row.next_title}" if row.next_title else ""),
        "対応を進める" if row.next_title else "解決済みにする",
        f"/incidents?id={row.id}",
        since=row.detected_at,
        due_at=row.next_due_at,
    )


def _chores(db: Session, _: Actor, limit: int) -> DueRows:
    return due_rows(_chore, lambda: chores.turns(db, limit, None, TurnFilters()))


def _chore(row: TurnItem) -> Due:
    return Due(
        row.id,
        row.title,
        row.rhythm.label,
        "実施を記録する",
        f"/chores?id={row.id}",
        since=row.starts_at,
        due_at=row.due_at,
        owner_name=row.owner,
    )


def _open_operations(db: Session, by: Actor) -> int:
    return queue.counts(db, by).open


def _open_enquiries(db: Session, by: Actor) -> int:
    return enquiries.counts(db, by).open


def _open_incidents(db: Session, _: Actor) -> int:
    return incidents.counts(db).open


def _chores_to_do(db: Session, _: Actor) -> int:
    return chores.counts(db).todo


def _week(db: Session, days: Sequence[date]) -> list[WeekFigure]:
    """As counted at night for 経営ダッシュボード."""
    counted = dict(management.days(db, days[0], days[-1] + DAY))
    counts = [counted.get(day, Counts()) for day in days]
    return [
        week_figure("予約件数", Unit.COUNT, counts, lambda part: _sum(part).requested),
        week_figure("売上", Unit.YEN, counts, lambda part: _sum(part).sales),
        week_figure("予約成功率", Unit.PERCENT, counts, _percent(lambda total: total.success)),
        week_figure("決済成功率", Unit.PERCENT, counts, _percent(lambda total: total.payment)),
        week_figure("キャンセル率", Unit.PERCENT, counts, _percent(lambda total: total.cancellation), Good.DOWN),
    ]


def _sum(days: Sequence[Counts]) -> Counts:
    return sum(days, Counts())


def _percent(rate: Callable[[Counts], Rate]) -> Callable[[Sequence[Counts]], float | None]:
    return lambda days: percent(rate(_sum(days)).share)


HOME = (
    State(
        key="reservations.today",
        title="運営ダッシュボード",
        permission="reservations:dashboard:read",
        address="/reservations-dashboard",
        read=lambda db, _: figures.today(db),
    ),
    State(
        key="reservations.management",
        title="経営ダッシュボード",
        permission="reservations:management:read",
        address="/management",
        read=lambda db, _: management.overview(db),
    ),
    DueList(
        key="reservations.operations",
        title="手動対応",
        permission="reservations:operation:update",
        read=_operations,
        count=_open_operations,
    ),
    DueList(
        key="reservations.enquiries",
        title="問い合わせ",
        permission="reservations:enquiry:answer",
        read=_enquiries,
        count=_open_enquiries,
    ),
    DueList(
        key="reservations.incidents",
        title="インシデント",
        permission="reservations:incident:update",
        read=_incidents,
        count=_open_incidents,
    ),
    DueList(
        key="reservations.chores",
        title="定期作業",
        permission="reservations:chore:perform",
        read=_chores,
        count=_chores_to_do,
    ),
    MenuCount(
        key="reservations.open_operations",
        title="手動対応",
        permission="reservations:operation:read",
        address="/operations",
        count=_open_operations,
    ),
    MenuCount(
        key="reservations.open_enquiries",
        title="問い合わせ",
        permission="reservations:quality:read",
        address="/enquiries",
        count=_open_enquiries,
    ),
    MenuCount(
        key="reservations.open_incidents",
        title="インシデント",
        permission="reservations:incident:read",
        address="/incidents",
        count=_open_incidents,
    ),
    MenuCount(
        key="reservations.chores_to_do",
        title="定期作業",
        permission="reservations:chore:read",
        address="/chores",
        count=_chores_to_do,
    ),
    MenuCount(
        key="reservations.drafts",
        title="レポート",
        permission=drafts.WRITE,
        address="/reservations-reports",
        count=lambda db, _: drafts.counts(db, with_drafts=True).drafts,
    ),
    MenuCount(
        key="reservations.open_alarms",
        title="監視",
        permission="reservations:alarm:read",
        address="/monitoring",
        count=lambda db, _: len(alarms.open_alarms(db)),
    ),
    Week(
        key="reservations.week",
        title="直近7日間の数字",
        permission="reservations:management:read",
        address="/management",
        read=_week,
    ),
)
