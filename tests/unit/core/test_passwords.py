"""What a password has to be, in words."""

from __future__ import annotations

import pytest

from service.core.access import identity
from service.core.access.passwords import MIN_LENGTH, one_time_password, problem_with

# As production has them: what runs in a test process is quicker.
OF_PRODUCTION, NOBODY = identity.BCRYPT_COST, identity._UNKNOWN_USER_HASH


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short", "10文字以上"),
        ("x" * 201, "200文字以内"),
        ("hanako.yamada", "ログインIDと同じ"),
        ("Hanako.Yamada", "ログインIDと同じ"),
        ("hanako.yamada1", "ログインIDと同じ"),
        ("adamay.okanah", "ログインIDと同じ"),
        ("password123", "推測されやすい"),
        ("ｐａｓｓｗｏｒｄ１２３", "推測されやすい"),
        ("P@ssw0rd2026!", "推測されやすい"),
        ("genba-demo", "推測されやすい"),
        ("1qaz2wsx3edc", "推測されやすい"),
        ("1234567890", "推測されやすい"),
        ("0987654321", "推測されやすい"),
        ("abcdefghijkl", "推測されやすい"),
        ("aaaaaaaaaaaa", "推測されやすい"),
        ("20261121202", "推測されやすい"),
    ],
)
def test_what_is_easily_guessed_is_refused(password: str, why: str) -> None:
    assert why in str(problem_with(password, "hanako.yamada"))


def test_the_old_one_is_refused() -> None:
    assert "いまのパスワードとは違う" in str(problem_with("a perfectly fine one", "hanako", is_old=True))


@pytest.mark.parametrize("password", ["correct horse battery", "まったく新しい合言葉です", "k9-tR2!mmQz"])
def test_what_is_not_is_taken(password: str) -> None:
    assert problem_with(password, "hanako.yamada") is None


def test_one_time_passwords_are_long_readable_taken_and_never_the_same() -> None:
    made = {one_time_password() for _ in range(50)}

    assert len(made) == 50
    assert all(len(password) >= MIN_LENGTH and not set("0o1li") & set(password) for password in made)
    assert [password for password in made if problem_with(password, "hanako.yamada")] == []


def test_a_password_and_an_unknown_person_cost_the_same_quarter_of_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "BCRYPT_COST", OF_PRODUCTION)

    assert identity.hash_password("x")[:7] == NOBODY[:7] == "$2b$12$"
