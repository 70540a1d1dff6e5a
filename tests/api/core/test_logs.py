"""Logs are JSON lines without secrets, whatever fails."""

from __future__ import annotations

import json
import logging

import pytest
from fastapi.testclient import TestClient

from service.core.access import identity
from service.core.monitoring import logs

pytestmark = pytest.mark.usefixtures("logging_as_before")


def test_a_failing_sign_in_does_not_log_the_password(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure_logging("info")

    def broken(*_: object) -> None:
        raise RuntimeError("the database says no")

    monkeypatch.setattr(identity, "find_by_login_id", broken)
    answer = client.post("/api/auth/login", json={"login_id": "alice", "password": "MY-SECRET-PASSWORD"})

    output = capsys.readouterr().out
    assert answer.status_code == 500
    assert "the database says no" in output
    assert "MY-SECRET-PASSWORD" not in output
    for line in output.splitlines():
        assert json.loads(line)["event"]


def test_libraries_log_as_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure_logging("info")

    logging.getLogger("uvicorn.error").warning("from a library")

    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line)["event"] == "from a library"
