"""The states of core's records: messages, tasks, users, and where a holiday comes from."""

from __future__ import annotations

from service.core.values.labels import Labelled


class MessageState(Labelled):
    """`dead`: given up, until a user sends it again (`retrying`) or discards it (`discarded`)."""

    WAITING = "waiting", "送信待ち"
    SENDING = "sending", "送信中"
    RETRYING = "retrying", "再送待ち"
    SENT = "sent", "送信済み"
    DEAD = "dead", "送信失敗"
    DISCARDED = "discarded", "破棄済み"


class TaskState(Labelled):
    WAITING = "waiting", "待機中"
    RUNNING = "running", "実行中"
    DONE = "done", "完了"
    FAILED = "failed", "失敗"
    CANCELLED = "cancelled", "中止"


class UserState(Labelled):
    ACTIVE = "active", "有効"
    ONE_TIME_PASSWORD = "one_time_password", "仮パスワード"
    INACTIVE = "inactive", "無効"


class HolidaySource(Labelled):
    SHIPPED = "shipped", "国民の祝日"
    EDITED = "edited", "追加・変更"
