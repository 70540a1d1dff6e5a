"""The agent's three steps: collect a reading, spool it, send what is spooled, oldest first.

One thread decides by the clock which step is due. A slow or absent service never stops the readings: they wait in
the spool. What the answers ask for is done by other threads (commands/).
"""

import logging
import random
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic

from agent.backoff import Backoff
from agent.collectors import Reading, collect
from agent.config import MAX_INTERVAL_SECONDS, MIN_INTERVAL_SECONDS
from agent.context import Context
from agent.plug import Plug
from agent.send import Accepted, Failed, Outcome, RowRefused, Service, Unauthorised
from agent.spool import Waiting
from agent.state import load_firmware_version, save_firmware_version

# Between two heartbeats of a backlog: thousands of agents drain at once after an outage, each at about two a second.
DRAIN_PAUSE_SECONDS = (0.25, 0.75)
# After a refused token nothing changes until a person acts.
UNAUTHORISED_PAUSE_SECONDS = (600.0, 900.0)
# A TC-200 that was just plugged in may still be starting; it is asked again soon.
SECOND_LOOK_SECONDS = 30.0
# For telling that the PC is switched off; the system gives its programs only a few seconds.
SHUTDOWN_SECONDS = 2.0
ENROL_AGAIN = "サポートに登録コードの発行を依頼し、エージェントを停止して enrol で登録し直してください"

log = logging.getLogger("agent")


class Loop:
    """One store PC's readings and heartbeats."""

    def __init__(self, context: Context, service: Service, rng: random.Random | None = None) -> None:
        """`context.stop` ends `run` at its next step."""
        self._context = context
        self._settings = context.settings
        self._spool = context.spool
        self._service = service
        self._stop = context.stop
        self._rng = rng or random.Random()
        self._backoff = Backoff(self._rng)
        self._interval = context.settings.heartbeat_seconds
        self._newest = 0
        self._next_reading = 0.0
        self._next_send = 0.0
        self._last: Reading | None = None

    def run(self) -> None:
        """Work until `stop` is set. Raises sqlite3.DatabaseError when the spool file is damaged."""
        # A random phase: the PCs of a whole district come back at the same instant after a power cut.
        self._next_reading = monotonic() + self._rng.uniform(0, self._settings.start_spread_seconds)
        self._next_send = self._next_reading
        plug = Plug(self._context.line, self._settings.plug_poll_seconds)
        while not self._stop.is_set():
            self._read_when_due(plug)
            waiting = self._spool.oldest()
            if waiting and monotonic() >= self._next_send:
                self._next_send = monotonic() + self._send(waiting)
            else:
                due = min(self._next_reading, self._next_send) if waiting else self._next_reading
                self._stop.wait(max(0.0, min(due, plug.next_look) - monotonic()))

    def _read_when_due(self, plug: Plug) -> None:
        event = plug.look() if monotonic() >= plug.next_look else None
        if self._last is None:
            # The first reading tells how the cable is anyway.
            event = None
        if event is None and monotonic() < self._next_reading:
            return
        self._next_reading = monotonic() + self._interval
        reading = self._read_and_spool(event or (None if self._last else "started"))
        if event == "plugged" and reading and not reading.terminal_connected:
            self._next_reading = min(self._next_reading, monotonic() + SECOND_LOOK_SECONDS)

    def once(self) -> str | None:
        """Take one reading and send everything that is spooled. Returns why something is left, or None."""
        if not self._read_and_spool():
            return "スプールに保存できません"
        while waiting := self._spool.oldest():
            outcome = self._deliver(waiting)
            if isinstance(outcome, Unauthorised):
                return f"トークンが無効か、取り消されています: {outcome.reason}。{ENROL_AGAIN}"
            if isinstance(outcome, Failed):
                return outcome.reason
            self._settle(waiting, outcome)
        return None

    def tell_shutdown(self, *, send: bool) -> None:
        """Spool that the PC is being switched off, and with `send` try for two seconds to say so now.

        The TC-200 is not asked again: what it said last goes along. Without any reading before there is nothing to
        tell. Raises sqlite3.Error.
        """
        if self._last is None:
            return
        self._put(replace(self._last, taken_at=datetime.now(UTC), event="shutdown"))
        deadline = monotonic() + SHUTDOWN_SECONDS
        # Oldest first here too: a newer one that overtakes would make the service take the others for repeats.
        while send and (waiting := self._spool.oldest()) and (left := deadline - monotonic()) > 0:
            outcome = self._deliver(waiting, timeout=left)
            if not isinstance(outcome, Accepted | RowRefused):
                return
            self._settle(waiting, outcome)

    def _read_and_spool(self, event: str | None = None) -> Reading | None:
        """The reading, or None when it could not be kept."""
        reading = collect(self._settings, self._context.serial_number, self._context.line, event)
        if reading.error:
            log.warning("異常を検出しました: %s", reading.error)
        if event:
            log.info("ハートビートの理由: %s", event)
        try:
            self._put(reading)
        except sqlite3.OperationalError as error:
            # A full disk, most likely. The next reading may fit again; stopping would only add silence.
            log.error("ハートビートをスプールに保存できません（%s）。ディスクの空き容量を確認してください。", error)
            return None
        self._last = reading
        return reading

    def _put(self, reading: Reading) -> None:
        body = reading.heartbeat(self._firmware_version(reading))
        self._newest, dropped = self._spool.put(body)
        self._context.recent.readings.append(body)
        if dropped:
            log.error(
                "未送信のハートビートが上限の %d 件に達したため、古いものから %d 件を破棄しました。"
                "サービスへの接続を確認してください。",
                self._settings.spool_limit,
                dropped,
            )

    def _firmware_version(self, reading: Reading) -> str:
        """What the terminal said now, else what it said last."""
        known = load_firmware_version(self._settings.state_dir)
        if reading.firmware_version is None or reading.firmware_version == known:
            return known
        try:
            save_firmware_version(self._settings.state_dir, reading.firmware_version)
        except OSError as error:
            log.warning("ファームウェアのバージョンを保存できません（%s）。", error.strerror)
        return reading.firmware_version

    def _deliver(self, waiting: Waiting, timeout: float | None = None) -> Outcome:
        """Send with the present token, and with the next one when that is refused: a rotation's answer may be lost."""
        outcome: Outcome = Failed("トークンがありません")
        for token in self._context.tokens.candidates():
            outcome = self._service.heartbeat(token, waiting.body, timeout)
            if isinstance(outcome, Accepted):
                self._context.tokens.use(token)
            if not isinstance(outcome, Unauthorised):
                break
        return outcome

    def _send(self, waiting: Waiting) -> float:
        """Returns the seconds until the next heartbeat may be sent."""
        outcome = self._deliver(waiting)
        try:
            return self._settle(waiting, outcome)
        except sqlite3.OperationalError as error:
            # Stored by the service but still in the spool: sent again later, it is a repeat and does no harm.
            log.error("スプールを更新できません（%s）。ディスクの空き容量を確認してください。", error)
            return self._backoff.next_delay()

    def _settle(self, waiting: Waiting, outcome: Outcome) -> float:
        """Do what the answer asks for. Returns the seconds until the next heartbeat may be sent."""
        match outcome:
            case Accepted():
                self._spool.acknowledged(waiting.sequence)
                self._backoff.reset()
                self._obey(waiting, outcome)
                log.info(
                    "ハートビート %d を送信しました（未送信 %d 件、間隔 %.0f 秒）。",
                    waiting.sequence,
                    self._spool.count(),
                    self._interval,
                )
                return self._rng.uniform(*DRAIN_PAUSE_SECONDS)
            case RowRefused(reason):
                self._spool.reject(waiting.sequence, reason)
                self._backoff.reset()
                log.error(
                    "ハートビート %d はサービスに受け付けられないため、除外しました: %s", waiting.sequence, reason
                )
                return self._rng.uniform(*DRAIN_PAUSE_SECONDS)
            case Unauthorised(reason):
                delay = self._rng.uniform(*UNAUTHORISED_PAUSE_SECONDS)
                log.error(
                    "トークンが無効か、取り消されています: %s。%s。"
                    "計測は続け、送信は %.0f 秒後に再度試します（未送信 %d 件）。",
                    reason,
                    ENROL_AGAIN,
                    delay,
                    self._spool.count(),
                )
                return delay
            case Failed(reason, retry_after):
                # Never all at the instant the service named: the jitter comes on top of it.
                delay = (retry_after or 0.0) + self._backoff.next_delay()
                log.warning(
                    "送信できません: %s。%.0f 秒後に再送します（未送信 %d 件）。", reason, delay, self._spool.count()
                )
                return delay

    def _obey(self, waiting: Waiting, answer: Accepted) -> None:
        """Keep what the service said beside its yes: the next heartbeat's time, its clock, its orders."""
        self._interval = min(max(answer.next_heartbeat_in, MIN_INTERVAL_SECONDS), MAX_INTERVAL_SECONDS)
        if waiting.sequence == self._newest:
            # The service sets this agent's phase. Answers to a backlog do not, or draining would put off
            # the next reading again and again.
            self._next_reading = monotonic() + self._interval
        if answer.server_time:
            self._context.recent.clock_skew = (datetime.now(UTC) - answer.server_time).total_seconds()
        if answer.commands:
            self._context.book.take(answer.commands)
