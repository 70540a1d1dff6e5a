"""The agent's three steps: collect a reading, spool it, send what is spooled, oldest first.

One thread decides by the clock which step is due. A slow or absent service never stops the readings: they wait in
the spool.
"""

import logging
import random
import sqlite3
from threading import Event
from time import monotonic

from agent.backoff import Backoff
from agent.collectors import Reading, collect
from agent.config import MAX_INTERVAL_SECONDS, MIN_INTERVAL_SECONDS, Settings
from agent.send import Accepted, Failed, Outcome, RowRefused, Service, Unauthorised
from agent.spool import Spool, Waiting
from agent.state import Credentials, load_firmware_version, save_firmware_version

# Between two heartbeats of a backlog: thousands of agents drain at once after an outage, each at about two a second.
DRAIN_PAUSE_SECONDS = (0.25, 0.75)
# After a refused token nothing changes until a person acts.
UNAUTHORISED_PAUSE_SECONDS = (600.0, 900.0)
ENROL_AGAIN = "サポートに登録コードの発行を依頼し、エージェントを停止して enrol で登録し直してください"

log = logging.getLogger("agent")


class Loop:
    """One store PC's agent."""

    def __init__(
        self,
        settings: Settings,
        credentials: Credentials,
        spool: Spool,
        service: Service,
        stop: Event,
        rng: random.Random | None = None,
    ) -> None:
        """`stop` ends `run` at its next step."""
        self._settings = settings
        self._credentials = credentials
        self._spool = spool
        self._service = service
        self._stop = stop
        self._rng = rng or random.Random()
        self._backoff = Backoff(self._rng)
        self._interval = settings.heartbeat_seconds
        self._newest = 0
        self._next_reading = 0.0

    def run(self) -> None:
        """Work until `stop` is set. Raises sqlite3.DatabaseError when the spool file is damaged."""
        # A random phase: the PCs of a whole district come back at the same instant after a power cut.
        self._next_reading = monotonic() + self._rng.uniform(0, self._settings.start_spread_seconds)
        next_send = self._next_reading
        while not self._stop.is_set():
            if monotonic() >= self._next_reading:
                self._next_reading = monotonic() + self._interval
                self._read_and_spool()
            waiting = self._spool.oldest()
            if waiting and monotonic() >= next_send:
                next_send = monotonic() + self._send(waiting)
            else:
                due = min(self._next_reading, next_send) if waiting else self._next_reading
                self._stop.wait(max(0.0, due - monotonic()))

    def once(self) -> str | None:
        """Take one reading and send everything that is spooled. Returns why something is left, or None."""
        if not self._read_and_spool():
            return "スプールに保存できません"
        while waiting := self._spool.oldest():
            outcome = self._service.heartbeat(self._credentials.token, waiting.body)
            if isinstance(outcome, Unauthorised):
                return f"トークンが無効か、取り消されています: {outcome.reason}。{ENROL_AGAIN}"
            if isinstance(outcome, Failed):
                return outcome.reason
            self._settle(waiting, outcome)
        return None

    def _read_and_spool(self) -> bool:
        reading = collect(self._settings, self._credentials.serial_number)
        if reading.error:
            log.warning("異常を検出しました: %s", reading.error)
        try:
            self._newest, dropped = self._spool.put(reading.heartbeat(self._firmware_version(reading)))
        except sqlite3.OperationalError as error:
            # A full disk, most likely. The next reading may fit again; stopping would only add silence.
            log.error("ハートビートをスプールに保存できません（%s）。ディスクの空き容量を確認してください。", error)
            return False
        if dropped:
            log.error(
                "未送信のハートビートが上限の %d 件に達したため、古いものから %d 件を破棄しました。"
                "サービスへの接続を確認してください。",
                self._settings.spool_limit,
                dropped,
            )
        return True

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

    def _send(self, waiting: Waiting) -> float:
        """Returns the seconds until the next heartbeat may be sent."""
        outcome = self._service.heartbeat(self._credentials.token, waiting.body)
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
                self._interval = min(max(outcome.next_heartbeat_in, MIN_INTERVAL_SECONDS), MAX_INTERVAL_SECONDS)
                if waiting.sequence == self._newest:
                    # The service sets this agent's phase. Answers to a backlog do not, or draining would put off
                    # the next reading again and again.
                    self._next_reading = monotonic() + self._interval
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
