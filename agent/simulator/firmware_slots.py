"""The simulated TC-200's firmware: two slots, a file in pieces, a trial after the restart, and ways to go wrong."""

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
    """What a bad firmware or a bad terminal may do."""

    REFUSES = "refuses"  # NG to FWBEGIN
    BUSY_ONCE = "busy-once"  # a payment is going on at the first FWBEGIN
    DIES_MIDWAY = "dies-midway"  # the port goes away in the middle of the file, for good
    RESTARTS_MIDWAY = "restarts-midway"  # ... and comes back having forgotten the file, once
    DAMAGES = "damages"  # its memory spoils the first file: FWCOMMIT says BAD_SHA256, once
    WRONG_VERSION = "wrong-version"  # after the restart INFO names another version
    NEVER_TAKES = "never-takes"  # it restarts with the old version, as if nothing had been sent
    NEVER_RETURNS = "never-returns"  # after the restart the port stays away
    FALLS_BACK = "falls-back"  # its own checks fail, it is back on the old version by itself
    UNWELL = "unwell"  # the new firmware reports an error


class Refusal(Exception):
    """NG; the argument is the code."""


class Slots:
    """The firmware side of one terminal. `wants_restart` and `is_dead` are for its line to obey."""

    def __init__(self, version: str, fault: Fault | None = None, trial_seconds: float = TRIAL_SECONDS) -> None:
        self.version = version
        self.on_trial = False
        self.reverted: str | None = None
        self.wants_restart = False
        self.is_dead = False
        self.unwell = False
        self._fault = fault
        self._spent = False
        self._trial_seconds = trial_seconds
        self._trial_ends = 0.0
        self._previous = version
        self._staged: tuple[str, int, str] | None = None
        self._content = bytearray()
        self._next: str | None = None

    def facts(self) -> dict[str, str]:
        """What INFO says about it."""
        self.look_at_the_clock()
        reverted = {"reverted": self.reverted} if self.reverted else {}
        return {"firmware": self.version, "slot": "trial" if self.on_trial else "main", **reverted}

    def look_at_the_clock(self) -> None:
        """A trial that nobody confirmed ends with the old firmware."""
        if self.on_trial and not self.wants_restart and monotonic() >= self._trial_ends:
            self._go_back()

    def seconds_to_the_end_of_the_trial(self) -> float | None:
        """None when there is none."""
        return max(0.0, self._trial_ends - monotonic()) if self.on_trial and not self.wants_restart else None

    def answer(self, command: str, values: Mapping[str, str]) -> dict[str, str]:
        """The values of the OK. Raises Refusal."""
        known = {
            "FWBEGIN": self._begin,
            "FWDATA": self._data,
            "FWCOMMIT": self._commit,
            "FWCONFIRM": self._confirm,
            "FWROLLBACK": self._roll_back,
            "FWABORT": self._abort,
        }
        if command not in known:
            raise Refusal("UNKNOWN_COMMAND")
        try:
            return known[command](values)
        except (KeyError, ValueError):
            raise Refusal("BAD_VALUE") from None

    def restart(self) -> None:
        """The port was away; what runs now?"""
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
        if self._once(Fault.BUSY_ONCE):
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
            if self._once(Fault.RESTARTS_MIDWAY):
                self._staged, self.wants_restart = None, True
        return {"offset": str(len(self._content))}

    def _commit(self, _: Mapping[str, str]) -> dict[str, str]:
        if self._staged is None or len(self._content) != self._staged[1]:
            raise Refusal("NOT_BEGUN")
        version, _size, sha256 = self._staged
        if self._once(Fault.DAMAGES):
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
        self._go_back()
        return {}

    def _abort(self, _: Mapping[str, str]) -> dict[str, str]:
        self._staged, self._content = None, bytearray()
        return {}

    def _go_back(self) -> None:
        self.reverted = self.version
        self._next, self.wants_restart = self._previous, True

    def _once(self, fault: Fault) -> bool:
        happens = self._fault is fault and not self._spent
        self._spent = self._spent or happens
        return happens
