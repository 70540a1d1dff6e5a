"""Alarms about the system and the threads of what Slack was told."""

from __future__ import annotations

revision = "0033_reservations_alarms"
down_revision = "0032_reservations_figures"


def upgrade() -> None:
    """To be written."""


def downgrade() -> None:
    """To be written."""
