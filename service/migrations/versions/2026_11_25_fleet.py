"""The baseline of the fleet: customers, terminals, their past, incidents, firmware."""

from __future__ import annotations

from service.migrations import baseline

revision = "0041_fleet"
down_revision = "0040_core"


def upgrade() -> None:
    baseline.create("fleet")


def downgrade() -> None:
    baseline.refuse_downgrade()
