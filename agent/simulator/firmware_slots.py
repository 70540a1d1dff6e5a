"""The simulated TC-200's firmware: two slots, a file in chunks, a trial after the restart, and faults."""

import hashlib
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from enum import StrEnum
from time import monotonic

CHUNK_BYTES = 336
MAX_BYTES = 64 * 1024 * 1024
TRIAL_SECONDS = 600.0
RESTART_SECONDS = 3.0


class Fault(StrEnum):
    """Faults of a firmware or a terminal."""

    REFUSES = "refuses"  # NG to FWBEGIN
    BUSY_ONCE = "busy-once"  # a payment is in progress at the first FWBEGIN
    DIES_MIDWAY = "dies-midway"  # the port disappears permanently in the middle of the file
    RESTARTS_MIDWAY = "restarts-midway"  # restarts in the middle of the file and has lost it, once
    DAMAGES = "damages"  # the first file is damaged in its memory: FWCOMMIT answers BAD_SHA256, once
    WRONG_VERSION = "wrong-version"  # after the restart INFO reports another version
    NEVER_TAKES = "never-takes"  # it restarts with the old version, as if nothing had been sent
    NEVER_RETURNS = "never-returns"  # after the restart the port does not come back
    FALLS_BACK = "falls-back"  # its self-test fails, and it reverts to the old version by itself
    UNWELL = "unwell"  # the new firmware reports an error


class Refusal(Exception):
    """NG; the argument is the code."""


class Slots:
    """The firmware of one terminal. Its line must act on `wants_restart` and `is_dead`."""

    def __init__(self, version: str, fault: Fault | None = None, trial_seconds: float = TRIAL_SECONDS) -> None:
        self.version = version
        self.on_trial = False
        self.reverted: str | None = None
        self.wants_restart = False
        self.is_dead = False
        self.unwell = False
        self._fault = fault
        self._fault_used = False
        self._trial_seconds = trial_seconds
        self._trial_ends = 0.0
        self._previous = version
        self._staged: tuple[str, int, str] | None = None
        self._content = bytearray()
        self._next: str | None = None

    def facts(self) -> dict[str, str]:
        """The values of INFO about the firmware."""
        self.look_at_the_clock()
        reverted = {"reverted": self.reverted} if self.reverted else {}
        return {"firmware": self.version, "slot": "trial" if self.on_trial else "main", **reverted}

    def look_at_the_clock(self) -> None:
        """Reverts to the old firmware when a trial was not confirmed in time."""
        if self.on_trial and not self.wants_restart and monotonic() >= self._trial_ends:
            self._revert()

    def seconds_until_trial_end(self) -> float | None:
        """None without a trial."""
        return max(0.0, self._trial_ends - monotonic()) if self.on_trial and not self.wants_restart else None

    def answer(self, command: str, values: Mapping[str, str]) -> dict[str, str]:
        """The values of the OK. Raises Refusal."""
        handlers = {
            "FWBEGIN": self._begin,
            "FWDATA": self._data,
            "FWCOMMIT": self._commit,
            "FWCONFIRM": self._confirm,
            "FWROLLBACK": self._roll_back,
            "FWABORT": self._abort,
        }
        if command not in handlers:
            raise Refusal("UNKNOWN_COMMAND")
        try:
            return handlers[command](values)
        except (KeyError, ValueError):
            raise Refusal("BAD_VALUE") from None

    def restart(self) -> None:
        """Decides which firmware runs after a restart."""
        self.wants_restart = False
        self.unwell = False
        if self._next is None:
            return
        starting, self._next = self._next, None
        if starting == self._previous and self.on_trial:
            self.version, self.on_trial = starting, False
            return
        if self._fault is Fault.FALLS_BACK:
            self.reverted = starting
            return
        self._previous, self.version, self.on_trial = self.version, starting, True
        self._trial_ends = monotonic() + self._trial_seconds
        if self._fault is Fault.WRONG_VERSION:
            self.version = f"{starting}-x"[-20:]
        self.unwell = self._fault is Fault.UNWELL

    def _begin(self, values: Mapping[str, str]) -> dict[str, str]:
        if self._fault is Fault.REFUSES:
            raise Refusal("NOT_FOR_THIS_MODEL")
        if self._fault_once(Fault.BUSY_ONCE):
            raise Refusal("BUSY")
        if self.on_trial:
            raise Refusal("ON_TRIAL")
        announced = values["version"], int(values["size"]), values["sha256"]
        if not 0 < announced[1] <= MAX_BYTES:
            raise Refusal("TOO_LARGE")
        if announced != self._staged:
            self._staged, self._content = announced, bytearray()
        self.reverted = None
        return {"chunk": str(CHUNK_BYTES), "offset": str(len(self._content))}

    def _data(self, values: Mapping[str, str]) -> dict[str, str]:
        if self._staged is None:
            raise Refusal("NOT_BEGUN")
        text = values["data"]
        piece = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        if len(piece) > CHUNK_BYTES:
            raise Refusal("BAD_VALUE")
        if int(values["offset"]) == len(self._content):
            self._content += piece[: self._staged[1] - len(self._content)]
        if len(self._content) * 2 >= self._staged[1]:
            self.is_dead = self._fault is Fault.DIES_MIDWAY
            if self._fault_once(Fault.RESTARTS_MIDWAY):
                self._staged, self.wants_restart = None, True
        return {"offset": str(len(self._content))}

    def _commit(self, _: Mapping[str, str]) -> dict[str, str]:
        if self._staged is None or len(self._content) != self._staged[1]:
            raise Refusal("NOT_BEGUN")
        version, _size, sha256 = self._staged
        if self._fault_once(Fault.DAMAGES):
            self._content[0] ^= 1
        if hashlib.sha256(self._content).hexdigest() != sha256:
            raise Refusal("BAD_SHA256")
        self._staged, self._content = None, bytearray()
        self._next = None if self._fault is Fault.NEVER_TAKES else version
        self.wants_restart = True
        self.is_dead = self._fault is Fault.NEVER_RETURNS
        return {}

    def _confirm(self, _: Mapping[str, str]) -> dict[str, str]:
        self.look_at_the_clock()
        if self.wants_restart:
            raise Refusal("NOT_ON_TRIAL")
        self.on_trial = False
        return {}

    def _roll_back(self, _: Mapping[str, str]) -> dict[str, str]:
        if not self.on_trial:
            raise Refusal("NOT_ON_TRIAL")
        self._revert()
        return {}

    def _abort(self, _: Mapping[str, str]) -> dict[str, str]:
        self._staged, self._content = None, bytearray()
        return {}

    def _revert(self) -> None:
        self.reverted = self.version
        self._next, self.wants_restart = self._previous, True

    def _fault_once(self, fault: Fault) -> bool:
        happens = self._fault is fault and not self._fault_used
        self._fault_used = self._fault_used or happens
        return happens
