"""Tags, limits of maintenance windows, and the diagnosis "PC or terminal": without database or web."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.fleet import rules
from service.fleet.history.rules import Hours, chart_step
from service.fleet.maintenance.rules import MAX_AHEAD, MAX_DURATION, START_TOLERANCE, window_error
from service.fleet.terminals.rules import Facts, Finding, Neighbours, diagnose

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
NO_NEIGHBOURS = Neighbours(0, 0)
WELL = Facts(
    has_heartbeat=True,
    silent=False,
    shut_down=False,
    closed=False,
    cloned=False,
    connected=True,
    other_serial=False,
    error=False,
    store=NO_NEIGHBOURS,
    network=NO_NEIGHBOURS,
)
SILENT = replace(WELL, silent=True)

tag_lists = st.lists(st.sampled_from(list("abcdef")), max_size=6)


@given(tag_lists, tag_lists, tag_lists)
def test_added_tags_are_present_and_removed_ones_are_not(tags: list[str], add: list[str], remove: list[str]) -> None:
    after = rules.retagged(tags, add, remove)

    assert set(add) <= set(after)
    assert not (set(remove) - set(add)) & set(after)
    assert set(tags) - set(remove) <= set(after)
    assert len(after) == len(set(after))
    assert rules.retagged(after, add, remove) == rules.distinct([tag for tag in after if tag not in remove] + add)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (WELL, Finding.WELL),
        (replace(WELL, has_heartbeat=False, silent=True), Finding.NEVER_HEARD),
        (replace(WELL, error=True), Finding.TERMINAL_ERROR),
        (replace(WELL, error=True, connected=False), Finding.TERMINAL_UNPLUGGED),
        (replace(WELL, connected=None), Finding.WELL),
        (replace(WELL, other_serial=True), Finding.OTHER_TERMINAL),
        (replace(WELL, cloned=True, connected=False), Finding.CLONED),
        (SILENT, Finding.PC_SILENT),
        (replace(SILENT, connected=False, error=True), Finding.PC_SILENT),
        (replace(SILENT, shut_down=True, store=Neighbours(2, 2)), Finding.SHUT_DOWN),
        (replace(WELL, shut_down=True), Finding.SHUT_DOWN),
        (replace(SILENT, closed=True, store=Neighbours(2, 2), network=Neighbours(4, 4)), Finding.CLOSED),
        (replace(SILENT, closed=True, shut_down=True), Finding.SHUT_DOWN),
        (replace(WELL, closed=True), Finding.WELL),
        (replace(SILENT, store=Neighbours(2, 1)), Finding.PC_SILENT),
        (replace(SILENT, store=Neighbours(2, 2)), Finding.STORE_SILENT),
        (replace(SILENT, store=Neighbours(2, 2), network=Neighbours(4, 1)), Finding.STORE_SILENT),
        (replace(SILENT, store=Neighbours(2, 2), network=Neighbours(4, 2)), Finding.NETWORK_SILENT),
        (replace(WELL, store=Neighbours(2, 2), network=Neighbours(4, 4)), Finding.WELL),
    ],
)
def test_pc_or_terminal(facts: Facts, expected: Finding) -> None:
    assert diagnose(facts) is expected


@pytest.mark.parametrize(
    ("starts", "ends", "field"),
    [
        (NOW, NOW + HOUR, None),
        (NOW - START_TOLERANCE, NOW + HOUR, None),
        (NOW - START_TOLERANCE - timedelta(seconds=1), NOW + HOUR, "starts_at"),
        (NOW + MAX_AHEAD, NOW + MAX_AHEAD + HOUR, None),
        (NOW + MAX_AHEAD + HOUR, NOW + MAX_AHEAD + 2 * HOUR, "starts_at"),
        (NOW + HOUR, NOW + HOUR, "ends_at"),
        (NOW - START_TOLERANCE / 2, NOW - START_TOLERANCE / 4, "ends_at"),
        (NOW, NOW + MAX_DURATION, None),
        (NOW, NOW + MAX_DURATION + HOUR, "ends_at"),
    ],
)
def test_maintenance_is_within_bounds(starts: datetime, ends: datetime, field: str | None) -> None:
    error = window_error(starts, ends, NOW)

    assert (error[0] if error else None) == field


@pytest.mark.parametrize(
    ("hours", "interval", "minutes"),
    [(24, 300, 10), (24, 5, 10), (24, 900, 30), (168, 300, 60), (168, 3600, 120), (720, 300, 1440), (8760, 5, 1440)],
)
def test_a_step_never_shows_a_gap_where_there_is_none(hours: int, interval: int, minutes: int) -> None:
    assert chart_step(Hours(hours), interval) == timedelta(minutes=minutes)
