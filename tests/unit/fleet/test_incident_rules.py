"""Which troubles belong to one incident, and the text of the notice mail."""

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
    return sorted(sorted(member.terminal_id for member in group.members) for group in groups)


def test_silent_terminals_of_one_customer_are_one_group() -> None:
    assert ids(group_troubles([silent(1), silent(2, store="池袋店"), silent(3, customer_id=2)], [])) == [[1, 2], [3]]


def test_silent_terminals_of_one_network_are_one_group_across_customers() -> None:
    troubles = [
        silent(1, 1, network="8.8.8.0/24"),
        silent(2, 2, network="8.8.8.0/24"),
        silent(3, 3, network="9.9.9.0/24"),
    ]
    assert ids(group_troubles(troubles, [])) == [[1, 2], [3]]


def test_a_trouble_that_connects_two_groups_merges_them() -> None:
    troubles = [silent(1, 1), silent(2, 2, network="8.8.8.0/24"), silent(3, 1, network="8.8.8.0/24")]
    assert ids(group_troubles(troubles, [])) == [[1, 2, 3]]


def test_only_silence_is_grouped() -> None:
    troubles = [silent(1, kind=AlertType.ERROR), silent(2, kind=AlertType.ERROR), silent(3), silent(4)]
    assert ids(group_troubles(troubles, [])) == [[1], [2], [3, 4]]


def test_new_troubles_join_the_earliest_open_incident_that_fits() -> None:
    earlier = JoinableIncident(7, frozenset({1}), frozenset())
    later = JoinableIncident(9, frozenset({2}), frozenset({"8.8.8.0/24"}))
    groups = group_troubles([silent(1, 1), silent(2, 3, network="8.8.8.0/24"), silent(3, 4)], [earlier, later])
    assert {group.incident_id: [member.terminal_id for member in group.members] for group in groups} == {
        7: [1],
        9: [2],
        None: [3],
    }

    matching_both = group_troubles([silent(1, 1, network="8.8.8.0/24")], [earlier, later])
    assert [group.incident_id for group in matching_both] == [7]


@given(st.lists(st.tuples(st.integers(1, 6), st.sampled_from([None, "8.8.8.0/24", "9.9.9.0/24"])), max_size=12))
def test_silent_terminals_that_share_customer_or_network_are_in_one_group(
    places: list[tuple[int, str | None]],
) -> None:
    troubles = [silent(number, customer, network=network) for number, (customer, network) in enumerate(places, 1)]
    groups = group_troubles(troubles, [])
    group_of = {member.terminal_id: index for index, group in enumerate(groups) for member in group.members}
    assert sorted(group_of) == [trouble.terminal_id for trouble in troubles]
    for first, second in itertools.combinations(troubles, 2):
        if first.customer_id == second.customer_id or (first.network and first.network == second.network):
            assert group_of[first.terminal_id] == group_of[second.terminal_id]


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
def test_a_private_address_has_no_network(address: str | None, network: str | None) -> None:
    assert network_of(address) == network


def test_many_silent_terminals_suggest_a_mass_outage() -> None:
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
