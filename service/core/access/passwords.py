"""The rules for passwords, and the one-time passwords that the service generates."""

from __future__ import annotations

import secrets
import unicodedata
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from service.core.database.clock import real_now

MIN_LENGTH, MAX_LENGTH = 10, 200
# A one-time password that was not used must expire. The pages say 72時間.
ONE_TIME_LIFETIME = timedelta(hours=72)
# Without letters and digits that look alike on paper.
READABLE_CHARACTERS = "abcdefghjkmnpqrstuvwxyz23456789"
# Words that are frequent in lists of stolen passwords, one a line. A password is also common when it is one of them
# with digits or signs before or after it.
COMMON_WORDS_FILE = Path(__file__).with_name("common_passwords.txt")

# Digits and signs that people put before and after a word.
AROUND = "0123456789!?#$@%&*+-_. "


@lru_cache(maxsize=1)
def common_words() -> frozenset[str]:
    return frozenset(COMMON_WORDS_FILE.read_text(encoding="utf-8").split())


def problem_with(password: str, login_id: str, *, is_old: bool = False) -> str | None:
    """Why the password is refused, as a message for the user; None when it is accepted."""
    normalised = unicodedata.normalize("NFKC", password).casefold()
    if len(password) < MIN_LENGTH:
        return f"パスワードは{MIN_LENGTH}文字以上にしてください。"
    if len(password) > MAX_LENGTH:
        return f"パスワードは{MAX_LENGTH}文字以内にしてください。"
    if is_old:
        return "いまのパスワードとは違うものにしてください。"
    if _is_login_id(normalised, login_id.casefold()):
        return "ログインIDと同じパスワードは使えません。別のものにしてください。"
    if _is_common(normalised):
        return "推測されやすいパスワードです。ほかの人が思いつかない、別のものにしてください。"
    return None


def _is_login_id(normalised: str, login_id: str) -> bool:
    """Also backwards, several times, or with digits and signs before and after it."""
    texts = {text for whole in (normalised, normalised[::-1]) for text in (whole, whole.strip(AROUND)) if text}
    words = {word for word in (login_id, login_id.strip(AROUND)) if word}
    return any(text == word * (len(text) // len(word)) for text in texts for word in words)


def _is_common(normalised: str) -> bool:
    if normalised.strip(AROUND) in common_words() | {""} or normalised in common_words():
        return True
    if len(set(normalised)) <= 2:
        return True
    # 1234567890, abcdefghij, 9876543210: every character follows the one before, also from 9 to 0.
    steps = {(ord(following) - ord(previous)) % 10 for previous, following in pairwise(normalised)}
    return steps in ({1}, {9})


def one_time_until() -> datetime:
    """Until when a one-time password that is created now is valid."""
    return real_now() + ONE_TIME_LIFETIME


def one_time_password() -> str:
    """Three groups of five characters: about 74 bits, and short enough to be read aloud."""
    return "-".join("".join(secrets.choice(READABLE_CHARACTERS) for _ in range(5)) for _ in range(3))
