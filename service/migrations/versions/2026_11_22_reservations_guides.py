"""Guides sent to shops."""

from __future__ import annotations

revision = "0034_reservations_guides"
down_revision = "0033_reservations_alarms"


def upgrade() -> None:
    """To be written."""


def downgrade() -> None:
    """To be written."""
