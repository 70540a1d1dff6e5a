"""The maintenance calendar and the drafted reports."""

from __future__ import annotations

revision = "0031_reservations_chores"
down_revision = "0030_reservations_enquiries"


def upgrade() -> None:
    """To be written."""


def downgrade() -> None:
    """To be written."""
