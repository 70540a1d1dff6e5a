"""Simulators: a TC-200 on a pseudo terminal, and whole fleets of agents for a service on this machine."""

MAX_TERMINALS = 20_000
MAX_SECONDS = 86_400.0

# How a simulated terminal's firmware update can fail: with one of the agent's codes, or after a successful installation
# by reporting an error permanently, or by sending nothing any more.
ERRORS, SILENT = "errors", "silent"
KINDS = (
    *("bad_signature", "bad_checksum", "download_failed", "no_space"),
    *("device_refused", "device_lost", "wrong_version_after_restart", ERRORS, SILENT),
)


class SimulatorError(Exception):
    """The simulation cannot go on; the message is Japanese."""
