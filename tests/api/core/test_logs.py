"""Logs are JSON lines without secrets, whatever fails."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from service.core import identity, logs


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_failing_sign_in_does_not_log_the_password(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure_logging("info")

    def broken(*_: object) -> None:
        raise RuntimeError("the database says no")

    monkeypatch.setattr(identity, "find_by_login_id", broken)
    answer = client.post("/api/auth/login", json={"login_id": "alice", "password": "MY-SECRET-PASSWORD"})

    said = capsys.readouterr().out
    assert answer.status_code == 500
    assert "the database says no" in said
    assert "MY-SECRET-PASSWORD" not in said
    for line in said.splitlines():
        assert json.loads(line)["event"]


def test_libraries_log_as_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure_logging("info")

    logging.getLogger("uvicorn.error").warning("from a library")

    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line)["event"] == "from a library"
