"""Bech32 (BIP 173): the encoding of age keys, with a checksum against typing errors."""

from __future__ import annotations

from collections.abc import Iterable

ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def encode(prefix: str, data: bytes) -> str:
    groups = _convert_bits(data, 8, 5, fill=True)
    checksum = _polymod([*_expand_prefix(prefix), *groups, *[0] * 6]) ^ 1
    return f"{prefix}1" + "".join(
        ALPHABET[group] for group in [*groups, *(checksum >> 5 * (5 - n) & 31 for n in range(6))]
    )


def decode(text: str) -> tuple[str, bytes]:
    """The prefix, in small letters, and the data. Raises ValueError."""
    if text not in (text.lower(), text.upper()):
        raise ValueError("capital and small letters are mixed")
    prefix, _, encoded = text.lower().rpartition("1")
    groups = [ALPHABET.index(letter) for letter in encoded]
    if not prefix or len(groups) < 6 or _polymod([*_expand_prefix(prefix), *groups]) != 1:
        raise ValueError("a letter is wrong")
    return prefix, bytes(_convert_bits(groups[:-6], 5, 8, fill=False))


def _expand_prefix(prefix: str) -> list[int]:
    return [*(ord(letter) >> 5 for letter in prefix), 0, *(ord(letter) & 31 for letter in prefix)]


def _polymod(values: Iterable[int]) -> int:
    checksum = 1
    for value in values:
        top, checksum = checksum >> 25, (checksum & 0x1FFFFFF) << 5 ^ value
        for index, generator in enumerate(_GENERATOR):
            checksum ^= generator if top >> index & 1 else 0
    return checksum


def _convert_bits(values: Iterable[int], from_bits: int, to_bits: int, *, fill: bool) -> list[int]:
    accumulator = bits = 0
    groups = []
    for value in values:
        accumulator, bits = accumulator << from_bits | value, bits + from_bits
        while bits >= to_bits:
            bits -= to_bits
            groups.append(accumulator >> bits & (1 << to_bits) - 1)
    remaining = accumulator & (1 << bits) - 1
    if fill and bits:
        groups.append(remaining << to_bits - bits)
    elif not fill and (bits >= from_bits or remaining):
        raise ValueError("there is something left over")
    return groups
