"""What a password has to be, and the one-time passwords that the service makes up."""

from __future__ import annotations

import secrets
import unicodedata
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from service.core.clock import real_now

SHORTEST, LONGEST = 10, 200
# A slip of paper that nobody used must not stay a key. The pages say 72時間.
ONE_TIME = timedelta(hours=72)
# No letters and digits that people take for one another when they read a slip of paper.
READABLE = "abcdefghjkmnpqrstuvwxyz23456789"
# What the lists of stolen passwords are full of, one word a line. A password counts as common, too, when it is one of
# them with digits or signs before or behind.
COMMON = Path(__file__).with_name("common_passwords.txt")


@lru_cache(maxsize=1)
def common_words() -> frozenset[str]:
    return frozenset(COMMON.read_text(encoding="utf-8").split())


def problem_with(password: str, login_id: str, *, is_old: bool = False) -> str | None:
    """Why it cannot be taken, in words; None when it can."""
    plain = unicodedata.normalize("NFKC", password).casefold()
    if len(password) < SHORTEST:
        return f"パスワードは{SHORTEST}文字以上にしてください。"
    if len(password) > LONGEST:
        return f"パスワードは{LONGEST}文字以内にしてください。"
    if is_old:
        return "いまのパスワードとは違うものにしてください。"
    if login_id.casefold() in (plain, plain[::-1]) or plain.strip("0123456789") == login_id.casefold():
        return "ログインIDと同じパスワードは使えません。別のものにしてください。"
    if _is_common(plain):
        return "推測されやすいパスワードです。ほかの人が思いつかない、別のものにしてください。"
    return None


def _is_common(plain: str) -> bool:
    if plain.strip("0123456789!?#$@%&*+-_. ") in common_words() | {""} or plain in common_words():
        return True
    if len(set(plain)) <= 2:
        return True
    # 1234567890, abcdefghij, 9876543210: every character follows the one before, also from 9 to 0.
    steps = {(ord(after) - ord(before)) % 10 for before, after in pairwise(plain)}
    return steps in ({1}, {9})


def one_time_until() -> datetime:
    """Until when a one-time password that is made now is good."""
    return real_now() + ONE_TIME


def one_time_password() -> str:
    """Three groups of five: about 74 bits, and short enough to be read out once."""
    return "-".join("".join(secrets.choice(READABLE) for _ in range(5)) for _ in range(3))
