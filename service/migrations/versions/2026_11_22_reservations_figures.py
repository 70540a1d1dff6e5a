"""The management's months."""

from __future__ import annotations

revision = "0032_reservations_figures"
down_revision = "0031_reservations_chores"


def upgrade() -> None:
    """To be written."""


def downgrade() -> None:
    """To be written."""
