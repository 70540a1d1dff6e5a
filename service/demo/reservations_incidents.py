"""The demo's incidents: one that is being dealt with, one that is over with its ポストモーテム, and a small one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from sqlalchemy.orm import Session

from service.core.holidays import calendar_named
from service.core.values.times import DAY, at, local_date
from service.demo.reservations_cast import MINUTE, Person
from service.reservations.incidents import rules
from service.reservations.incidents.models import Incident, IncidentEvent, IncidentMark
from service.reservations.incidents.rules import Level, Mark

HOUR = timedelta(hours=1)
POSTMORTEM = """# ポストモーテム: 決済システムの全面停止

## 経過
- 14:02 Pingdomのアラートで検知。決済ページの作成がすべて失敗していた。
- 14:05 オンコール担当者がログを確認。StripeのAPIキーの期限切れと判断。
- 14:21 新しいキーを設定し、手動で1件の決済ページを作成して確認。
- 14:38 smoke testを実施し、復旧を確認。

## 原因
APIキーの更新日がカレンダーに登録されておらず、期限切れに気づけなかった。

## 影響
36分間、決済リンクを送れなかった。待っていた依頼者4名には状況をSMSで案内し、全員が復旧後に決済した。

## 再発防止策
- APIキーの期限を定期メンテナンスに登録した（期限の30日前に通知）。
- 決済ページの作成が続けて失敗したときに、すぐ通知するようにした。
"""


@dataclass(frozen=True)
class Told:
    """An incident; `steps`: when each step was done, counted from detection, and what was noted."""

    title: str
    level: Level
    impact: str
    cause: str = ""
    response: str = ""
    prevention: str = ""
    report: str = ""
    recovered: timedelta | None = None
    steps: Sequence[tuple[Mark, timedelta, str]] = ()


CRITICAL = Told(
    "決済システムの全面停止", Level.CRITICAL,
    impact="決済リンクの送信（4名）。電話代行と受付は影響なし。",
    cause="StripeのAPIキーの期限切れ。",
    response="新しいキーを設定し、決済ページを作り直した。待っていた依頼者に状況をSMSで案内した。",
    prevention="APIキーの期限を定期メンテナンスに登録し、作成の失敗が続いたら通知する。",
    report=POSTMORTEM,
    recovered=36 * MINUTE,
    steps=(
        (Mark.MANAGEMENT, timedelta(), ""),
        (Mark.FIRST_LOOK, 3 * MINUTE, "StripeのAPIキーの期限切れと判断。"),
        (Mark.STOPGAP, 19 * MINUTE, "新しいキーを設定した。"),
        (Mark.RECOVERY, 36 * MINUTE, "smoke testを実施した。"),
        (Mark.REPORT, 20 * HOUR, ""),
    ),
)  # fmt: skip
LOW = Told(
    "一時的なSMS送信失敗（リトライで成功）", Level.LOW,
    impact="リマインダーSMS 3通が最大5分遅れた。",
    cause="Twilioの一時的なエラー（30008）。",
    response="自動リトライで3通とも届いたことを確認した。様子見。",
    recovered=6 * MINUTE,
    steps=((Mark.STOPGAP, 2 * HOUR, "様子見とする。"),),
)  # fmt: skip
HIGH = Told(
    "電話代行の発信が遅れている", Level.HIGH,
    impact="店舗への電話（発信まで2〜3分の遅れ）。予約の受付と決済は影響なし。",
    cause="Bland.aiのステータスページに遅延の掲載あり（調査中）。",
    steps=((Mark.FIRST_LOOK, 9 * MINUTE, "ステータスページで遅延を確認。復旧を待つ。"),),
)  # fmt: skip


def fill(db: Session, people: Sequence[Person], now: datetime) -> None:
    today = local_date(now)
    tuesday = today - (today.weekday() + 6) * DAY
    _incident(db, CRITICAL, at(today - 38 * DAY, time(14, 2)), people[1], now)
    _incident(db, LOW, at(tuesday, time(11, 20)), people[0], now)
    _incident(db, HIGH, now - 25 * MINUTE, people[0], now)


def _incident(db: Session, told: Told, detected_at: datetime, by: Person, now: datetime) -> None:
    over = detected_at + max((span for _, span, _ in told.steps), default=timedelta())
    recovered_at = detected_at + told.recovered if told.recovered is not None else None
    incident = Incident(
        title=told.title,
        level=told.level.value,
        detected_at=detected_at,
        impact=told.impact,
        cause=told.cause,
        response=told.response,
        prevention=told.prevention,
        report=told.report,
        recovered_at=recovered_at,
        opened_at=detected_at,
        opened_by=by.name,
        resolved_at=over if recovered_at else None,
        resolved_by=by.name if recovered_at else None,
    )
    db.add(incident)
    db.flush()
    opened = rules.LEVEL_LABELS[told.level]
    events: list[tuple[datetime, str, Person, str | None]] = [(detected_at, "opened", by, opened)]
    done = {Mark.DETECTED: (timedelta(), "")} | {mark: (span, note) for mark, span, note in told.steps}
    calendar = calendar_named(db, rules.calendar_of(told.level))
    for due in rules.step_deadlines(told.level, detected_at, detected_at, calendar):
        mark = IncidentMark(incident_id=incident.id, mark=due.mark.value, due_at=due.due_at, notify_at=due.notify_at)
        db.add(mark)
        title = rules.STEP_TITLES[due.mark]
        step = rules.FLOWS[told.level][due.mark]
        if due.mark in done:
            span, note = done[due.mark]
            mark.done_at, mark.note = detected_at + span, note
            mark.done_by = "システム" if step.tells else by.name
            if due.mark is not Mark.DETECTED:
                events.append((mark.done_at, "step_done", by, f"{title}\n{note}" if note else title))
        elif step.tells and due.notify_at < now:
            mark.notified_at = mark.done_at = due.notify_at
            mark.done_by = "システム"
            events.append((due.notify_at, "step_done", by, title))
    if incident.resolved_at is not None:
        events.append((incident.resolved_at, "resolved", by, None))
    for moment, kind, person, text in sorted(events, key=lambda event: event[0]):
        db.add(
            IncidentEvent(incident_id=incident.id, at=moment, kind=kind, by=person.name, user_id=person.id, text=text)
        )
