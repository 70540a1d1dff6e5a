"""The agent's main loop: collect a reading, spool it, send spooled heartbeats, oldest first.

One thread decides by the clock which step is due. A slow or unreachable service never stops the readings: they wait in
the spool. Other threads execute the commands of the answers (commands/).
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
from agent.spool import SpooledHeartbeat
from agent.state import load_firmware_version, save_firmware_version

# Between two heartbeats of a backlog: after an outage thousands of agents send at the same time, each about two a
# second.
DRAIN_PAUSE_SECONDS = (0.25, 0.75)
# After a refused token nothing changes until support acts.
UNAUTHORISED_PAUSE_SECONDS = (600.0, 900.0)
# A TC-200 that was just plugged in may still be starting; the next reading is soon.
RECHECK_SECONDS = 30.0
# For reporting that the PC is switched off; the system gives its programs only a few seconds.
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
        self._last_reading: Reading | None = None

    def run(self) -> None:
        """Work until `stop` is set. Raises sqlite3.DatabaseError when the spool file is damaged."""
        # A random phase: after a power cut the PCs of a whole district start at the same time.
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
                self._stop.wait(max(0.0, min(due, plug.next_poll) - monotonic()))

    def _read_when_due(self, plug: Plug) -> None:
        event = plug.look() if monotonic() >= plug.next_poll else None
        if self._last_reading is None:
            # The first reading reports the state of the cable anyway.
            event = None
        if event is None and monotonic() < self._next_reading:
            return
        self._next_reading = monotonic() + self._interval
        reading = self._read_and_spool(event or (None if self._last_reading else "started"))
        if event == "plugged" and reading and not reading.terminal_connected:
            self._next_reading = min(self._next_reading, monotonic() + RECHECK_SECONDS)

    def once(self) -> str | None:
        """Take one reading and send everything that is spooled. Returns the reason when something remains, else
        None."""
        if not self._read_and_spool():
            return "スプールに保存できません"
        while waiting := self._spool.oldest():
            outcome = self._deliver(waiting)
            if isinstance(outcome, Unauthorised):
                return f"トークンが無効か、取り消されています: {outcome.reason}。{ENROL_AGAIN}"
            if isinstance(outcome, Failed):
                return outcome.reason
            self._handle_outcome(waiting, outcome)
        return None

    def report_shutdown(self, *, send: bool) -> None:
        """Spool a heartbeat that the PC is being switched off, and with `send` try for two seconds to send it.

        The TC-200 is not read again: the heartbeat has the last reading. Does nothing without an earlier reading.
        Raises sqlite3.Error.
        """
        if self._last_reading is None:
            return
        self._spool_reading(replace(self._last_reading, taken_at=datetime.now(UTC), event="shutdown"))
        deadline = monotonic() + SHUTDOWN_SECONDS
        # Oldest first here too: after a newer sequence the service would treat older ones as repeats.
        while send and (waiting := self._spool.oldest()) and (remaining := deadline - monotonic()) > 0:
            outcome = self._deliver(waiting, timeout=remaining)
            if not isinstance(outcome, Accepted | RowRefused):
                return
            self._handle_outcome(waiting, outcome)

    def _read_and_spool(self, event: str | None = None) -> Reading | None:
        """The reading, or None when it could not be stored."""
        reading = collect(self._settings, self._context.serial_number, self._context.line, event)
        if reading.error:
            log.warning("異常を検出しました: %s", reading.error)
        if event:
            log.info("ハートビートの理由: %s", event)
        try:
            self._spool_reading(reading)
        except sqlite3.OperationalError as error:
            # Probably a full disk. The next reading may fit again; stopping would not help.
            log.error("ハートビートをスプールに保存できません（%s）。ディスクの空き容量を確認してください。", error)
            return None
        self._last_reading = reading
        return reading

    def _spool_reading(self, reading: Reading) -> None:
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
        """The version of this reading, else the last known one."""
        last_known = load_firmware_version(self._settings.state_dir)
        if reading.firmware_version is None or reading.firmware_version == last_known:
            return last_known
        try:
            save_firmware_version(self._settings.state_dir, reading.firmware_version)
        except OSError as error:
            log.warning("ファームウェアのバージョンを保存できません（%s）。", error.strerror)
        return reading.firmware_version

    def _deliver(self, waiting: SpooledHeartbeat, timeout: float | None = None) -> Outcome:
        """Send with the current token, and with the next one when that is refused: the answer to a rotation may have
        been lost."""
        outcome: Outcome = Failed("トークンがありません")
        for token in self._context.tokens.candidates():
            outcome = self._service.heartbeat(token, waiting.body, timeout)
            if isinstance(outcome, Accepted):
                self._context.tokens.use(token)
            if not isinstance(outcome, Unauthorised):
                break
        return outcome

    def _send(self, waiting: SpooledHeartbeat) -> float:
        """Returns the seconds until the next heartbeat may be sent."""
        outcome = self._deliver(waiting)
        try:
            return self._handle_outcome(waiting, outcome)
        except sqlite3.OperationalError as error:
            # Stored by the service but still in the spool: it will be sent again, and a repeat does no harm.
            log.error("スプールを更新できません（%s）。ディスクの空き容量を確認してください。", error)
            return self._backoff.next_delay()

    def _handle_outcome(self, waiting: SpooledHeartbeat, outcome: Outcome) -> float:
        """Handle the outcome of a heartbeat. Returns the seconds until the next one may be sent."""
        match outcome:
            case Accepted():
                self._spool.acknowledged(waiting.sequence)
                self._backoff.reset()
                self._apply_answer(waiting, outcome)
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
                # The jitter is added to the service's time, so that agents do not all retry at the same time.
                delay = (retry_after or 0.0) + self._backoff.next_delay()
                log.warning(
                    "送信できません: %s。%.0f 秒後に再送します（未送信 %d 件）。", reason, delay, self._spool.count()
                )
                return delay

    def _apply_answer(self, waiting: SpooledHeartbeat, answer: Accepted) -> None:
        """Apply the content of an answer: the time of the next heartbeat, the service's clock, its commands."""
        self._interval = min(max(answer.next_heartbeat_in, MIN_INTERVAL_SECONDS), MAX_INTERVAL_SECONDS)
        if waiting.sequence == self._newest:
            # The service sets this agent's phase. Answers to older heartbeats of a backlog do not, or sending it would
            # postpone the next reading again and again.
            self._next_reading = monotonic() + self._interval
        if answer.server_time:
            self._context.recent.clock_skew = (datetime.now(UTC) - answer.server_time).total_seconds()
        if answer.commands:
            self._context.book.take(answer.commands)
