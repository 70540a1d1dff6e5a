"""Tags, the bounds of maintenance, and PC or terminal: without database or web."""

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

MOMENT = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOBODY = Neighbours(0, 0)
WELL = Facts(
    heard=True,
    silent=False,
    shut_down=False,
    closed=False,
    cloned=False,
    connected=True,
    other_serial=False,
    error=False,
    store=NOBODY,
    network=NOBODY,
)
SILENT = replace(WELL, silent=True)

words = st.lists(st.sampled_from(list("abcdef")), max_size=6)


@given(words, words, words)
def test_what_is_added_is_there_and_what_is_removed_only_is_not(
    tags: list[str], add: list[str], remove: list[str]
) -> None:
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
        (replace(WELL, heard=False, silent=True), Finding.NEVER_HEARD),
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
        (MOMENT, MOMENT + HOUR, None),
        (MOMENT - START_TOLERANCE, MOMENT + HOUR, None),
        (MOMENT - START_TOLERANCE - timedelta(seconds=1), MOMENT + HOUR, "starts_at"),
        (MOMENT + MAX_AHEAD, MOMENT + MAX_AHEAD + HOUR, None),
        (MOMENT + MAX_AHEAD + HOUR, MOMENT + MAX_AHEAD + 2 * HOUR, "starts_at"),
        (MOMENT + HOUR, MOMENT + HOUR, "ends_at"),
        (MOMENT - START_TOLERANCE / 2, MOMENT - START_TOLERANCE / 4, "ends_at"),
        (MOMENT, MOMENT + MAX_DURATION, None),
        (MOMENT, MOMENT + MAX_DURATION + HOUR, "ends_at"),
    ],
)
def test_maintenance_is_within_bounds(starts: datetime, ends: datetime, field: str | None) -> None:
    wrong = window_error(starts, ends, MOMENT)

    assert (wrong[0] if wrong else None) == field


@pytest.mark.parametrize(
    ("hours", "interval", "minutes"),
    [(24, 300, 10), (24, 5, 10), (24, 900, 30), (168, 300, 60), (168, 3600, 120), (720, 300, 1440), (8760, 5, 1440)],
)
def test_a_step_never_shows_a_gap_where_there_is_none(hours: int, interval: int, minutes: int) -> None:
    assert chart_step(Hours(hours), interval) == timedelta(minutes=minutes)
