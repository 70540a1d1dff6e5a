"""Assistants at their door, through the official client: over HTTP to a running service, and on stdio."""

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
from service.reservations.assistants.models import Assistant
from service.reservations.cases.rules import CANCEL_BEFORE
from stack.home import ROOT
from tests.conftest import Service

TOOLS = {"search_services", "request_reservation", "get_reservation_status", "cancel_reservation"}
Work = Callable[[Client], Awaitable[Any]]


def token_for(service: Service, *, shared: bool = False) -> str:
    """Of a new assistant, which was told the steps before."""
    token = f"token-{uuid4()}"
    with service.committed() as db:
        demo.masters(db)
        now = app_now(db)
        db.add(Assistant(name="Claude", token_hash=hash_token(token), is_shared=shared, greeted_at=now))
    return token


def wish(service: Service, /, **said: Any) -> dict[str, Any]:
    """A bouquet in ten days, for a number that nobody else uses."""
    with service.committed() as db:
        day = (app_now(db) + timedelta(days=10)).astimezone(TOKYO).date()
    return {
        "client_request_id": str(uuid4()),
        "service": "bouquet",
        "plan": "m",
        "starts_at": f"{day}T14:00:00",
        "customer_name": "青木 花子",
        "phone": f"090-{uuid4().int % 10**4:04}-{uuid4().int % 10**4:04}",
    } | said


def connected(service: Service, token: str, work: Work, mode: str = "auto") -> Any:
    """What `work` gives with a client at the door."""

    async def run() -> Any:
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=30) as http,
            Client(streamable_http_client(f"{service.url}/mcp", http_client=http), mode=mode) as client,
        ):
            return await work(client)

    return asyncio.run(run())


def call(service: Service, token: str, tool: str, /, **arguments: Any) -> CallToolResult:
    result = connected(service, token, lambda client: client.call_tool(tool, arguments))
    assert isinstance(result, CallToolResult)
    return result


def facts(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, result.content
    assert result.structured_content is not None
    return dict(result.structured_content)


def refusal(result: CallToolResult) -> str:
    assert result.is_error, result.structured_content
    [said] = result.content
    assert isinstance(said, TextContent)
    return said.text


def reserved(service: Service, token: str, /, **said: Any) -> str:
    """The id of a new reservation."""
    code: str = facts(call(service, token, "request_reservation", **wish(service, **said)))["reservation_id"]
    return code


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_customer_is_served_from_the_search_to_the_cancellation(service: Service, mode: str) -> None:
    token = token_for(service)
    asked = wish(service, wishes="青いリボンで")

    async def conversation(client: Client) -> list[CallToolResult]:
        found = await client.call_tool("search_services", {"query": "花束"})
        made = await client.call_tool("request_reservation", asked)
        code = {"reservation_id": facts(made)["reservation_id"].lower()}
        seen = await client.call_tool("get_reservation_status", code)
        ended = await client.call_tool("cancel_reservation", code)
        return [found, made, seen, ended, await client.call_tool("cancel_reservation", code)]

    found, made, seen, ended, again = map(facts, connected(service, token, conversation, mode))

    assert [(one["service"], [plan["price_yen"] for plan in one["plans"]]) for one in found["services"]] == [
        ("bouquet", [3300, 5500, 8800])
    ]
    assert made["message"].startswith(
        f"予約のリクエストを受け付けました（予約ID: {made['reservation_id']}、花束 M（約20本）、"
    )
    assert made["starts_at"] == f"{asked['starts_at']}+09:00"
    assert made["next_by"] == made["starts_at"].replace("T14", "T13")
    assert (seen["status"], seen["status_label"], seen["shop"]) == ("requested", "受付済み", None)
    assert "お支払いのご案内をSMSでお送りします" in seen["message"]
    assert ended["status"] == again["status"] == "cancelled"
    assert "この予約はキャンセルしました。代金はいただいていません。" in again["message"]


def test_the_tools_say_in_japanese_what_they_do_and_take_nothing_else(service: Service) -> None:
    listed = connected(service, token_for(service), lambda client: client.list_tools()).tools

    assert {tool.name for tool in listed} == TOOLS
    assert all("。" in tool.description for tool in listed)
    assert all(tool.input_schema["additionalProperties"] is False for tool in listed)
    assert all("message" in tool.output_schema["properties"] for tool in listed)
    assert {tool.name for tool in listed if tool.annotations.destructive_hint} == {"cancel_reservation"}
    [ends] = [tool for tool in listed if tool.name == "cancel_reservation"]
    assert f"{CANCEL_BEFORE // timedelta(hours=1)}時間前まで" in ends.description


def test_the_first_answer_to_a_token_explains_the_steps_and_no_other(service: Service) -> None:
    token = token_for(service)
    service.rows("UPDATE reservations_assistants SET greeted_at = NULL WHERE token_hash = %s", hash_token(token))

    first, second = (facts(call(service, token, "search_services")) for _ in range(2))

    assert first["guide"] == rules.first_use_guide(actions.guides_url())
    assert f"ご利用ガイド {actions.guides_url()} " in first["guide"]
    assert second["guide"] is None


def test_whoever_connects_is_told_where_customers_can_read_how_it_goes(service: Service) -> None:
    async def told(client: Client) -> str:
        return str(client.instructions)

    assert f"ご利用ガイド {actions.guides_url()} " in connected(service, token_for(service), told)


def test_the_demo_s_token_opens_the_door(service: Service) -> None:
    token_for(service)

    assert len(facts(call(service, demo.ASSISTANT_TOKEN, "search_services"))["services"]) == len(demo.SERVICES)


@pytest.mark.parametrize("token", [None, "nobody-s", "revoked"])
def test_who_has_no_token_that_holds_is_sent_away(service: Service, token: str | None) -> None:
    if token == "revoked":
        token = token_for(service)
        service.rows("UPDATE reservations_assistants SET revoked_at = now() WHERE token_hash = %s", hash_token(token))
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    with service.http() as http:
        answer = http.post("/mcp", headers=headers, json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
        metadata = http.get("/.well-known/oauth-protected-resource/mcp")

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert "/.well-known/oauth-protected-resource/mcp" in answer.headers["WWW-Authenticate"]
    assert "x-request-id" in answer.headers
    assert metadata.status_code == 200
    assert metadata.json()["resource"].endswith("/mcp")


def test_another_assistant_finds_what_it_would_find_if_there_were_nothing(service: Service) -> None:
    mine, other = token_for(service), token_for(service)
    code = reserved(service, mine)

    for tool in ("get_reservation_status", "cancel_reservation"):
        foreign = refusal(call(service, other, tool, reservation_id=code))
        assert foreign == refusal(call(service, other, tool, reservation_id="QRV-222222")) == actions.NOT_FOUND
    assert facts(call(service, mine, "get_reservation_status", reservation_id=code))["status"] == "requested"


def test_twenty_repeats_at_once_make_one_reservation_and_one_sms(service: Service) -> None:
    token, asked = token_for(service), wish(service)

    async def rush(client: Client) -> list[CallToolResult]:
        return await asyncio.gather(*(client.call_tool("request_reservation", asked) for _ in range(20)))

    answers = [facts(result) for result in connected(service, token, rush)]
    [code] = {answer["reservation_id"] for answer in answers}

    assert sum(answer["message"].startswith("予約のリクエストを受け付けました") for answer in answers) == 1
    assert service.rows(
        "SELECT count(*) FROM reservations_reservations WHERE client_request_id = %s", asked["client_request_id"]
    ) == [(1,)]
    assert service.rows("SELECT count(*) FROM outbox_messages WHERE topic = 'sms' AND subject_id = %s", code) == [(1,)]


def test_a_request_s_id_is_no_key_to_what_another_customer_asked_for(service: Service) -> None:
    token, asked = token_for(service, shared=True), wish(service)
    code = facts(call(service, token, "request_reservation", **asked))["reservation_id"]
    later = asked["starts_at"].replace("T14", "T15")

    for changed in ({"phone": "090-9999-0000"}, {"service": "cake", "plan": "4"}, {"starts_at": later}):
        said = refusal(call(service, token, "request_reservation", **(asked | changed)))
        assert "内容の異なる予約で使われています" in said
        assert code not in said


def test_a_shared_token_also_needs_the_customer_s_telephone_number(service: Service) -> None:
    token = token_for(service, shared=True)
    code = reserved(service, token, phone="090-4321-1234")

    for tool in ("get_reservation_status", "cancel_reservation"):
        assert refusal(call(service, token, tool, reservation_id=code)) == actions.NEEDS_PHONE
        assert refusal(call(service, token, tool, reservation_id=code, phone="09043211235")) == actions.NOT_FOUND
        assert refusal(call(service, token, tool, reservation_id=code, phone="なし")) == actions.NOT_FOUND
    seen = call(service, token, "get_reservation_status", reservation_id=code, phone="+819043211234")
    assert facts(seen)["status"] == "requested"
    ended = call(service, token, "cancel_reservation", reservation_id=code, phone="０９０ー４３２１ー１２３４")
    assert facts(ended)["status"] == "cancelled"


def test_a_wrong_number_finds_nothing_with_a_token_of_one_s_own_either(service: Service) -> None:
    token = token_for(service)
    code = reserved(service, token, phone="090-4321-5678")

    for tool in ("get_reservation_status", "cancel_reservation"):
        for wrong in ("090-4321-5679", "なし"):
            assert refusal(call(service, token, tool, reservation_id=code, phone=wrong)) == actions.NOT_FOUND
    for right in ({}, {"phone": "+81 90 4321 5678"}):
        assert facts(call(service, token, "get_reservation_status", reservation_id=code, **right))["status"] != ""


def test_who_tries_telephone_numbers_has_to_wait_and_then_the_right_one_is_no_use(service: Service) -> None:
    token = token_for(service, shared=True)
    code, other = (reserved(service, token, phone=phone) for phone in ("090-4321-0001", "090-4321-0002"))

    async def guess(client: Client) -> list[CallToolResult]:
        wrong = [{"reservation_id": code, "phone": f"090-0000-000{n}"} for n in range(actions.WRONG_NUMBERS.most)]
        tried = [await client.call_tool("get_reservation_status", one) for one in wrong]
        right = {"reservation_id": code, "phone": "090-4321-0001"}
        return [*tried, await client.call_tool("get_reservation_status", right)]

    *tried, stopped = map(refusal, connected(service, token, guess))

    assert set(tried) == {actions.NOT_FOUND}
    assert "一時的に停止しています" in stopped
    assert "分ほど待ってから" in stopped
    # Other customers of the same assistant are not held up, and who is right is never counted.
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

    assert [answer.status_code for answer in (host, origin, stream, large, fitting)] == [421, 403, 405, 413, 200]
    assert stream.headers["Allow"] == "POST"


def test_on_stdio_there_is_nothing_but_the_protocol(service: Service) -> None:
    token, asked = token_for(service), wish(service)
    environ = {**service.environ, "GENBA_ASSISTANT_TOKEN": token, "LOG_LEVEL": "debug"}
    command = ["-m", "service.reservations.assistants"]

    async def run(mode: str) -> CallToolResult:
        there = StdioServerParameters(command=sys.executable, args=command, env=environ, cwd=ROOT)
        async with Client(there, mode=mode) as client:
            assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS
            return await client.call_tool("request_reservation", asked)

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
