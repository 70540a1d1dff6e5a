"""Played parts: a TC-200 on a pseudo serial line, and whole fleets of agents against a service on this machine."""

MAX_TERMINALS = 20_000
MAX_SECONDS = 86_400.0

# How a played terminal's firmware update can fail: with one of the agent's codes, or installed well and then reporting
# an error for ever, or saying nothing any more.
ERRORS, SILENT = "errors", "silent"
KINDS = (
    *("bad_signature", "bad_checksum", "download_failed", "no_space"),
    *("device_refused", "device_lost", "wrong_version_after_restart", ERRORS, SILENT),
)


class SimulatorError(Exception):
    """The simulation cannot go on; the message is Japanese."""
