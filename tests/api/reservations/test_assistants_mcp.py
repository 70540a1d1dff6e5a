"""The MCP tools of assistants, through the official client: over HTTP to a running service, and on stdio."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent

from service.core.access.identity import hash_token
from service.core.database.clock import app_now
from service.core.values.times import TOKYO
from service.demo import reservations as demo
from service.reservations.assistants import actions, rules
from service.reservations.models import Assistant
from service.reservations.state_machine.case import CANCEL_BEFORE
from stack.home import ROOT
from tests.conftest import Service

TOOLS = {"search_services", "request_reservation", "get_reservation_status", "cancel_reservation"}
Work = Callable[[Client], Awaitable[Any]]


def token_for(service: Service, *, shared: bool = False) -> str:
    """The token of a new assistant that has already been sent the guide."""
    token = f"token-{uuid4()}"
    with service.committed() as db:
        demo.masters(db)
        now = app_now(db)
        db.add(Assistant(name="Claude", token_hash=hash_token(token), is_shared=shared, greeted_at=now))
    return token


def request_arguments(service: Service, /, **fields: Any) -> dict[str, Any]:
    """A bouquet in ten days, for a telephone number of its own."""
    with service.committed() as db:
        day = (app_now(db) + timedelta(days=10)).astimezone(TOKYO).date()
    return {
        "client_request_id": str(uuid4()),
        "service": "bouquet",
        "plan": "m",
        "starts_at": f"{day}T14:00:00",
        "customer_name": "青木 花子",
        "phone": f"090-{uuid4().int % 10**4:04}-{uuid4().int % 10**4:04}",
    } | fields


def run_with_client(service: Service, token: str, work: Work, mode: str = "auto") -> Any:
    """Runs `work` with a connected client. Returns its result."""

    async def run() -> Any:
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=30) as http,
            Client(streamable_http_client(f"{service.url}/mcp", http_client=http), mode=mode) as client,
        ):
            return await work(client)

    return asyncio.run(run())


def call(service: Service, token: str, tool: str, /, **arguments: Any) -> CallToolResult:
    result = run_with_client(service, token, lambda client: client.call_tool(tool, arguments))
    assert isinstance(result, CallToolResult)
    return result


def facts(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, result.content
    assert result.structured_content is not None
    return dict(result.structured_content)


def refusal(result: CallToolResult) -> str:
    assert result.is_error, result.structured_content
    [content] = result.content
    assert isinstance(content, TextContent)
    return content.text


def reserve(service: Service, token: str, /, **fields: Any) -> str:
    """Requests a reservation. Returns its id."""
    code: str = facts(call(service, token, "request_reservation", **request_arguments(service, **fields)))[
        "reservation_id"
    ]
    return code


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_customer_is_served_from_the_search_to_the_cancellation(service: Service, mode: str) -> None:
    token = token_for(service)
    arguments = request_arguments(service, wishes="青いリボンで")

    async def conversation(client: Client) -> list[CallToolResult]:
        services = await client.call_tool("search_services", {"query": "花束"})
        created = await client.call_tool("request_reservation", arguments)
        code = {"reservation_id": facts(created)["reservation_id"].lower()}
        status = await client.call_tool("get_reservation_status", code)
        cancelled = await client.call_tool("cancel_reservation", code)
        return [services, created, status, cancelled, await client.call_tool("cancel_reservation", code)]

    services, created, status, cancelled, again = map(facts, run_with_client(service, token, conversation, mode))

    assert [(item["service"], [plan["price_yen"] for plan in item["plans"]]) for item in services["services"]] == [
        ("bouquet", [3300, 5500, 8800])
    ]
    assert created["message"].startswith(
        f"予約のリクエストを受け付けました（予約ID: {created['reservation_id']}、花束 M（約20本）、"
    )
    assert created["starts_at"] == f"{arguments['starts_at']}+09:00"
    assert created["next_by"] == created["starts_at"].replace("T14", "T13")
    assert (status["status"], status["status_label"], status["shop"]) == ("requested", "受付済み", None)
    assert "お支払いのご案内をSMSでお送りします" in status["message"]
    assert cancelled["status"] == again["status"] == "cancelled"
    assert "この予約はキャンセルしました。代金はいただいていません。" in again["message"]


def test_the_tools_say_in_japanese_what_they_do_and_take_nothing_else(service: Service) -> None:
    tools = run_with_client(service, token_for(service), lambda client: client.list_tools()).tools

    assert {tool.name for tool in tools} == TOOLS
    assert all("。" in tool.description for tool in tools)
    assert all(tool.input_schema["additionalProperties"] is False for tool in tools)
    assert all("message" in tool.output_schema["properties"] for tool in tools)
    assert {tool.name for tool in tools if tool.annotations.destructive_hint} == {"cancel_reservation"}
    [cancel_tool] = [tool for tool in tools if tool.name == "cancel_reservation"]
    assert f"{CANCEL_BEFORE // timedelta(hours=1)}時間前まで" in cancel_tool.description


def test_only_the_first_answer_to_a_token_has_the_guide(service: Service) -> None:
    token = token_for(service)
    service.rows("UPDATE reservations_assistants SET greeted_at = NULL WHERE token_hash = %s", hash_token(token))

    first, second = (facts(call(service, token, "search_services")) for _ in range(2))

    assert first["guide"] == rules.first_use_guide(actions.guides_url())
    assert f"ご利用ガイド {actions.guides_url()} " in first["guide"]
    assert second["guide"] is None


def test_the_instructions_link_to_the_guides(service: Service) -> None:
    async def read_instructions(client: Client) -> str:
        return str(client.instructions)

    assert f"ご利用ガイド {actions.guides_url()} " in run_with_client(service, token_for(service), read_instructions)


def test_the_demos_token_is_accepted(service: Service) -> None:
    token_for(service)

    assert len(facts(call(service, demo.ASSISTANT_TOKEN, "search_services"))["services"]) == len(demo.SERVICES)


@pytest.mark.parametrize("token", [None, "nobody-s", "revoked"])
def test_a_request_without_a_valid_token_is_refused(service: Service, token: str | None) -> None:
    if token == "revoked":
        token = token_for(service)
        service.rows("UPDATE reservations_assistants SET revoked_at = now() WHERE token_hash = %s", hash_token(token))
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    with service.http() as http:
        response = http.post("/mcp", headers=headers, json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
        metadata = http.get("/.well-known/oauth-protected-resource/mcp")

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer ")
    assert "/.well-known/oauth-protected-resource/mcp" in response.headers["WWW-Authenticate"]
    assert "x-request-id" in response.headers
    assert metadata.status_code == 200
    assert metadata.json()["resource"].endswith("/mcp")


def test_another_assistants_reservation_is_answered_like_an_unknown_one(service: Service) -> None:
    own_token, other_token = token_for(service), token_for(service)
    code = reserve(service, own_token)

    for tool in ("get_reservation_status", "cancel_reservation"):
        foreign = refusal(call(service, other_token, tool, reservation_id=code))
        assert foreign == refusal(call(service, other_token, tool, reservation_id="QRV-222222")) == actions.NOT_FOUND
    assert facts(call(service, own_token, "get_reservation_status", reservation_id=code))["status"] == "requested"


def test_twenty_repeats_at_once_make_one_reservation_and_one_sms(service: Service) -> None:
    token, arguments = token_for(service), request_arguments(service)

    async def send_all(client: Client) -> list[CallToolResult]:
        return await asyncio.gather(*(client.call_tool("request_reservation", arguments) for _ in range(20)))

    results = [facts(result) for result in run_with_client(service, token, send_all)]
    [code] = {result["reservation_id"] for result in results}

    assert sum(result["message"].startswith("予約のリクエストを受け付けました") for result in results) == 1
    assert service.rows(
        "SELECT count(*) FROM reservations_reservations WHERE client_request_id = %s", arguments["client_request_id"]
    ) == [(1,)]
    assert service.rows("SELECT count(*) FROM outbox_messages WHERE topic = 'sms' AND subject_id = %s", code) == [(1,)]


def test_a_request_id_does_not_open_another_customers_reservation(service: Service) -> None:
    token, arguments = token_for(service, shared=True), request_arguments(service)
    code = facts(call(service, token, "request_reservation", **arguments))["reservation_id"]
    later = arguments["starts_at"].replace("T14", "T15")

    for changed in ({"phone": "090-9999-0000"}, {"service": "cake", "plan": "4"}, {"starts_at": later}):
        message = refusal(call(service, token, "request_reservation", **(arguments | changed)))
        assert "内容の異なる予約で使われています" in message
        assert code not in message


def test_a_shared_token_also_needs_the_customer_s_telephone_number(service: Service) -> None:
    token = token_for(service, shared=True)
    code = reserve(service, token, phone="090-4321-1234")

    for tool in ("get_reservation_status", "cancel_reservation"):
        assert refusal(call(service, token, tool, reservation_id=code)) == actions.NEEDS_PHONE
        assert refusal(call(service, token, tool, reservation_id=code, phone="09043211235")) == actions.NOT_FOUND
        assert refusal(call(service, token, tool, reservation_id=code, phone="なし")) == actions.NOT_FOUND
    status = call(service, token, "get_reservation_status", reservation_id=code, phone="+819043211234")
    assert facts(status)["status"] == "requested"
    cancelled = call(service, token, "cancel_reservation", reservation_id=code, phone="０９０ー４３２１ー１２３４")
    assert facts(cancelled)["status"] == "cancelled"


def test_a_wrong_number_finds_nothing_with_an_unshared_token_either(service: Service) -> None:
    token = token_for(service)
    code = reserve(service, token, phone="090-4321-5678")

    for tool in ("get_reservation_status", "cancel_reservation"):
        for wrong in ("090-4321-5679", "なし"):
            assert refusal(call(service, token, tool, reservation_id=code, phone=wrong)) == actions.NOT_FOUND
    for right in ({}, {"phone": "+81 90 4321 5678"}):
        assert facts(call(service, token, "get_reservation_status", reservation_id=code, **right))["status"] != ""


def test_guessing_telephone_numbers_is_rate_limited_even_for_the_right_one(service: Service) -> None:
    token = token_for(service, shared=True)
    code, other = (reserve(service, token, phone=phone) for phone in ("090-4321-0001", "090-4321-0002"))

    async def guess(client: Client) -> list[CallToolResult]:
        wrong = [{"reservation_id": code, "phone": f"090-0000-000{n}"} for n in range(actions.WRONG_NUMBERS.most)]
        tried = [await client.call_tool("get_reservation_status", arguments) for arguments in wrong]
        right = {"reservation_id": code, "phone": "090-4321-0001"}
        return [*tried, await client.call_tool("get_reservation_status", right)]

    *tried, stopped = map(refusal, run_with_client(service, token, guess))

    assert set(tried) == {actions.NOT_FOUND}
    assert "一時的に停止しています" in stopped
    assert "分ほど待ってから" in stopped
    # Other customers of the same assistant are not affected, and right numbers never count.
    for _ in range(actions.WRONG_NUMBERS.most + 1):
        facts(call(service, token, "get_reservation_status", reservation_id=other, phone="090-4321-0002"))


def test_a_foreign_host_a_foreign_page_and_a_stream_are_refused(service: Service) -> None:
    headers = {"Authorization": f"Bearer {token_for(service)}", "Accept": "application/json, text/event-stream"}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    with service.http() as http:
        host = http.post("/mcp", headers=headers | {"Host": "evil.example"}, json=body)
        origin = http.post("/mcp", headers=headers | {"Origin": "https://evil.example"}, json=body)
        stream = http.get("/mcp", headers=headers)
        large = http.post("/mcp", headers=headers, json=body | {"params": {"padding": "x" * 70_000}})
        fitting = http.post("/mcp", headers=headers, json=body)

    assert [response.status_code for response in (host, origin, stream, large, fitting)] == [421, 403, 405, 413, 200]
    assert stream.headers["Allow"] == "POST"


def test_on_stdio_there_is_nothing_but_the_protocol(service: Service) -> None:
    token, arguments = token_for(service), request_arguments(service)
    environ = {**service.environ, "GENBA_ASSISTANT_TOKEN": token, "LOG_LEVEL": "debug"}
    command = ["-m", "service.reservations.assistants"]

    async def run(mode: str) -> CallToolResult:
        parameters = StdioServerParameters(command=sys.executable, args=command, env=environ, cwd=ROOT)
        async with Client(parameters, mode=mode) as client:
            assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS
            return await client.call_tool("request_reservation", arguments)

    first, second = (facts(asyncio.run(run(mode))) for mode in ("auto", "legacy"))
    assert first["reservation_id"] == second["reservation_id"]

    closed = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=environ | {"GENBA_ASSISTANT_TOKEN": "nobody-s"},
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
    assert (closed.returncode, closed.stdout) == (1, b"")
    assert actions.UNKNOWN_TOKEN in closed.stderr.decode()
