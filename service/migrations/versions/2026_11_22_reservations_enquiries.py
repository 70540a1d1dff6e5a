"""Enquiries, and surveys of how content customers are."""

from __future__ import annotations

revision = "0030_reservations_enquiries"
down_revision = "0029_reservations_incidents"


def upgrade() -> None:
    """To be written."""


def downgrade() -> None:
    """To be written."""
