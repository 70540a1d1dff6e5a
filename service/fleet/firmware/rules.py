"""Rules of roll-outs: what advances one, what pauses it, and how a terminal's update is judged. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from math import exp, lgamma

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from service.core.values.labels import Labelled
from service.core.values.times import TOKYO
from service.fleet.agents.rules import CommandState
from service.fleet.rules import Status

# Terminals that are offered an update in one run of the job.
MAX_OFFERS = 500
# A mail about a paused roll-out that could not be sent for this long is dropped.
NOTICE_TTL = timedelta(days=1)
# Updated terminals are compared with waiting ones: from this many terminals on either side and this many troubled ones,
# with this significance level. The test is repeated in every run, so the level is strict: about one in a hundred
# roll-outs of a harmless firmware is paused.
MIN_COMPARED = 20
MIN_TROUBLED = 3
SIGNIFICANCE_LEVEL = 0.002
# Extra heartbeats to wait for before a terminal on the new version counts as failed.
_SPARE_HEARTBEATS = 2


class RolloutState(Labelled):
    DRAFT = "draft", "下書き"
    RUNNING = "running", "配信中"
    PAUSED = "paused", "一時停止中"
    ABORTED = "aborted", "中止"
    FINISHED = "finished", "完了"


class TaskState(StrEnum):
    """`offered`: the command was created; `updating`: the agent has begun; `proving`: the terminal has reported the new
    version and has to send healthy heartbeats."""

    WAITING = "waiting"
    OFFERED = "offered"
    UPDATING = "updating"
    PROVING = "proving"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


UNDER_WAY = (TaskState.OFFERED, TaskState.UPDATING, TaskState.PROVING)
# Labels for the failure codes of agents.
FAILURE_LABELS = {
    "bad_signature": "署名を確認できません",
    "bad_checksum": "ファイルの内容が一致しません",
    "download_failed": "ファイルを取得できません",
    "device_refused": "TC-200が新しいファームウェアを受け付けません",
    "device_lost": "更新中にTC-200との接続が切れました",
    "wrong_version_after_restart": "再起動後のバージョンが異なります",
    "cancelled": "更新が取り消されました",
    "no_space": "店舗PCの空き容量が足りません",
    "unknown_command": "エージェントが更新に対応していません",
    "internal_error": "エージェントの内部エラーです",
    "refused": "サービスに受け付けられませんでした",
}
_STEP_LABELS = {
    "downloading": "ファイルの取得",
    "verifying": "ファイルの検証",
    "installing": "書き込み",
    "restarting": "再起動",
    "confirming": "新しいバージョンの確認",
    "rolling_back": "元のバージョンへの復帰",
}


def signed_bytes(version: str, size: int, sha256: str) -> bytes:
    """The bytes that the manufacturer signs; `sha256` as 64 hexadecimal digits. Agents verify the same bytes."""
    return f"genba-firmware-1\n{version}\n{size}\n{sha256}\n".encode()


def is_signed(signature: bytes, message: bytes, public_keys: Iterable[bytes]) -> bool:
    """Whether one of the raw Ed25519 keys made the signature."""
    for key in public_keys:
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
        except InvalidSignature:
            continue
        return True
    return False


def wave_ends(waves: Sequence[int], total: int) -> list[tuple[int, int]]:
    """Each wave's percent, and how many of all targets have been offered the firmware at its end. Waves that add no
    terminal are left out. `waves` in percent, rising, the last one 100."""
    ends = {-(-total * percent // 100): percent for percent in waves} if total else {}
    return [(percent, end) for end, percent in ends.items()]


def is_open(now: datetime, offer_from: time | None, offer_until: time | None) -> bool:
    """Whether the firmware may be offered now: between two times of day in Tokyo, over midnight when the first is the
    later one; at any time without them."""
    if offer_from is None or offer_until is None:
        return True
    local_time = now.astimezone(TOKYO).time()
    if offer_from <= offer_until:
        return offer_from <= local_time < offer_until
    return local_time >= offer_from or local_time < offer_until


@dataclass(frozen=True)
class Limits:
    """The thresholds for a wave's success and for pausing (percent of the wave, or number of terminals)."""

    success_percent: int
    error_percent: int
    error_count: int


@dataclass(frozen=True)
class Wave:
    """A wave's terminals by state. `accepted`: failures before an operator resumed the roll-out; they are included in
    `failed`."""

    waiting: int = 0
    under_way: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    accepted: int = 0

    @property
    def counting(self) -> int:
        """The terminals that the thresholds refer to."""
        return self.waiting + self.under_way + self.succeeded + self.new_failures

    @property
    def new_failures(self) -> int:
        return self.failed - self.accepted


class Move(StrEnum):
    """The next move of a running roll-out."""

    OFFER = "offer"
    NEXT_WAVE = "next_wave"
    PAUSE = "pause"
    FINISH = "finish"


def decide(limits: Limits, waves: Sequence[Wave], present: int) -> tuple[Move, str]:
    """The next move and, for a pause, its reason. `waves`: all waves of the roll-out; `present`: the last one that is
    offered. Once a threshold is reached nothing is offered; a wave without open tasks always moves on or pauses."""
    begun = waves[: present + 1]
    wave = waves[present]
    failures = sum(begun_wave.new_failures for begun_wave in begun)
    if failures >= limits.error_count:
        return Move.PAUSE, f"更新に失敗した端末が{failures:,}台になりました（上限{limits.error_count:,}台）。"
    if wave.new_failures and wave.new_failures * 100 >= limits.error_percent * wave.counting:
        share = wave.new_failures * 100 // wave.counting
        return Move.PAUSE, f"第{present + 1}段階の失敗が{share}%になりました（上限{limits.error_percent}%）。"
    is_last = present == len(waves) - 1
    open_tasks = sum(begun_wave.waiting + begun_wave.under_way for begun_wave in begun)
    if is_last:
        return (Move.OFFER if open_tasks else Move.FINISH), ""
    if wave.succeeded * 100 >= limits.success_percent * wave.counting:
        return Move.NEXT_WAVE, ""
    if not (wave.waiting or wave.under_way):
        share = wave.succeeded * 100 // wave.counting
        reason = f"第{present + 1}段階の成功が{share}%で、次へ進む基準（{limits.success_percent}%）に届きません。"
        return Move.PAUSE, reason
    return Move.OFFER, ""


@dataclass(frozen=True)
class Cohort:
    """A cohort: its terminals, how many of them had trouble (an error, an unplugged cable, an unexpected restart), and
    the sum of their hours under observation until then."""

    terminals: int
    troubled: int
    hours: int


def p_value(updated: Cohort, control: Cohort) -> float:
    """The p-value: how likely the updated terminals have at least this much trouble if the firmware makes no
    difference. Fisher's exact test, one-sided, of the hours with a first trouble among all hours. With a of n and b of
    m hours, k = a + b: the sum over i from a to min(k, n) of C(n, i) C(m, k - i) / C(n + m, k)."""
    n, m = (max(side.hours, side.troubled) for side in (updated, control))
    k = updated.troubled + control.troubled
    log_total = _log_choose(n + m, k)
    counts = range(max(updated.troubled, k - m), min(k, n) + 1)
    return min(1.0, sum(exp(_log_choose(n, i) + _log_choose(m, k - i) - log_total) for i in counts))


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def worth_comparing(updated: Cohort) -> bool:
    return updated.terminals >= MIN_COMPARED and updated.troubled >= MIN_TROUBLED


def increase_reason(updated: Cohort, control: Cohort) -> str:
    """The reason for a pause when the updated terminals have significantly more trouble than the waiting ones, else
    empty."""
    if (
        not worth_comparing(updated)
        or control.terminals < MIN_COMPARED
        or p_value(updated, control) >= SIGNIFICANCE_LEVEL
    ):
        return ""
    return (
        "更新済みの端末で、異常が未更新の端末より明らかに増えています"
        f"（更新済み {updated.terminals:,}台中{updated.troubled:,}台、"
        f"未更新 {control.terminals:,}台中{control.troubled:,}台）。"
    )


@dataclass(frozen=True)
class Facts:
    """The facts of a task under way. `seen_version`, `status`: the terminal's latest; `healthy`: the good heartbeats
    since the new version was reported, after the last bad one; `known_until`: until when the service was alive to
    receive heartbeats."""

    state: TaskState
    step: str | None
    percent: int | None
    deadline_at: datetime
    version: str
    seen_version: str
    status: Status
    heard_since_offer: bool
    healthy: int
    healthy_needed: int
    stored_healthy: int
    known_until: datetime
    # The command's; None when the terminal had the version already.
    command: CommandState | None = None
    command_step: str | None = None
    command_percent: int | None = None
    command_message: str | None = None
    command_code: str | None = None


@dataclass(frozen=True)
class Verdict:
    """The new state of a task. `renew`: a new deadline starts for its next step. `stop`: the command is cancelled."""

    state: TaskState
    step: str | None = None
    percent: int | None = None
    healthy: int = 0
    error: str | None = None
    renew: bool = False
    stop: bool = False


def judge(task: Facts) -> Verdict | None:
    """The new state of the task; None: unchanged. Whatever the agent reports or not, the deadline ends the task."""
    if task.state is TaskState.PROVING:
        return _judge_proving(task)
    if task.command is CommandState.DONE and task.seen_version == task.version and task.heard_since_offer:
        return Verdict(TaskState.PROVING, "proving", renew=True)
    if task.command is CommandState.FAILED:
        return Verdict(TaskState.FAILED, task.step, task.percent, error=_failure_error(task))
    if task.command in (CommandState.CANCELLED, CommandState.EXPIRED):
        return _fail(
            task, "更新の指示が取り消されました。" if task.command is CommandState.CANCELLED else _silence_error(task)
        )
    if task.deadline_at < task.known_until:
        return _judge_late(task)
    begun = task.command in (CommandState.ACCEPTED, CommandState.RUNNING, CommandState.DONE)
    step = "confirming" if task.command is CommandState.DONE else task.command_step
    if begun and (task.state is TaskState.OFFERED or (step, task.command_percent) != (task.step, task.percent)):
        moved = task.state is TaskState.OFFERED or step != task.step
        return Verdict(TaskState.UPDATING, step, task.command_percent, renew=moved)
    return None


def _judge_proving(task: Facts) -> Verdict | None:
    if task.healthy >= task.healthy_needed and task.seen_version == task.version:
        return Verdict(TaskState.SUCCEEDED, healthy=task.healthy)
    if task.deadline_at < task.known_until:
        if task.seen_version != task.version:
            error = f"更新後にバージョン {task.seen_version} へ戻りました。"
        elif task.status is Status.OFFLINE:
            error = "更新後に通信が途絶えました。"
        else:
            error = f"更新後の正常な通信が{task.healthy_needed}回続きませんでした（{task.healthy}回）。"
        return Verdict(TaskState.FAILED, task.step, healthy=task.healthy, error=error)
    if task.healthy != task.stored_healthy:
        return Verdict(TaskState.PROVING, task.step, healthy=task.healthy)
    return None


def _judge_late(task: Facts) -> Verdict:
    if task.state is TaskState.OFFERED and task.status in (Status.OFFLINE, Status.MAINTENANCE):
        # A store that closed before its agent got the command has not failed: it is offered again when it is back.
        return Verdict(TaskState.WAITING, stop=True)
    return _fail(task, _silence_error(task))


def _silence_error(task: Facts) -> str:
    if task.state is TaskState.OFFERED:
        return "時間内にエージェントが更新を始めませんでした。"
    if task.command is CommandState.DONE:
        return f"更新は完了と報告されましたが、新しいバージョンの通信がありません（現在 {task.seen_version}）。"
    return f"{_STEP_LABELS.get(task.step or '', '更新')}が時間内に終わりませんでした。"


def _failure_error(task: Facts) -> str:
    label = FAILURE_LABELS.get(task.command_code or "", "更新に失敗しました")
    return f"{label}: {task.command_message}" if task.command_message else f"{label}。"


def _fail(task: Facts, error: str) -> Verdict:
    return Verdict(TaskState.FAILED, task.step, task.percent, error=error, stop=True)


def proving_time(step: timedelta, healthy_needed: int, interval_seconds: int) -> timedelta:
    """The time limit for the heartbeats on the new version: a step's time, or the time they take if that is longer."""
    return max(step, timedelta(seconds=interval_seconds) * (healthy_needed + _SPARE_HEARTBEATS) * 1.5)


def paused_mail(name: str, version: str, reason: str, now: str, url: str) -> tuple[str, str]:
    """Subject and body of the mail about a roll-out that was paused automatically."""
    subject = f"【Genba】ファームウェア配信を一時停止しました: {name}"
    body = (
        f"ファームウェア {version} の配信「{name}」を、自動で一時停止しました。\n\n"
        f"理由: {reason}\n日時: {now}\n\n"
        "新しい端末への配信は止まっています。すでに更新を始めた端末は、そのまま最後まで進みます。\n"
        f"失敗した端末と理由を確認し、再開するか中止するかを決めてください。\n{url}\n"
    )
    return subject, body
