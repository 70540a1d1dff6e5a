"""The baseline of the entries: nurseries, parents, children, stations, logs, attendance, cards."""

from __future__ import annotations

from service.migrations import baseline

revision = "0042_entries"
down_revision = "0041_fleet"


def upgrade() -> None:
    baseline.create("entries")


def downgrade() -> None:
    baseline.refuse_downgrade()
