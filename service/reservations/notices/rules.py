"""All Slack messages (4.3 and later ones): when each is sent, and how to respond. Pure functions.

The texts come from the rules that build the real messages, applied to an example.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time, timedelta

from service.core.values.targets import NEAR
from service.core.values.times import DAY, at, format_duration, local_date
from service.reservations.alarms import rules as alarms
from service.reservations.alarms.rules import Kind
from service.reservations.assistants import rules as assistants
from service.reservations.chores import rules as chores
from service.reservations.drafts import rules as drafts
from service.reservations.enquiries import rules as enquiries
from service.reservations.incidents import rules as incidents
from service.reservations.incidents.rules import Level, Mark
from service.reservations.operations import rules as operations
from service.reservations.state_machine.states import Task

EXAMPLE_CODE, EXAMPLE_STAFF = "QRV-7K2M9P", "佐藤"


@dataclass(frozen=True)
class Notice:
    """A Slack message: when it is sent (`occasion`), and how to respond."""

    title: str
    text: str
    occasion: str
    response: str


EXAMPLE_TIME = at(date(2026, 11, 20), time(10, 30))
MINUTE = timedelta(minutes=1)
_BURST_TASKS = (Task.SMS_FAILED, Task.VAGUE_ANSWER)
# Example values of alarms, and how to respond to them.
_VALUES = {Kind.CPU: 92, Kind.MEMORY: 94, Kind.QUEUE: 123, Kind.ERRORS: 7.5}
_DETAILS = {
    kind: alarms.breakdown_text((("定期処理", 3), ("通知の送信", 120))) if kind is Kind.QUEUE else "" for kind in Kind
}
_RESPONSES = {
    Kind.CPU: "「システム状態」で負荷の高いプログラムを確認します。重い取り込みや書き出しは、終わるのを待ちます。",
    Kind.MEMORY: "「システム状態」でメモリの大きいプログラムを確認し、再起動します。",
    Kind.QUEUE: "「システム状態」の定期処理と「通知」の未送信を確認します。増え続けるときはインシデントに登録します。",
    Kind.ERRORS: "ログでerrorの行を確認し、インシデントに登録します。",
}
EXAMPLE_TITLE, EXAMPLE_NUMBER = "SMSを送信できない", incidents.incident_number(12)


def clock_notices() -> list[Notice]:
    """Messages about 手動対応 without an owner."""
    return [
        Notice(
            "手動対応の期限が近い",
            operations.due_soon_notice(Task.VAGUE_ANSWER, EXAMPLE_CODE, EXAMPLE_TIME),
            f"担当者がいないまま、目標時間の残りが{100 // NEAR}%になりました。",
            "「手動対応」を開き、「自分が対応する」を押します。担当者が決まると、この通知は届きません。",
        ),
        Notice(
            "手動対応の期限超過",
            operations.overdue_notice(Task.VAGUE_ANSWER, EXAMPLE_CODE, EXAMPLE_TIME),
            "担当者がいないまま、目標時間を過ぎました。1件につき1回だけ届きます。",
            "すぐに担当を決めて対応します。遅れた理由を、対応結果に残します。",
        ),
    ]


def incident_notices() -> list[Notice]:
    level, number = Level.HIGH, EXAMPLE_NUMBER
    step = incidents.FLOWS[level][Mark.FIRST_LOOK].title
    return [
        Notice(
            "インシデントの発生",
            incidents.opened_message(number, level, EXAMPLE_TITLE, EXAMPLE_TIME),
            "「インシデント」に新しいインシデントが登録されました。",
            "インシデントを開き、初動対応を始めます。Criticalは、オンコール当番にもSMSが届きます。",
        ),
        Notice(
            "インシデントのレベル変更",
            incidents.level_changed_message(number, Level.MEDIUM, level, EXAMPLE_TITLE),
            "レベルが変わり、目標時間が新しいレベルのものになりました。",
            "残っている対応の目標時間を、インシデントで確認します。",
        ),
        Notice(
            "対応の目標時間超過",
            incidents.late_message(number, level, EXAMPLE_TITLE, step, EXAMPLE_TIME),
            "対応手順の段階が、目標時間までに完了になっていません。",
            "状況を確認し、終わっていれば完了にします。応援が必要なら、その場で呼びます。",
        ),
        Notice(
            "経営陣への報告",
            incidents.management_message(number, level, EXAMPLE_TITLE),
            "経営陣に、インシデントの記録をメールで報告しました（自動または「今すぐ報告する」）。",
            "対応は不要です。報告後にわかったことは、インシデントに記録します。",
        ),
    ]


def burst_notices() -> list[Notice]:
    entries = [
        operations.BurstItem(operations.operation_notice(task, EXAMPLE_CODE), EXAMPLE_TIME, None)
        for task in _BURST_TASKS
    ]
    return [
        Notice(
            "手動対応の集中",
            operations.burst_notice(entries),
            "短い時間に手動対応が続けて発生したため、1通にまとめました。",
            "1件ずつ「手動対応」で確認します。原因が同じなら、インシデントに登録します。",
        ),
        Notice(
            "手動対応の完了",
            operations.resolved_notice(
                operations.operation_notice(_BURST_TASKS[0], EXAMPLE_CODE),
                EXAMPLE_TIME,
                EXAMPLE_TIME + 25 * MINUTE,
                EXAMPLE_STAFF,
            ),
            "対応が完了すると、はじめの通知がこの文面に書き換わります。",
            "対応は不要です。",
        ),
    ]


def alarm_notices() -> list[Notice]:
    begun = [
        Notice(
            kind.label,
            alarms.begun_notice(kind, _VALUES[kind], _DETAILS[kind], EXAMPLE_TIME),
            f"{kind.label}が基準を超えました。",
            _RESPONSES[kind],
        )
        for kind in alarms.CHECKS
    ]
    kind, lasting = Kind.CPU, 35 * MINUTE
    slow = alarms.find_slow_responses(240, 31)
    assert slow is not None
    return [
        *begun,
        Notice(
            "続いているとき（スレッド）",
            alarms.ongoing_notice(kind, 88, 97, lasting),
            f"{format_duration(alarms.REMINDER_INTERVAL)}ごとに、はじめの通知のスレッドに届きます。",
            "長引くときは、インシデントに登録します。",
        ),
        Notice(
            "解決したとき",
            alarms.ended_notice(kind, 97, EXAMPLE_TIME, EXAMPLE_TIME + lasting),
            "はじめの通知がこの文面に書き換わります。",
            "対応は不要です。あとで原因を確かめます。",
        ),
        Notice(
            "解決したとき（スレッド）",
            alarms.ended_reply(kind, 41, lasting),
            "はじめの通知のスレッドに届きます。",
            "対応は不要です。",
        ),
        Notice(
            "インシデントの提案",
            alarms.proposal_notice(slow),
            "応答が遅いか、手動対応が通常の2倍以上発生しています。",
            "「インシデント」の提案を開き、登録するか、理由を書いて見送ります。",
        ),
    ]


def enquiry_notices() -> list[Notice]:
    party, channel = enquiries.Party.CUSTOMER, enquiries.Channel.MAIL
    return [
        Notice(
            "問い合わせの受付",
            enquiries.received_message(12, party, "SMSが届かない", EXAMPLE_TIME),
            "公開フォームから、問い合わせが届きました。",
            "「問い合わせ」を開き、担当を決めて、目標までに初回の返信をします。",
        ),
        Notice(
            "問い合わせの目標時間が近い",
            enquiries.warning_message(12, party, channel, "初回応答", EXAMPLE_TIME, None),
            "初回応答か解決の目標時間が近づいています。",
            "担当者は、先に返信します。担当者がいなければ決めます。",
        ),
        Notice(
            "問い合わせの目標時間超過",
            enquiries.breach_message(12, party, channel, "解決", EXAMPLE_TIME, EXAMPLE_STAFF),
            "初回応答か解決が、目標時間を過ぎました。1件につき1回ずつ届きます。",
            "すぐに対応し、見込みを相手に伝えます。",
        ),
    ]


def other_notices() -> list[Notice]:
    week = local_date(EXAMPLE_TIME)
    overdue = [chores.OverdueTurn("ログ確認", "運営担当者", EXAMPLE_TIME)]
    return [
        Notice(
            "定期作業の期限超過",
            chores.reminder_message(overdue),
            f"平日の{chores.REMINDER_TIME.hour}:{chores.REMINDER_TIME.minute:02}に、期限を過ぎた定期作業をまとめて知らせます。",
            "「定期作業」で、実施して完了にするか、理由を書いて見送ります。",
        ),
        Notice(
            "レポートの下書き",
            drafts.drafted_message(drafts.Kind.WEEKLY, drafts.Days(week - 6 * DAY, week)),
            "週次（金曜日）か月次（第5営業日）のレポートの下書きができました。",
            "所見を書き加え、完成させて送ります。",
        ),
        Notice(
            "予約リクエストの上限",
            assistants.rate_limit_notice("佐藤様のClaude", "電話番号 09012345678", "1時間に5件"),
            "同じ電話番号か同じトークンから、短い時間に多くの予約リクエストがありました。",
            "心当たりがなければ「アシスタント連携」でトークンを失効させます。",
        ),
    ]
