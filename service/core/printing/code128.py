"""Code 128 (ISO/IEC 15417), code sets B and C: text as the widths of bars and spaces."""

from __future__ import annotations

# The symbols 0 to 105: widths of bar, space, bar, space, bar, space in modules, eleven together.
_TABLE = (
    "212222 222122 222221 121223 121322 131222 122213 122312 132212 221213 221312 231212 112232 122132 122231 113222 "
    "123122 123221 223211 221132 221231 213212 223112 312131 311222 321122 321221 312212 322112 322211 212123 212321 "
    "232121 111323 131123 131321 112313 132113 132311 211313 231113 231311 112133 112331 132131 113123 113321 133121 "
    "313121 211331 231131 213113 213311 213131 311123 311321 331121 312113 312311 332111 314111 221411 431111 111224 "
    "111422 121124 121421 141122 141221 112214 112412 122114 122411 142112 142211 241211 221114 413111 241112 134111 "
    "111242 121142 121241 114212 124112 124211 411212 421112 421211 212141 214121 412121 111143 111341 131141 114113 "
    "114311 411113 411311 113141 114131 311141 411131 211412 211214 211232"
)
_WIDTHS = _TABLE.split()
_STOP = "2331112"
_TO_C, _TO_B, _START_B, _START_C = 99, 100, 104, 105

# Light margin on either side, in modules.
QUIET = 10


def symbols(text: str) -> list[int]:
    """Start, data and check symbol. Runs of digits are coded in pairs (set C) where that is shorter. Raises ValueError
    for an empty text, or for anything but printable ASCII."""
    if not text or not all(" " <= character <= "~" for character in text):
        raise ValueError("Code 128 (set B) holds printable ASCII only.")
    values: list[int] = []
    in_set_c = False
    position = 0
    while position < len(text):
        digits = _digits_from(text, position)
        at_edge = position == 0 or position + digits == len(text)
        # Each change of the set costs a symbol: set C is worth it from four digits at an edge, from six inside.
        is_shorter = digits >= (4 if at_edge else 6) or (position == 0 and digits == 2 == len(text))
        if in_set_c and digits >= 2:
            values.append(int(text[position : position + 2]))
            position += 2
        elif not in_set_c and is_shorter and digits % 2 == 0:
            values.append(_TO_C if values else _START_C)
            in_set_c = True
        else:
            # Also the first digit of an odd run: the rest is even.
            if in_set_c or not values:
                values.append(_TO_B if values else _START_B)
                in_set_c = False
            values.append(ord(text[position]) - 32)
            position += 1
    check = (values[0] + sum(weight * symbol for weight, symbol in enumerate(values[1:], 1))) % 103
    return [*values, check]


def _digits_from(text: str, position: int) -> int:
    end = position
    while end < len(text) and text[end].isdigit():
        end += 1
    return end - position


def modules(text: str) -> str:
    """The symbol as one character per module, 1 dark and 0 light, without quiet zones."""
    widths = "".join(_WIDTHS[symbol] for symbol in symbols(text)) + _STOP
    return "".join("10"[index % 2] * int(width) for index, width in enumerate(widths))
