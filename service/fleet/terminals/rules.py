"""Automatic diagnosis: PC, terminal or network? Derived from the latest facts of the terminal and its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

# When at least this share of a network's terminals is silent, the cause is the network.
NETWORK_SHARE = 0.5


class Finding(StrEnum):
    """`closed`: silent outside the learned opening hours. `*_silent`: only the PC is silent, its whole store, or also
    other terminals on the same network."""

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
    """Other terminals with at least one heartbeat, and how many of them are silent without an orderly shutdown."""

    others: int
    silent: int


@dataclass(frozen=True)
class Facts:
    """`store`: the neighbours in the same store; `network`: those on the same network in other stores."""

    has_heartbeat: bool
    silent: bool
    shut_down: bool
    closed: bool
    cloned: bool
    connected: bool | None
    other_serial: bool
    error: bool
    store: Neighbours
    network: Neighbours


def diagnose(facts: Facts) -> Finding:
    if not facts.has_heartbeat:
        return Finding.NEVER_HEARD
    if facts.shut_down:
        return Finding.SHUT_DOWN  # The agent reported the shutdown itself: no need to wait for the silence.
    return _diagnose_silent(facts) if facts.silent else _diagnose_reporting(facts)


def _diagnose_silent(facts: Facts) -> Finding:
    if facts.closed:
        return Finding.CLOSED
    if facts.network.silent and facts.network.silent >= NETWORK_SHARE * facts.network.others:
        return Finding.NETWORK_SILENT
    if facts.store.silent and facts.store.silent == facts.store.others:
        return Finding.STORE_SILENT
    return Finding.PC_SILENT


def _diagnose_reporting(facts: Facts) -> Finding:
    if facts.cloned:
        return Finding.CLONED
    if facts.connected is False:
        return Finding.TERMINAL_UNPLUGGED
    if facts.other_serial:
        return Finding.OTHER_TERMINAL
    return Finding.TERMINAL_ERROR if facts.error else Finding.WELL
