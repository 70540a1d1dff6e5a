"""The simulated TC-200's firmware: after any requests in any order, one of two firmwares runs."""

import hashlib
from base64 import urlsafe_b64encode
from contextlib import suppress
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.simulator import firmware_slots
from agent.simulator.firmware_slots import Fault, Refusal, Slots

CONTENT = bytes(range(256)) * 3
SHA256 = hashlib.sha256(CONTENT).hexdigest()
BEGIN = ("FWBEGIN", {"version": "2.0.0", "size": str(len(CONTENT)), "sha256": SHA256})


def piece(offset: int) -> tuple[str, dict[str, str]]:
    text = urlsafe_b64encode(CONTENT[offset : offset + 336]).decode().rstrip("=")
    return "FWDATA", {"offset": str(offset), "data": text}


REQUESTS: st.SearchStrategy[tuple[str, dict[str, str]]] = st.one_of(
    st.just(BEGIN),
    st.sampled_from([0, 336, 672]).map(piece),
    st.sampled_from(["FWCOMMIT", "FWCONFIRM", "FWROLLBACK", "FWABORT", "RESTART", "WAIT"]).map(lambda name: (name, {})),
    st.tuples(st.text(max_size=9), st.dictionaries(st.sampled_from(["offset", "data", "size"]), st.text(max_size=9))),
    st.tuples(
        st.sampled_from(["FWBEGIN", "FWDATA"]),
        st.dictionaries(st.sampled_from(["offset", "data", "size", "version", "sha256"]), st.text(max_size=9)),
    ),
)


@settings(max_examples=150, deadline=None)
@given(st.booleans(), st.lists(REQUESTS, max_size=25), st.none() | st.sampled_from(list(Fault)))
def test_no_order_of_requests_ends_in_anything_but_one_of_the_two_firmwares(
    starts_on_trial: bool, requests: list[tuple[str, dict[str, str]]], fault: Fault | None
) -> None:
    if starts_on_trial:
        # Random requests seldom reach a restart, so half of the examples start after one.
        requests = [BEGIN, BEGIN, piece(0), piece(336), piece(672), ("FWCOMMIT", {}), ("RESTART", {}), *requests]
    clock = [0.0]
    with patch.object(firmware_slots, "monotonic", lambda: clock[0]):
        slots = Slots("1.0.0", fault)
        for command, values in requests:
            if command == "WAIT":
                clock[0] += 700
                slots.look_at_the_clock()
            elif command == "RESTART":
                slots.restart()
            else:
                with suppress(Refusal):
                    slots.answer(command, values)
        # Without further requests it is stable after the end of the trial.
        for _ in range(3):
            clock[0] += 700
            slots.look_at_the_clock()
            if slots.wants_restart:
                slots.restart()
        assert not slots.on_trial
        assert slots.version in ("1.0.0", "2.0.0") or fault is Fault.WRONG_VERSION
        if slots.version != "1.0.0":
            assert "FWCONFIRM" in [command for command, _ in requests]


def test_only_the_whole_and_right_file_is_ever_started() -> None:
    slots = Slots("1.0.0")
    slots.answer(*BEGIN)
    for offset in (672, 0, 0, 336):
        slots.answer(*piece(offset))
    for _ in range(2):
        with suppress(Refusal):
            slots.answer("FWCOMMIT", {})
    assert not slots.wants_restart
    assert slots.answer(*piece(672)) == {"offset": str(len(CONTENT))}
    slots.answer("FWCOMMIT", {})
    slots.restart()
    assert slots.facts() == {"firmware": "2.0.0", "slot": "trial"}
