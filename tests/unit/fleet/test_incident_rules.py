"""What belongs to one incident, and in which words it is told."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.fleet.incidents.rules import (
    IncidentNotice,
    JoinableIncident,
    Scope,
    Trouble,
    group_troubles,
    network_of,
    notice_mail,
    shared_scope,
    suspects_mass_outage,
)
from service.fleet.rules import AlertType


def silent(
    terminal_id: int,
    customer_id: int = 1,
    store: str = "新宿店",
    network: str | None = None,
    kind: AlertType = AlertType.OFFLINE,
) -> Trouble:
    return Trouble(
        terminal_id,
        kind,
        "通信がありません",
        customer_id,
        f"顧客{customer_id}",
        store,
        f"{store} レジ{terminal_id}番",
        f"TC200-{terminal_id:06}",
        network,
    )


def ids(groups: list) -> list[list[int]]:  # type: ignore[type-arg]
    return sorted(sorted(member.terminal_id for member in one.members) for one in groups)


def test_the_silent_of_one_customer_belong_together() -> None:
    assert ids(group_troubles([silent(1), silent(2, store="池袋店"), silent(3, customer_id=2)], [])) == [[1, 2], [3]]


def test_the_silent_of_one_network_belong_together_across_customers() -> None:
    found = [silent(1, 1, network="8.8.8.0/24"), silent(2, 2, network="8.8.8.0/24"), silent(3, 3, network="9.9.9.0/24")]
    assert ids(group_troubles(found, [])) == [[1, 2], [3]]


def test_what_connects_two_groups_makes_them_one() -> None:
    found = [silent(1, 1), silent(2, 2, network="8.8.8.0/24"), silent(3, 1, network="8.8.8.0/24")]
    assert ids(group_troubles(found, [])) == [[1, 2, 3]]


def test_only_silence_is_grouped() -> None:
    found = [silent(1, kind=AlertType.ERROR), silent(2, kind=AlertType.ERROR), silent(3), silent(4)]
    assert ids(group_troubles(found, [])) == [[1], [2], [3, 4]]


def test_new_ones_join_the_earliest_open_incident_that_fits() -> None:
    earlier = JoinableIncident(7, frozenset({1}), frozenset())
    later = JoinableIncident(9, frozenset({2}), frozenset({"8.8.8.0/24"}))
    groups = group_troubles([silent(1, 1), silent(2, 3, network="8.8.8.0/24"), silent(3, 4)], [earlier, later])
    assert {one.incident_id: [m.terminal_id for m in one.members] for one in groups} == {7: [1], 9: [2], None: [3]}

    both = group_troubles([silent(1, 1, network="8.8.8.0/24")], [earlier, later])
    assert [one.incident_id for one in both] == [7]


@given(st.lists(st.tuples(st.integers(1, 6), st.sampled_from([None, "8.8.8.0/24", "9.9.9.0/24"])), max_size=12))
def test_every_silent_terminal_is_in_one_group_with_all_it_shares_something_with(
    places: list[tuple[int, str | None]],
) -> None:
    found = [silent(number, customer, network=network) for number, (customer, network) in enumerate(places, 1)]
    groups = group_troubles(found, [])
    of = {member.terminal_id: place for place, one in enumerate(groups) for member in one.members}
    assert sorted(of) == [trouble.terminal_id for trouble in found]
    for one, other in itertools.combinations(found, 2):
        if one.customer_id == other.customer_id or (one.network and one.network == other.network):
            assert of[one.terminal_id] == of[other.terminal_id]


@pytest.mark.parametrize(
    ("members", "scope"),
    [
        ([silent(1)], Scope.TERMINAL),
        ([silent(1), silent(2)], Scope.STORE),
        ([silent(1), silent(2, store="池袋店")], Scope.CUSTOMER),
        ([silent(1, 1, network="8.8.8.0/24"), silent(2, 2, network="8.8.8.0/24")], Scope.NETWORK),
        ([silent(1, 1, network="8.8.8.0/24"), silent(2, 2)], Scope.FLEET),
    ],
)
def test_an_incident_is_named_after_what_its_members_share(members: list[Trouble], scope: Scope) -> None:
    assert shared_scope(members).scope is scope


@pytest.mark.parametrize(
    ("address", "network"),
    [
        (None, None),
        ("127.0.0.1", None),
        ("192.168.1.7", None),
        ("10.0.0.1", None),
        ("::1", None),
        ("8.8.8.9", "8.8.8.0/24"),
        ("2001:4860:4860:1::8888", "2001:4860:4860::/48"),
    ],
)
def test_an_address_that_everybody_uses_says_nothing(address: str | None, network: str | None) -> None:
    assert network_of(address) == network


def test_so_many_at_once_are_rather_our_own_blindness() -> None:
    assert not suspects_mass_outage(19, 19)
    assert not suspects_mass_outage(300, 1000)
    assert suspects_mass_outage(301, 1000)


def test_the_mail_names_every_terminal_until_it_would_be_too_long() -> None:
    few, many = [silent(number) for number in (1, 2)], [silent(number) for number in range(1, 201)]
    subject, text = notice_mail(
        [IncidentNotice(1, shared_scope(few), few)], "2026/11/21（土）9:05", "https://tms.example/alerts"
    )
    assert subject == "【Genba】顧客1 - 新宿店: オフライン 2台"
    assert "TC200-000001" in text
    assert "TC200-000002" in text
    assert "https://tms.example/alerts" in text

    subject, text = notice_mail(
        [IncidentNotice(1, shared_scope(many), many)], "2026/11/21（土）9:05", "https://tms.example/alerts"
    )
    assert subject == "【Genba】顧客1 - 新宿店: オフライン 200台"
    assert "省略しました" in text
    assert len(text.splitlines()) < 70
