"""Levels, flows and texts of incidents (document section 5). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum

from service.core.calendar import Calendar, Name, add_working_time
from service.core.targets import Target
from service.core.times import DAY, at, in_words, local_date
from service.reservations.letters.rules import SENDER

FRIDAY = 4
CLOSES = time(18)
# Management is told a little before the target, so that it has been told when that comes.
LEAD = timedelta(minutes=5)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


class Level(StrEnum):
    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Mark(StrEnum):
    """A step of a flow, by what it is for; levels have the same steps under names and targets of their own."""

    DETECTED = "detected"
    FIRST_LOOK = "first_look"
    STOPGAP = "stopgap"
    RECOVERY = "recovery"
    MANAGEMENT = "management"
    REPORT = "report"
    WEEKLY = "weekly"


class Status(StrEnum):
    """`follow_up`: service is back, and something of 事後対応 is still to be done."""

    OPEN = "open"
    FOLLOW_UP = "follow_up"
    DONE = "done"


# The document's own words.
LEVEL_WORDS = {Level.CRITICAL: "Critical", Level.HIGH: "High", Level.MEDIUM: "Medium", Level.LOW: "Low"}
STATUS_WORDS = {Status.OPEN: "対応中", Status.FOLLOW_UP: "事後対応中", Status.DONE: "完了"}
# What has to be done before it is over; the rest is 事後対応.
RESPONSE = (Mark.FIRST_LOOK, Mark.STOPGAP, Mark.RECOVERY)


@dataclass(frozen=True)
class Step:
    """`target` None: the Friday of the weekly report (6.2). `tells`: done by telling management, which happens of
    itself when it is time."""

    mark: Mark
    title: str
    target: Target | None
    hints: tuple[str, ...] = ()
    tells: bool = False


def _flow(calendar: Name, *steps: tuple[Mark, str, timedelta | None, tuple[str, ...], bool]) -> dict[Mark, Step]:
    first = Step(Mark.DETECTED, "検知", Target(Mark.DETECTED, timedelta(), calendar))
    return {Mark.DETECTED: first} | {
        mark: Step(mark, title, None if span is None else Target(mark, span, calendar), hints, tells)
        for mark, title, span, hints, tells in steps
    }


# 緊急 runs round the clock, everything else while people are at their desks.
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
# By these a step that the level does not have (any more) is called.
TITLES = {mark: step.title for level in reversed(Level) for mark, step in FLOWS[level].items()}
_WEEK = Target(Mark.WEEKLY, 45 * HOUR, "business")


@dataclass(frozen=True)
class Due:
    """Until when a step is to be done, and when people hear of it: management that something is, everybody that it is
    late."""

    mark: Mark
    due_at: datetime
    notify_at: datetime


def number(incident_id: int) -> str:
    return f"INC-{incident_id:04}"


def is_recorded(level: Level) -> bool:
    """Of these every item of 5.3.1 is kept."""
    return level is not Level.LOW


def target_of(level: Level, mark: Mark) -> Target:
    """By which the time left is counted."""
    step = FLOWS[level].get(mark)
    return step.target if step is not None and step.target is not None else _WEEK


def dues(level: Level, detected_at: datetime, now: datetime, calendar: Calendar) -> list[Due]:
    """The steps of a level with their times, counted from detection. `calendar` is the level's. What has to be told at
    once is due now: nobody could be told before it was known."""
    return [_due(step, detected_at, now, calendar) for step in FLOWS[level].values()]


def _due(step: Step, detected_at: datetime, now: datetime, calendar: Calendar) -> Due:
    if step.target is None:
        due_at = _friday(detected_at)
        return Due(step.mark, due_at, due_at - LEAD if step.tells else due_at)
    if step.tells and not step.target.span:
        return Due(step.mark, now, now)
    due_at = step.target.due_at(detected_at, calendar)
    if not step.tells:
        return Due(step.mark, due_at, due_at)
    return Due(step.mark, due_at, add_working_time(detected_at, step.target.span - LEAD, calendar))


def _friday(moment: datetime) -> datetime:
    """When the week's report is written: this Friday, or the next when that has passed."""
    day = local_date(moment)
    closes = at(day + (FRIDAY - day.weekday()) % 7 * DAY, CLOSES)
    return closes if moment <= closes else closes + 7 * DAY


def calendar_of(level: Level) -> Name:
    return "always" if level is Level.CRITICAL else "business"


def _called(code: str, level: Level) -> str:
    return f"インシデント {code}（{LEVEL_WORDS[level]}）"


def opened(code: str, level: Level, title: str, detected_at: datetime) -> str:
    """What Slack reads when one begins."""
    return f"{_called(code, level)}が発生しました\n{title}\n発生日時: {in_words(detected_at)}"


def level_changed(code: str, before: Level, level: Level, title: str) -> str:
    return f"インシデント {code} のレベルを{LEVEL_WORDS[before]}から{LEVEL_WORDS[level]}に変更しました\n{title}"


def late(code: str, level: Level, title: str, step: str, due_at: datetime) -> str:
    return f"{_called(code, level)}の「{step}」が目標時間を過ぎました\n{title}: 目標は{in_words(due_at)}でした。"


def call_out(code: str, title: str, due_at: datetime) -> str:
    """What the person on call reads in an SMS."""
    return f"【予約運用・緊急】{code} {title}。{in_words(due_at)}までに初動対応をしてください。"


def late_call_out(code: str, title: str, step: str) -> str:
    return f"【予約運用・緊急】{code} {title}。「{step}」が目標時間を過ぎています。"


@dataclass(frozen=True)
class Facts:
    """What 5.3.1 keeps of an incident."""

    code: str
    level: Level
    title: str
    detected_at: datetime
    impact: str = ""
    cause: str = ""
    response: str = ""
    recovered_at: datetime | None = None
    prevention: str = ""


def to_management(facts: Facts, url: str) -> tuple[str, str]:
    """Subject and text of the mail to management."""
    lines = [f"{label}: {said or '未記入'}" for label, said in _items(facts)]
    subject = f"【予約運用】{_called(facts.code, facts.level)}の報告: {facts.title}"
    body = f"{facts.title}\n\n" + "\n".join(lines) + f"\n\nインシデント: {url}\n"
    return subject, body


def told_management(code: str, level: Level, title: str) -> str:
    """The same for Slack."""
    return f"{_called(code, level)}を経営陣に報告しました\n{title}"


def template(facts: Facts) -> str:
    """A ポストモーテム or インシデントレポート to begin with: the items of 5.3.1, as far as they are known."""
    kind = FLOWS[facts.level].get(Mark.REPORT)
    title = kind.title.removesuffix("作成") if kind else "インシデントレポート"
    parts = [f"# {title}: {facts.code} {facts.title}"]
    parts += [f"## {label}\n{said or _ASKED.get(label, '（未記入）')}" for label, said in _items(facts)]
    parts.append("## 経過\n- （時刻）（何が起き、誰が何をしたか）")
    parts.append("## 残っている作業\n- （作業）（担当）（期限）")
    return "\n\n".join(parts) + "\n"


def _items(facts: Facts) -> list[tuple[str, str]]:
    return [
        ("発生日時", in_words(facts.detected_at)),
        ("レベル", LEVEL_WORDS[facts.level]),
        ("影響範囲", facts.impact),
        ("原因", facts.cause),
        ("対応内容", facts.response),
        ("復旧日時", in_words(facts.recovered_at) if facts.recovered_at else ""),
        ("再発防止策", facts.prevention),
    ]


_ASKED = {
    "影響範囲": "（影響を受けた機能、ユーザー数）",
    "原因": "（根本原因の特定）",
    "対応内容": "（実施した対応の詳細）",
    "復旧日時": "（サービス復旧時刻）",
    "再発防止策": "（今後の対策）",
}


def status_text(is_over: bool, support_phone: str) -> str:
    """What waiting customers are told, to be changed by whoever sends it."""
    told = (
        "システムの不具合のため、予約のお手続きが遅れていましたが、復旧しました。"
        "順番にお手続きを進めていますので、今しばらくお待ちください。"
        if is_over
        else "現在、システムの不具合のため、予約のお手続きが遅れています。お申し込みの内容は保存されています。"
        "復旧しだい再開しますので、今しばらくお待ちください。"
    )
    asked = f"\nお問い合わせ: {support_phone}" if support_phone else ""
    return f"{SENDER}{told}{asked}"
