"""Rules of incidents: levels, flows and texts (document section 5). Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum

from service.core.values.labels import Labelled
from service.core.values.targets import Target
from service.core.values.times import DAY, at, format_local_datetime, local_date
from service.core.values.working_time import Calendar, CalendarName, add_working_time
from service.reservations.outgoing.message_texts import SENDER

FRIDAY = 4
CLOSING_TIME = time(18)
# The report to managers is sent this long before its target.
REPORT_LEAD_TIME = timedelta(minutes=5)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


class Level(Labelled):
    CRITICAL = "critical", "Critical"
    HIGH = "high", "High"
    MEDIUM = "medium", "Medium"
    LOW = "low", "Low"


class Mark(StrEnum):
    """A step of a flow by its purpose. Each level has its own titles and targets for the steps."""

    DETECTED = "detected"
    FIRST_LOOK = "first_look"
    STOPGAP = "stopgap"
    RECOVERY = "recovery"
    MANAGEMENT = "management"
    REPORT = "report"
    WEEKLY = "weekly"


class Status(Labelled, table="IncidentStatus"):
    """`follow_up`: the service is restored, but steps of 事後対応 are open."""

    OPEN = "open", "対応中"
    FOLLOW_UP = "follow_up", "事後対応中"
    DONE = "done", "完了"


# The terms of the document.
# Steps to do before an incident can be resolved; the others are 事後対応.
RESPONSE_MARKS = (Mark.FIRST_LOOK, Mark.STOPGAP, Mark.RECOVERY)


@dataclass(frozen=True)
class Step:
    """`target` None: the Friday of the weekly report (6.2). `tells`: the step is the report to managers, which is
    sent automatically when it is due."""

    mark: Mark
    title: str
    target: Target | None
    hints: tuple[str, ...] = ()
    tells: bool = False


def _flow(
    calendar: CalendarName, *steps: tuple[Mark, str, timedelta | None, tuple[str, ...], bool]
) -> dict[Mark, Step]:
    first = Step(Mark.DETECTED, "検知", Target(Mark.DETECTED, timedelta(), calendar))
    return {Mark.DETECTED: first} | {
        mark: Step(mark, title, None if span is None else Target(mark, span, calendar), hints, tells)
        for mark, title, span, hints, tells in steps
    }


# 緊急 counts 24 hours a day, the other levels count business hours.
FLOWS: Mapping[Level, Mapping[Mark, Step]] = {
    Level.CRITICAL: _flow(
        "always",
        (
            Mark.FIRST_LOOK,
            "初動対応",
            5 * MINUTE,
            (
                "オンコール担当者がログ確認",
                "原因の初期判断（サーバー停止、データベース障害、外部API障害等）",
            ),
            False,
        ),
        (
            Mark.STOPGAP,
            "応急処置",
            30 * MINUTE,
            ("サーバー再起動", "前バージョンへロールバック", "一時的な回避策の実施"),
            False,
        ),
        (Mark.RECOVERY, "復旧確認", 45 * MINUTE, ("ヘルスチェック確認", "smoke test実施"), False),
        (Mark.MANAGEMENT, "経営陣に報告", timedelta(), (), True),
        (Mark.REPORT, "ポストモーテム作成", 24 * HOUR, ("再発防止策の検討・実施",), False),
    ),
    Level.HIGH: _flow(
        "business",
        (
            Mark.FIRST_LOOK,
            "初動対応",
            15 * MINUTE,
            ("運営担当者がログ確認", "外部APIのステータスページ確認"),
            False,
        ),
        (
            Mark.STOPGAP,
            "応急処置",
            HOUR,
            (
                "外部API障害の場合: 復旧を待つ + 依頼者に状況説明SMS送信",
                "QRV側の問題の場合: コード修正 + デプロイ",
            ),
            False,
        ),
        (Mark.RECOVERY, "復旧確認", 90 * MINUTE, ("機能テスト実施",), False),
        (Mark.MANAGEMENT, "経営陣に報告", 2 * HOUR, (), True),
        (Mark.REPORT, "インシデントレポート作成", 48 * HOUR, (), False),
    ),
    Level.MEDIUM: _flow(
        "business",
        (
            Mark.FIRST_LOOK,
            "初動対応",
            30 * MINUTE,
            ("運営担当者が原因調査", "メトリクス確認（CPU、メモリ、キュー長等）"),
            False,
        ),
        (
            Mark.STOPGAP,
            "対応",
            2 * HOUR,
            (
                "パフォーマンス改善（Celeryワーカー追加、データベースチューニング等）",
                "マニュアルオペ多発の場合: 提携店リストを見直し",
            ),
            False,
        ),
        (Mark.MANAGEMENT, "経営陣に報告", 24 * HOUR, (), True),
        (Mark.WEEKLY, "週次報告で共有", None, (), False),
    ),
    Level.LOW: _flow(
        "business",
        (Mark.STOPGAP, "対応", 24 * HOUR, ("必要に応じて修正", "重大な問題でない場合は様子見"), False),
        (Mark.WEEKLY, "週次報告で共有", None, (), True),
    ),
}
# Titles of steps that the level does not have (any more).
STEP_TITLES = {mark: step.title for level in reversed(Level) for mark, step in FLOWS[level].items()}
_WEEK = Target(Mark.WEEKLY, 45 * HOUR, "business")


@dataclass(frozen=True)
class StepDeadline:
    """The deadline of a step, and when it is notified: a report to managers a little earlier, any other step when it is
    late."""

    mark: Mark
    due_at: datetime
    notify_at: datetime


def incident_number(incident_id: int) -> str:
    return f"INC-{incident_id:04}"


def requires_record(level: Level) -> bool:
    """Whether the items of 5.3.1 are required for the level."""
    return level is not Level.LOW


def target_of(level: Level, mark: Mark) -> Target:
    """The target by which the remaining time is counted."""
    step = FLOWS[level].get(mark)
    return step.target if step is not None and step.target is not None else _WEEK


def step_deadlines(level: Level, detected_at: datetime, now: datetime, calendar: Calendar) -> list[StepDeadline]:
    """The steps of a level with their times, counted from detection. `calendar` is the one of the level. A report that
    is due at once is due now: it cannot be sent before the incident is registered."""
    return [_due(step, detected_at, now, calendar) for step in FLOWS[level].values()]


def _due(step: Step, detected_at: datetime, now: datetime, calendar: Calendar) -> StepDeadline:
    if step.target is None:
        due_at = _report_deadline(detected_at)
        return StepDeadline(step.mark, due_at, due_at - REPORT_LEAD_TIME if step.tells else due_at)
    if step.tells and not step.target.span:
        return StepDeadline(step.mark, now, now)
    due_at = step.target.due_at(detected_at, calendar)
    if not step.tells:
        return StepDeadline(step.mark, due_at, due_at)
    return StepDeadline(step.mark, due_at, add_working_time(detected_at, step.target.span - REPORT_LEAD_TIME, calendar))


def _report_deadline(detected_at: datetime) -> datetime:
    """The deadline of the weekly report: closing time on this Friday, or the next one when that has passed."""
    day = local_date(detected_at)
    deadline = at(day + (FRIDAY - day.weekday()) % 7 * DAY, CLOSING_TIME)
    return deadline if detected_at <= deadline else deadline + 7 * DAY


def calendar_of(level: Level) -> CalendarName:
    return "always" if level is Level.CRITICAL else "business"


def _heading(code: str, level: Level) -> str:
    return f"インシデント {code}（{level.label}）"


def opened_message(code: str, level: Level, title: str, detected_at: datetime) -> str:
    """The Slack message about a new incident."""
    return f"{_heading(code, level)}が発生しました\n{title}\n発生日時: {format_local_datetime(detected_at)}"


def level_changed_message(code: str, before: Level, level: Level, title: str) -> str:
    return f"インシデント {code} のレベルを{before.label}から{level.label}に変更しました\n{title}"


def late_message(code: str, level: Level, title: str, step: str, due_at: datetime) -> str:
    due = format_local_datetime(due_at)
    return f"{_heading(code, level)}の「{step}」が目標時間を過ぎました\n{title}: 目標は{due}でした。"


def call_out_sms(code: str, title: str, due_at: datetime) -> str:
    """The SMS to the operator on call."""
    return f"【予約運用・緊急】{code} {title}。{format_local_datetime(due_at)}までに初動対応をしてください。"


def late_call_out_sms(code: str, title: str, step: str) -> str:
    return f"【予約運用・緊急】{code} {title}。「{step}」が目標時間を過ぎています。"


@dataclass(frozen=True)
class Facts:
    """The record of an incident (5.3.1)."""

    code: str
    level: Level
    title: str
    detected_at: datetime
    impact: str = ""
    cause: str = ""
    response: str = ""
    recovered_at: datetime | None = None
    prevention: str = ""


def management_mail(facts: Facts, url: str) -> tuple[str, str]:
    """Subject and body of the mail to managers."""
    lines = [f"{label}: {value or '未記入'}" for label, value in _items(facts)]
    subject = f"【予約運用】{_heading(facts.code, facts.level)}の報告: {facts.title}"
    body = f"{facts.title}\n\n" + "\n".join(lines) + f"\n\nインシデント: {url}\n"
    return subject, body


def management_message(code: str, level: Level, title: str) -> str:
    """The Slack message that managers were informed."""
    return f"{_heading(code, level)}を経営陣に報告しました\n{title}"


def report_template(facts: Facts) -> str:
    """The template of a ポストモーテム or インシデントレポート, filled with the known items of 5.3.1."""
    step = FLOWS[facts.level].get(Mark.REPORT)
    title = step.title.removesuffix("作成") if step else "インシデントレポート"
    parts = [f"# {title}: {facts.code} {facts.title}"]
    parts += [f"## {label}\n{value or _HINTS.get(label, '（未記入）')}" for label, value in _items(facts)]
    parts.append("## 経過\n- （時刻）（何が起き、誰が何をしたか）")
    parts.append("## 残っている作業\n- （作業）（担当）（期限）")
    return "\n\n".join(parts) + "\n"


def _items(facts: Facts) -> list[tuple[str, str]]:
    return [
        ("発生日時", format_local_datetime(facts.detected_at)),
        ("レベル", facts.level.label),
        ("影響範囲", facts.impact),
        ("原因", facts.cause),
        ("対応内容", facts.response),
        ("復旧日時", format_local_datetime(facts.recovered_at) if facts.recovered_at else ""),
        ("再発防止策", facts.prevention),
    ]


_HINTS = {
    "影響範囲": "（影響を受けた機能、ユーザー数）",
    "原因": "（根本原因の特定）",
    "対応内容": "（実施した対応の詳細）",
    "復旧日時": "（サービス復旧時刻）",
    "再発防止策": "（今後の対策）",
}


def status_text(is_over: bool, support_phone: str) -> str:
    """The default text of the status SMS to waiting customers; staff can edit it."""
    message = (
        "システムの不具合のため、予約のお手続きが遅れていましたが、復旧しました。"
        "順番にお手続きを進めていますので、今しばらくお待ちください。"
        if is_over
        else "現在、システムの不具合のため、予約のお手続きが遅れています。お申し込みの内容は保存されています。"
        "復旧しだい再開しますので、今しばらくお待ちください。"
    )
    contact = f"\nお問い合わせ: {support_phone}" if support_phone else ""
    return f"{SENDER}{message}{contact}"
