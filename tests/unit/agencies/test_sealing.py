"""Encryption of card data."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.agencies import sealing
from service.agencies.sealing import KeyRing
from tests.card_keys import generate_key

OLD, NEW = generate_key(), generate_key()
RING = KeyRing.parse(OLD)
NUMBER = "4111111111111111"


@given(st.text(max_size=40), st.integers(1, 2**63 - 1))
def test_a_sealed_value_opens_for_its_corporation_and_field(value: str, corporation: int) -> None:
    kid, sealed = sealing.seal(RING, corporation, "number", value)

    assert sealing.unseal(RING, kid, corporation, "number", sealed) == value


def test_the_same_number_is_sealed_differently_each_time() -> None:
    assert sealing.seal(RING, 1, "number", NUMBER) != sealing.seal(RING, 1, "number", NUMBER)


def test_a_sealed_value_opens_nowhere_else() -> None:
    kid, sealed = sealing.seal(RING, 1, "number", NUMBER)

    for corporation, field in ((2, "number"), (1, "code"), (11, "number")):
        with pytest.raises(sealing.WrongSeal):
            sealing.unseal(RING, kid, corporation, field, sealed)


@given(st.integers(0, 8 * (12 + 16 + 16) - 1))
def test_a_changed_bit_is_refused(bit: int) -> None:
    kid, sealed = sealing.seal(RING, 1, "number", NUMBER)
    changed = bytearray(sealed)
    changed[bit // 8] ^= 1 << bit % 8

    with pytest.raises(sealing.WrongSeal):
        sealing.unseal(RING, kid, 1, "number", bytes(changed))


@pytest.mark.parametrize("length", [0, 5, 12, 27])
def test_a_truncated_value_is_refused(length: int) -> None:
    kid, sealed = sealing.seal(RING, 1, "number", NUMBER)

    with pytest.raises(sealing.WrongSeal):
        sealing.unseal(RING, kid, 1, "number", sealed[:length])


def test_after_a_new_key_is_put_first_old_values_open_and_new_ones_use_it() -> None:
    old_kid, sealed = sealing.seal(RING, 1, "number", NUMBER)
    rotated = KeyRing.parse(f"{NEW},{OLD}")

    assert sealing.unseal(rotated, old_kid, 1, "number", sealed) == NUMBER
    assert sealing.seal(rotated, 1, "number", NUMBER)[0] == rotated.current == NEW.partition(":")[0] != old_kid


def test_a_removed_key_is_named_in_the_error() -> None:
    kid, sealed = sealing.seal(RING, 1, "number", NUMBER)

    with pytest.raises(sealing.UnknownKey, match=kid):
        sealing.unseal(KeyRing.parse(NEW), kid, 1, "number", sealed)


def test_a_value_does_not_open_with_another_key_of_the_same_name() -> None:
    kid, sealed = sealing.seal(RING, 1, "number", NUMBER)
    other = KeyRing.parse(f"{kid}:{NEW.partition(':')[2]}")

    with pytest.raises(sealing.WrongSeal):
        sealing.unseal(other, kid, 1, "number", sealed)


def test_keys_are_never_shown() -> None:
    kid, _, encoded = OLD.partition(":")

    for text in (repr(RING), str(RING), f"{[RING]}"):
        assert kid in text
        assert encoded not in text
        assert repr(base64.b64decode(encoded)) not in text


@pytest.mark.parametrize(
    "setting",
    ["", "SECRETSECRET", "k1:SECRETSECRET", "k1:not base64!", f"k 1:{'SECRET' * 7}Q=", f"{OLD},{OLD}", f"{OLD},"],
    ids=range(7),
)
def test_an_invalid_setting_is_refused_without_repeating_it(setting: str) -> None:
    with pytest.raises(ValueError, match="key") as refused:
        KeyRing.parse(setting)
    assert "SECRET" not in str(refused.value)
    assert OLD.partition(":")[2] not in str(refused.value)
