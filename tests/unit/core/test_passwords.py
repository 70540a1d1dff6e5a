"""Which passwords are refused, with their messages."""

from __future__ import annotations

import pytest

from service.core.access import identity
from service.core.access.passwords import MIN_LENGTH, one_time_password, problem_with

# The values of production: tests/conftest.py replaces them by cheaper ones.
PRODUCTION_COST, UNKNOWN_USER_HASH = identity.BCRYPT_COST, identity._UNKNOWN_USER_HASH


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short", "10文字以上"),
        ("x" * 201, "200文字以内"),
        ("hanako.yamada", "ログインIDと同じ"),
        ("Hanako.Yamada", "ログインIDと同じ"),
        ("hanako.yamada1", "ログインIDと同じ"),
        ("adamay.okanah", "ログインIDと同じ"),
        ("!hanako.yamada#2026", "ログインIDと同じ"),
        ("hanako.yamadaHanako.Yamada", "ログインIDと同じ"),
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
def test_an_easily_guessed_password_is_refused(password: str, why: str) -> None:
    assert why in str(problem_with(password, "hanako.yamada"))


def test_a_login_id_with_a_number_is_no_password_with_another_number() -> None:
    assert "ログインIDと同じ" in str(problem_with("fleet-staff99", "fleet-staff01"))


def test_the_old_password_is_refused() -> None:
    assert "いまのパスワードとは違う" in str(problem_with("a perfectly fine one", "hanako", is_old=True))


@pytest.mark.parametrize("password", ["correct horse battery", "まったく新しい合言葉です", "k9-tR2!mmQz"])
def test_other_passwords_are_accepted(password: str) -> None:
    assert problem_with(password, "hanako.yamada") is None


def test_one_time_passwords_are_long_readable_valid_and_unique() -> None:
    passwords = {one_time_password() for _ in range(50)}

    assert len(passwords) == 50
    assert all(len(password) >= MIN_LENGTH and not set("0o1li") & set(password) for password in passwords)
    assert [password for password in passwords if problem_with(password, "hanako.yamada")] == []


def test_the_hash_of_an_unknown_user_costs_the_same_as_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "BCRYPT_COST", PRODUCTION_COST)

    assert identity.hash_password("x")[:7] == UNKNOWN_USER_HASH[:7] == "$2b$12$"
