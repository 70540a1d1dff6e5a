"""Every refusal has one shape and says in Japanese what to do next."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.exc import OperationalError

from service.core.access import identity
from service.core.monitoring import health
from service.core.values.messages import MESSAGES


def assert_is_problem(answer: object, status: int) -> dict[str, object]:
    assert answer.status_code == status, answer.text  # type: ignore[attr-defined]
    assert answer.headers["content-type"] == "application/problem+json"  # type: ignore[attr-defined]
    body: dict[str, object] = answer.json()  # type: ignore[attr-defined]
    assert {"type", "title", "status", "detail", "errors"} == set(body)
    assert body["status"] == status
    assert str(body["detail"]).endswith("。")
    return body


def test_an_unknown_url_is_a_problem(client: TestClient) -> None:
    assert_is_problem(client.get("/api/nowhere"), 404)


def test_a_wrong_method_is_a_problem(client: TestClient) -> None:
    assert_is_problem(client.delete("/api/auth/login"), 405)


def test_broken_json_is_malformed_not_invalid(client: TestClient) -> None:
    answer = client.post("/api/auth/login", content=b"{", headers={"Content-Type": "application/json"})
    assert_is_problem(answer, 400)


def test_missing_fields_are_named(client: TestClient) -> None:
    body = assert_is_problem(client.post("/api/auth/login", json={"login_id": "alice"}), 422)
    assert body["errors"] == [{"field": "password", "message": "必須の項目です。"}]


def test_without_a_session_the_answer_is_401_and_without_the_right_403(
    client: TestClient, sign_in: Callable[..., TestClient]
) -> None:
    assert_is_problem(client.get("/api/fleet/summary"), 401)
    assert_is_problem(sign_in("vic", fleet="viewer").get("/api/fleet/summary"), 403)


def test_an_unexpected_failure_gives_a_reference_and_no_detail_of_it(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> dict[str, str]:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(health, "readiness", broken)
    answer = client.get("/api/health/ready", headers={"X-Request-Id": "abcdefgh-1"})

    body = assert_is_problem(answer, 500)
    assert "abcdefgh-1" in str(body["detail"])
    assert "secret detail" not in answer.text


def test_a_lost_database_is_503_with_retry_after(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose_connection() -> dict[str, str]:
        raise OperationalError("select", {}, Exception("server closed the connection"))

    monkeypatch.setattr(health, "readiness", lose_connection)
    answer = client.get("/api/health/ready")

    body = assert_is_problem(answer, 503)
    assert answer.headers["Retry-After"] == "5"
    assert body["detail"] == "データベースとの通信が途切れました。しばらく待ってから、もう一度お試しください。"


def test_after_a_lost_write_the_user_is_asked_to_check_whether_it_was_stored(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose_connection(*_: object) -> None:
        raise OperationalError("select", {}, Exception("server closed the connection"))

    monkeypatch.setattr(identity, "find_by_login_id", lose_connection)
    answer = client.post("/api/auth/login", json={"login_id": "alice", "password": "x"})

    assert "変更が保存されたかを確認してください。" in str(assert_is_problem(answer, 503)["detail"])


@pytest.mark.parametrize("kind", sorted(MESSAGES))
def test_every_message_is_a_japanese_sentence(kind: str) -> None:
    text = MESSAGES[kind]
    assert text.endswith("。") or text in ("{reason}", "{takes}")


@pytest.mark.parametrize("name", ["body", "query", "path", "a secret", "", "é"])
def test_an_unknown_field_is_refused_whatever_its_name(client: TestClient, name: str) -> None:
    """FastAPI puts such words before the names of fields; as names of fields they must not be lost."""
    answer = client.post("/api/auth/login", json={"login_id": "alice", "password": "x", name: 1})

    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error == {"field": name if name.isascii() and name.isalpha() else "?", "message": "使えない項目です。"}
