"""A process with a weak or missing secret does not start."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from service.core.settings import Settings


def settings(monkeypatch: pytest.MonkeyPatch, **environ: str) -> Settings:
    monkeypatch.setenv("DATABASE_URL", "postgresql://genba_app@db/genba")
    monkeypatch.setenv("SECRET_KEY", "".join(map(chr, range(65, 105))))
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return Settings()


@pytest.mark.parametrize("secret", ["", "changeme", "short", "x" * 31])
def test_a_missing_default_or_short_secret_is_refused(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    with pytest.raises(ValidationError, match="SECRET_KEY"):
        settings(monkeypatch, SECRET_KEY=secret)


def test_a_missing_database_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError, match="DATABASE_URL"):
        settings(monkeypatch, DATABASE_URL="")


def test_production_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GENBA_MODE", raising=False)

    assert settings(monkeypatch).mode == "production"


def test_the_direct_connection_falls_back_to_the_pooled_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings(monkeypatch).direct_url == "postgresql://genba_app@db/genba"
    assert settings(monkeypatch, DATABASE_DIRECT_URL="postgresql://x/y").direct_url == "postgresql://x/y"


@pytest.mark.parametrize(
    ("direct", "setting", "prepares"),
    [
        ("", "auto", True),
        ("postgresql://genba_app@db/genba", "auto", True),
        ("postgresql://genba_app@straight/genba", "auto", False),
        ("postgresql://genba_app@straight/genba", "on", True),
        ("", "off", False),
    ],
)
def test_statements_are_prepared_unless_pgbouncer_is_in_between(
    monkeypatch: pytest.MonkeyPatch, direct: str, setting: str, prepares: bool
) -> None:
    configured = settings(monkeypatch, DATABASE_DIRECT_URL=direct, DATABASE_PREPARED_STATEMENTS=setting)
    assert configured.prepares_statements is prepares
