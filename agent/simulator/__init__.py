"""Played parts: a TC-200 on a pseudo serial line, and whole fleets of agents against a service on this machine."""

MAX_TERMINALS = 20_000
MAX_SECONDS = 86_400.0


class SimulatorError(Exception):
    """The simulation cannot go on; the message is Japanese."""
