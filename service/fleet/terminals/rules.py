"""PC or terminal? What the newest facts say about the cause, before anybody has looked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

# So much of a network silent is the network.
NETWORK_SHARE = 0.5


class Finding(StrEnum):
    """`closed`: nothing is heard, outside of the learned opening hours. `*_silent`: nothing is heard, of the PC alone,
    of its whole store, of others behind the same line too."""

    WELL = "well"
    NEVER_HEARD = "never_heard"
    SHUT_DOWN = "shut_down"
    CLOSED = "closed"
    PC_SILENT = "pc_silent"
    STORE_SILENT = "store_silent"
    NETWORK_SILENT = "network_silent"
    CLONED = "cloned"
    TERMINAL_UNPLUGGED = "terminal_unplugged"
    OTHER_TERMINAL = "other_terminal"
    TERMINAL_ERROR = "terminal_error"


@dataclass(frozen=True)
class Neighbours:
    """Other terminals that were heard of at some time, and how many of them are silent without having said good-bye."""

    others: int
    silent: int


@dataclass(frozen=True)
class Facts:
    """`store` are the neighbours in the same store, `network` those behind the same line in other stores."""

    heard: bool
    silent: bool
    shut_down: bool
    closed: bool
    cloned: bool
    connected: bool | None
    other_serial: bool
    error: bool
    store: Neighbours
    network: Neighbours


def finding(facts: Facts) -> Finding:
    if not facts.heard:
        return Finding.NEVER_HEARD
    if facts.shut_down:
        return Finding.SHUT_DOWN  # It has said so itself, and nothing was heard since: no silence has to be waited for.
    return _of_silence(facts) if facts.silent else _of_what_is_heard(facts)


def _of_silence(facts: Facts) -> Finding:
    if facts.closed:
        return Finding.CLOSED
    if facts.network.silent and facts.network.silent >= NETWORK_SHARE * facts.network.others:
        return Finding.NETWORK_SILENT
    if facts.store.silent and facts.store.silent == facts.store.others:
        return Finding.STORE_SILENT
    return Finding.PC_SILENT


def _of_what_is_heard(facts: Facts) -> Finding:
    if facts.cloned:
        return Finding.CLONED
    if facts.connected is False:
        return Finding.TERMINAL_UNPLUGGED
    if facts.other_serial:
        return Finding.OTHER_TERMINAL
    return Finding.TERMINAL_ERROR if facts.error else Finding.WELL
