"""How a roll-out goes forward, and what stops it: pure functions of counts, facts and a clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from math import exp, lgamma

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from service.core.times import TOKYO
from service.fleet.agents.rules import CommandState
from service.fleet.rules import Status

# So many terminals are told of their update with one look at the fleet.
MOST_OFFERS = 500
# So long news of a roll-out that stopped are worth a mail.
NEWS_LASTS = timedelta(days=1)
# The updated terminals are compared with those that wait: from so many on either side and so many in trouble on, and a
# rise counts when chance alone would make it less often than this. It is looked at again and again, so this is strict:
# of a hundred roll-outs of a harmless firmware about one stops.
FEWEST_COMPARED = 20
FEWEST_TROUBLED = 3
CHANCE = 0.002
# A terminal proves itself by heartbeats: they are waited for a little longer than they take.
_SPARE_HEARTBEATS = 2


class RolloutState(StrEnum):
    DRAFT = "draft"
    RUNNING = "running"
    PAUSED = "paused"
    ABORTED = "aborted"
    FINISHED = "finished"


class TaskState(StrEnum):
    """`offered`: the agent is told; `updating`: it has begun; `proving`: the new version was seen, now it must hold."""

    WAITING = "waiting"
    OFFERED = "offered"
    UPDATING = "updating"
    PROVING = "proving"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


UNDER_WAY = (TaskState.OFFERED, TaskState.UPDATING, TaskState.PROVING)
ROLLOUT_WORDS = {
    RolloutState.DRAFT: "下書き",
    RolloutState.RUNNING: "配信中",
    RolloutState.PAUSED: "一時停止中",
    RolloutState.ABORTED: "中止",
    RolloutState.FINISHED: "完了",
}
# What an agent may say of a failure, for people.
FAILURE_WORDS = {
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
_STEP_WORDS = {
    "downloading": "ファイルの取得",
    "verifying": "ファイルの検証",
    "installing": "書き込み",
    "restarting": "再起動",
    "confirming": "新しいバージョンの確認",
    "rolling_back": "元のバージョンへの復帰",
}


def signed_bytes(version: str, size: int, sha256: str) -> bytes:
    """What the maker's signature is over; `sha256` as 64 hexadecimal digits. Agents check the same."""
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
    """Each wave's percent with how many of all targets have been offered the firmware when it is full. Waves that add
    nobody are left out. `waves` in percent, rising, the last one 100."""
    ends = {-(-total * percent // 100): percent for percent in waves} if total else {}
    return [(percent, end) for end, percent in ends.items()]


def is_open(now: datetime, offer_from: time | None, offer_until: time | None) -> bool:
    """Whether the firmware may be offered at this moment: between two times of day in Tokyo, over midnight when the
    first is the later one; at any time without them."""
    if offer_from is None or offer_until is None:
        return True
    clock = now.astimezone(TOKYO).time()
    if offer_from <= offer_until:
        return offer_from <= clock < offer_until
    return clock >= offer_from or clock < offer_until


@dataclass(frozen=True)
class Limits:
    """When a wave has done well enough, and when it has gone too wrong (percent of the wave, or terminals)."""

    success_percent: int
    error_percent: int
    error_count: int


@dataclass(frozen=True)
class Wave:
    """A wave's terminals by state. `accepted`: failures that a person knew of when the roll-out was resumed; they are
    among `failed`."""

    waiting: int = 0
    under_way: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    accepted: int = 0

    @property
    def counting(self) -> int:
        """Terminals that the wave is judged by."""
        return self.waiting + self.under_way + self.succeeded + self.new_failures

    @property
    def new_failures(self) -> int:
        return self.failed - self.accepted


class Move(StrEnum):
    """What is next for a roll-out that runs."""

    OFFER = "offer"
    NEXT_WAVE = "next_wave"
    PAUSE = "pause"
    FINISH = "finish"


def decide(limits: Limits, waves: Sequence[Wave], present: int) -> tuple[Move, str]:
    """The next move and, of a pause, its reason. `waves` are all of the roll-out's, `present` the last one that is
    offered. Nothing is offered once a threshold is reached; a wave that has nothing left to wait for never stays."""
    begun = waves[: present + 1]
    wave = waves[present]
    failures = sum(one.new_failures for one in begun)
    if failures >= limits.error_count:
        return Move.PAUSE, f"更新に失敗した端末が{failures:,}台になりました（上限{limits.error_count:,}台）。"
    if wave.new_failures and wave.new_failures * 100 >= limits.error_percent * wave.counting:
        share = wave.new_failures * 100 // wave.counting
        return Move.PAUSE, f"第{present + 1}段階の失敗が{share}%になりました（上限{limits.error_percent}%）。"
    is_last = present == len(waves) - 1
    open_ones = sum(one.waiting + one.under_way for one in begun)
    if is_last:
        return (Move.OFFER if open_ones else Move.FINISH), ""
    if wave.succeeded * 100 >= limits.success_percent * wave.counting:
        return Move.NEXT_WAVE, ""
    if not (wave.waiting or wave.under_way):
        share = wave.succeeded * 100 // wave.counting
        words = f"第{present + 1}段階の成功が{share}%で、次へ進む基準（{limits.success_percent}%）に届きません。"
        return Move.PAUSE, words
    return Move.OFFER, ""


@dataclass(frozen=True)
class Watched:
    """Terminals of one side, how many of them had trouble (an error, a cut cable, a restart that nobody ordered), and
    the hours that they were heard of until then, added up."""

    terminals: int
    troubled: int
    hours: int


def chance(updated: Watched, control: Watched) -> float:
    """How likely the updated ones would have at least this much of the trouble if the firmware made no difference:
    Fisher's exact test, one-sided, of hours with a first trouble in them among all hours. With a of n and b of m hours,
    k = a + b: the sum over i from a to min(k, n) of C(n, i) C(m, k - i) / C(n + m, k)."""
    n, m = (max(side.hours, side.troubled) for side in (updated, control))
    k = updated.troubled + control.troubled
    every = _log_choose(n + m, k)
    counts = range(max(updated.troubled, k - m), min(k, n) + 1)
    return min(1.0, sum(exp(_log_choose(n, i) + _log_choose(m, k - i) - every) for i in counts))


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def worth_comparing(updated: Watched) -> bool:
    return updated.terminals >= FEWEST_COMPARED and updated.troubled >= FEWEST_TROUBLED


def risen(updated: Watched, control: Watched) -> str:
    """Why the roll-out stops: the updated terminals have clearly more trouble than those that wait. Empty when not."""
    if not worth_comparing(updated) or control.terminals < FEWEST_COMPARED or chance(updated, control) >= CHANCE:
        return ""
    return (
        "更新済みの端末で、異常が未更新の端末より明らかに増えています"
        f"（更新済み {updated.terminals:,}台中{updated.troubled:,}台、"
        f"未更新 {control.terminals:,}台中{control.troubled:,}台）。"
    )


@dataclass(frozen=True)
class Facts:
    """What is known of a task under way. `seen_version` and `status` are the terminal's newest; `healthy` counts the
    good heartbeats since the version was seen, after the last bad one; `known_until` is the moment until which we
    would have heard anything."""

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
    # Of the command; none when the terminal had the version already.
    command: CommandState | None = None
    command_step: str | None = None
    command_percent: int | None = None
    command_message: str | None = None
    command_code: str | None = None


@dataclass(frozen=True)
class Verdict:
    """Where a task stands now. `renew`: its next step has its own time. `stop`: the agent is not to go on."""

    state: TaskState
    step: str | None = None
    percent: int | None = None
    healthy: int = 0
    error: str | None = None
    renew: bool = False
    stop: bool = False


def judge(task: Facts) -> Verdict | None:
    """Where the task stands now; None: where it stood. Whatever the agent says or leaves out, the deadline ends it."""
    if task.state is TaskState.PROVING:
        return _proving(task)
    if task.command is CommandState.DONE and task.seen_version == task.version and task.heard_since_offer:
        return Verdict(TaskState.PROVING, "proving", renew=True)
    if task.command is CommandState.FAILED:
        return Verdict(TaskState.FAILED, task.step, task.percent, error=_said(task))
    if task.command in (CommandState.CANCELLED, CommandState.EXPIRED):
        return _fail(
            task, "更新の指示が取り消されました。" if task.command is CommandState.CANCELLED else _silent(task)
        )
    if task.deadline_at < task.known_until:
        return _late(task)
    begun = task.command in (CommandState.ACCEPTED, CommandState.RUNNING, CommandState.DONE)
    step = "confirming" if task.command is CommandState.DONE else task.command_step
    if begun and (task.state is TaskState.OFFERED or (step, task.command_percent) != (task.step, task.percent)):
        moved = task.state is TaskState.OFFERED or step != task.step
        return Verdict(TaskState.UPDATING, step, task.command_percent, renew=moved)
    return None


def _proving(task: Facts) -> Verdict | None:
    if task.healthy >= task.healthy_needed and task.seen_version == task.version:
        return Verdict(TaskState.SUCCEEDED, healthy=task.healthy)
    if task.deadline_at < task.known_until:
        if task.seen_version != task.version:
            words = f"更新後にバージョン {task.seen_version} へ戻りました。"
        elif task.status is Status.OFFLINE:
            words = "更新後に通信が途絶えました。"
        else:
            words = f"更新後の正常な通信が{task.healthy_needed}回続きませんでした（{task.healthy}回）。"
        return Verdict(TaskState.FAILED, task.step, healthy=task.healthy, error=words)
    if task.healthy != task.stored_healthy:
        return Verdict(TaskState.PROVING, task.step, healthy=task.healthy)
    return None


def _late(task: Facts) -> Verdict:
    if task.state is TaskState.OFFERED and task.status in (Status.OFFLINE, Status.MAINTENANCE):
        # A shop that closed before it heard of the update has not failed: it is told again when it is back.
        return Verdict(TaskState.WAITING, stop=True)
    return _fail(task, _silent(task))


def _silent(task: Facts) -> str:
    if task.state is TaskState.OFFERED:
        return "時間内にエージェントが更新を始めませんでした。"
    if task.command is CommandState.DONE:
        return f"更新は完了と報告されましたが、新しいバージョンの通信がありません（現在 {task.seen_version}）。"
    return f"{_STEP_WORDS.get(task.step or '', '更新')}が時間内に終わりませんでした。"


def _said(task: Facts) -> str:
    words = FAILURE_WORDS.get(task.command_code or "", "更新に失敗しました")
    return f"{words}: {task.command_message}" if task.command_message else f"{words}。"


def _fail(task: Facts, words: str) -> Verdict:
    return Verdict(TaskState.FAILED, task.step, task.percent, error=words, stop=True)


def proving_time(step: timedelta, healthy_needed: int, interval_seconds: int) -> timedelta:
    """How long a terminal may take to prove itself: a step's time, or what the heartbeats take if that is more."""
    return max(step, timedelta(seconds=interval_seconds) * (healthy_needed + _SPARE_HEARTBEATS) * 1.5)


def paused_mail(name: str, version: str, reason: str, now: str, page: str) -> tuple[str, str]:
    """Subject and body, when a roll-out stopped by itself."""
    subject = f"【Genba】ファームウェア配信を一時停止しました: {name}"
    body = (
        f"ファームウェア {version} の配信「{name}」を、自動で一時停止しました。\n\n"
        f"理由: {reason}\n日時: {now}\n\n"
        "新しい端末への配信は止まっています。すでに更新を始めた端末は、そのまま最後まで進みます。\n"
        f"失敗した端末と理由を確認し、再開するか中止するかを決めてください。\n{page}\n"
    )
    return subject, body
