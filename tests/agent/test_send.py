"""What each answer of the service means to the sender."""

from collections.abc import Callable

import pytest

from agent import __version__
from agent.send import (
    Accepted,
    EnrolmentRefused,
    Failed,
    RowRefused,
    Service,
    Unauthorised,
    read_enrolment,
    read_heartbeat,
)
from agent.transport import Answer, UnsafeUrl
from tests.agent.doubles import CODE, TOKEN, FakeService, Reply, accepted, problem


@pytest.fixture
def send(service: FakeService) -> Callable[[Reply], object]:
    def send_reply(reply: Reply) -> object:
        service.replies = [reply]
        client = Service(service.url, 2)
        try:
            return client.heartbeat(TOKEN, {"sequence": 1})
        finally:
            client.close()

    return send_reply


def test_an_accepted_heartbeat_carries_the_next_interval(send: Callable[[Reply], object], service: FakeService) -> None:
    assert send(accepted(42)) == Accepted(42)
    assert service.tokens == [f"Bearer {TOKEN}"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RowRefused),
        (413, RowRefused),
        (422, RowRefused),
        (401, Unauthorised),
        *[(status, Failed) for status in (301, 307, 403, 404, 408, 409, 429, 500, 502, 503)],
    ],
)
def test_each_refusal_keeps_the_services_own_words(
    send: Callable[[Reply], object], status: int, kind: type[RowRefused]
) -> None:
    outcome = send(problem(status, "理由はこちらです。"))
    assert isinstance(outcome, kind)
    assert outcome.reason == f"理由はこちらです。（HTTP {status}）"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("30", 30.0), ("0.5", 0.5), ("-4", 0.0), ("1e9", 3600.0), ("nan", None), ("soon", None), (None, None)],
)
def test_retry_after_is_read_in_seconds_up_to_an_hour(
    send: Callable[[Reply], object], header: str | None, seconds: float | None
) -> None:
    outcome = send(problem(503, "混雑", {"Retry-After": header} if header else {}))
    assert isinstance(outcome, Failed)
    assert outcome.retry_after == seconds


@pytest.mark.parametrize(
    "body",
    [
        b"<html>please sign in</html>",
        b"",
        b"[]",
        b'{"next_heartbeat_in": 5}',
        {"server_time": "x"},
        {"server_time": "x", "next_heartbeat_in": True},
        {"server_time": "x", "next_heartbeat_in": "5"},
    ],
)
def test_a_sign_in_page_that_says_200_has_stored_nothing(send: Callable[[Reply], object], body: object) -> None:
    assert isinstance(send(Reply(200, body)), Failed)


def test_a_dropped_connection_a_silent_and_an_absent_service_are_failures_in_words(service: FakeService) -> None:
    service.replies = [Reply(None), Reply(200, {}, hold=True)]
    client = Service(service.url, 0.2)
    for message in ("接続できません", "時間内に応答がありません"):
        outcome = client.heartbeat(TOKEN, {})
        assert isinstance(outcome, Failed)
        assert message in outcome.reason
    client.close()
    client = Service("http://127.0.0.1:9", 0.5)
    outcome = client.heartbeat(TOKEN, {})
    assert isinstance(outcome, Failed)
    assert "サービス http://127.0.0.1:9 に接続できません" in outcome.reason
    assert "service_urlとネットワークを確認" in outcome.reason
    client.close()


def test_an_endless_answer_is_cut_off(send: Callable[[Reply], object]) -> None:
    assert isinstance(send(Reply(200, b"x" * 10_000_000)), Failed)


def test_the_client_itself_refuses_plain_http_to_another_machine() -> None:
    with pytest.raises(UnsafeUrl):
        Service("http://tms.example.jp", 1)


def test_the_way_to_this_machine_never_goes_through_a_proxy(
    service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    client = Service(service.url, 2)
    assert client.heartbeat(TOKEN, {}) == Accepted(300)
    client.close()


def test_an_enrolment_gives_id_and_token_and_hides_the_token_in_its_repr(service: FakeService) -> None:
    client = Service(service.url, 2)
    enrolment = client.enrol(CODE, "TC200-1", "新宿店")
    with pytest.raises(EnrolmentRefused, match="登録コードが正しくありません"):
        client.enrol("BAD", "TC200-1", None)
    client.close()
    assert (enrolment.terminal_id, enrolment.token) == (1, TOKEN)
    assert TOKEN not in repr(enrolment)
    assert service.enrolments[0] == {
        "enrolment_code": CODE,
        "serial_number": "TC200-1",
        "store_name": "新宿店",
        "agent_version": __version__,
    }


def test_field_errors_are_shown_next_to_the_message() -> None:
    content = '{"detail": "入力に誤りがあります。", "errors": [{"field": "serial_number", "message": "長すぎます"}]}'
    with pytest.raises(EnrolmentRefused, match=r"入力に誤りがあります。.*serial_number.*長すぎます"):
        read_enrolment(Answer(422, {}, content.encode()))


def test_an_answer_that_is_no_problem_document_still_gives_a_reason() -> None:
    assert read_heartbeat(Answer(502, {}, b"<html>")) == Failed("（HTTP 502）")
    assert read_heartbeat(Answer(500, {}, b"\xff")) == Failed("（HTTP 500）")
