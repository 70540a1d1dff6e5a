"""Rotation (8.2) and checks (8.3): what is checked, how often, and the texts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from service.core.values.labels import Labelled
from service.core.values.times import month_of


class Job(Labelled):
    ROTATION = "rotation", "ローテーション"
    CHECKS = "checks", "月次の点検"


# 8.2.1: every four weeks.
ROTATION_EVERY = timedelta(weeks=4)
# Two forms with the same answers within this time count as a repeated submission.
REPEATED_WITHIN = timedelta(minutes=10)


class Check(StrEnum):
    SAME_SERIAL = "same_serial"
    REPEATED = "repeated"
    UNRETURNED = "unreturned"
    DUE_BEFORE_LENT = "due_before_lent"
    IGNORED_DEPOSIT = "ignored_deposit"


@dataclass(frozen=True)
class CheckLabels:
    title: str
    advice: str


CHECK_LABELS = {
    Check.SAME_SERIAL: CheckLabels(
        "同じ機種・製造番号の機器が複数あります",
        "同じ機器を2回登録していないか確認し、不要な方を無効にしてください。",
    ),
    Check.REPEATED: CheckLabels(
        "同じ内容のステータス登録が続けて送信されています",
        "二重に送信されたものであれば、後の登録を除去してください。",
    ),
    Check.UNRETURNED: CheckLabels(
        "返却の登録がないまま、次の貸出が登録されています",
        "返却の登録が漏れていないか確認してください。発生日時を指定して、後から登録できます。",
    ),
    Check.DUE_BEFORE_LENT: CheckLabels(
        "返却予定日が貸出日より前になっています",
        "日付の誤りであれば、正しい日付でステータスを登録し直してください。",
    ),
    Check.IGNORED_DEPOSIT: CheckLabels(
        "預り機のステータスが、設定できない状態で登録されています",
        "貸出中で預り有りのときだけ設定できます。誤りであれば除去してください。",
    ),
}


def is_due(job: Job, last: datetime | None, now: datetime) -> bool:
    """The rotation is due four weeks after the last one; the checks once in each month."""
    if last is None:
        return True
    return now - last >= ROTATION_EVERY if job is Job.ROTATION else month_of(now) != month_of(last)
