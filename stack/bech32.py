"""Bech32 (BIP 173): how age writes its keys, with a check for slips of the pen."""

from __future__ import annotations

from collections.abc import Iterable

LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def encode(kind: str, data: bytes) -> str:
    fives = _regrouped(data, 8, 5, fill=True)
    check = _checked([*_spread(kind), *fives, *[0] * 6]) ^ 1
    return f"{kind}1" + "".join(LETTERS[five] for five in [*fives, *(check >> 5 * (5 - n) & 31 for n in range(6))])


def decode(word: str) -> tuple[str, bytes]:
    """Its kind, in small letters, and what it holds. Raises ValueError."""
    if word not in (word.lower(), word.upper()):
        raise ValueError("capital and small letters are mixed")
    kind, _, rest = word.lower().rpartition("1")
    fives = [LETTERS.index(letter) for letter in rest]
    if not kind or len(fives) < 6 or _checked([*_spread(kind), *fives]) != 1:
        raise ValueError("a letter is wrong")
    return kind, bytes(_regrouped(fives[:-6], 5, 8, fill=False))


def _spread(kind: str) -> list[int]:
    return [*(ord(letter) >> 5 for letter in kind), 0, *(ord(letter) & 31 for letter in kind)]


def _checked(values: Iterable[int]) -> int:
    check = 1
    for value in values:
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate(_GENERATOR):
            check ^= generator if top >> place & 1 else 0
    return check


def _regrouped(values: Iterable[int], width: int, wanted: int, *, fill: bool) -> list[int]:
    held = bits = 0
    made = []
    for value in values:
        held, bits = held << width | value, bits + width
        while bits >= wanted:
            bits -= wanted
            made.append(held >> bits & (1 << wanted) - 1)
    left = held & (1 << bits) - 1
    if fill and bits:
        made.append(left << wanted - bits)
    elif not fill and (bits >= width or left):
        raise ValueError("there is something left over")
    return made
