"""What assistants read about each state and each refusal, and the management of their tokens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from mcp import Client
from mcp_types import CallToolResult
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from service.core.access.identity import hash_token
from service.core.audit import AuditEntry
from service.core.database.clock import app_now
from service.reservations.assistants import mcp
from service.reservations.models import Assistant, Reservation
from service.reservations.outgoing.message_texts import NOT_POSSIBLE, TOO_LATE_TO_CANCEL
from service.reservations.state_machine.states import Answer
from tests.api.reservations import scene
from tests.api.reservations.test_assistants_mcp import facts, refusal

SignIn = Callable[..., TestClient]
TOKEN = "token-of-these-tests"
ASSISTANTS = "/api/reservations/assistants"
REQUEST_ARGUMENTS = {
    "client_request_id": "request-of-these-tests",
    "service": "bouquet",
    "plan": "m",
    "starts_at": "2031-01-15T14:00",
    "customer_name": "青木 花子",
    "phone": "090-1234-5678",
}


@pytest.fixture
def assistant(db: Session) -> Assistant:
    scene.fill(db)
    created = Assistant(name="Claude", token_hash=hash_token(TOKEN), greeted_at=app_now(db))
    db.add(created)
    db.commit()
    return created


def call(tool: str, /, **arguments: Any) -> CallToolResult:
    """Calls the tool in-process, without the HTTP route."""

    async def run() -> CallToolResult:
        async with Client(mcp.create_server(lambda: TOKEN)) as client:
            result = await client.call_tool(tool, arguments)
            assert isinstance(result, CallToolResult)
            return result

    return asyncio.run(run())


def get_status(db: Session, reservation: Reservation) -> dict[str, Any]:
    db.commit()
    return facts(call("get_reservation_status", reservation_id=reservation.code))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"starts_at": "2031-01-08T12:59"}, "3時間後より先の日時を指定してください（今なら2031/1/8（水）13:00以降）"),
        ({"starts_at": "2031-05-01T14:00+09:00"}, "90日先までの日時を指定してください"),
        ({"starts_at": "2031-01-15"}, "日付と時刻を、"),
        ({"starts_at": "1925000000"}, "日付と時刻を、"),
        ({"starts_at": "2031-02-30T14:00"}, "日付と時刻を、"),
        ({"service": "sushi"}, "指定できるサービス: bouquet、cake、platter"),
        ({"plan": "xl"}, "指定できるサイズ: s（S（約10本））"),
        ({"phone": "+1 212 555 0100"}, "日本の携帯電話の番号を、090-1234-5678 や +819012345678 のように"),
        ({"phone": "03-1234-5678"}, "この番号はSMSを受け取れません"),
        ({"starts_at": "2031-01-15T03:00"}, "hours_confirmed を true にして、もう一度"),
        ({"customer_name": " "}, "customer_name: 空白以外の文字を入力してください。"),
        ({"mail": "nowhere"}, "mail: メールアドレスを、半角の英数字と @ で入力してください（例: hanako@example.jp）。"),
        ({"notes": "窓際で"}, "notes: 使えない項目です。"),
        ({"wishes": "あ" * 501}, "wishes: 500文字以内で入力してください。"),
    ],
)
def test_a_refusal_is_a_sentence_for_the_customer(assistant: Assistant, wrong: dict[str, Any], message: str) -> None:
    text = refusal(call("request_reservation", **(REQUEST_ARGUMENTS | wrong)))

    assert message in text
    assert "Error" not in text
    assert "validation" not in text


@pytest.mark.parametrize(
    "written", ["2031-01-15T14:00", "2031-01-15 14:00:00+09:00", "2031-01-15T05:00:00Z", "2031-01-15T14：00"]
)
def test_a_time_without_a_zone_is_tokyo_s(db: Session, assistant: Assistant, written: str) -> None:
    result = facts(call("request_reservation", **(REQUEST_ARGUMENTS | {"starts_at": written})))

    assert result["starts_at"] == "2031-01-15T14:00:00+09:00"
    assert "2031/1/15（水）14:00" in result["message"]
    assert db.scalars(select(Reservation)).one().phone == "+819012345678"


def test_an_unusual_time_is_confirmed_under_the_same_id(db: Session, assistant: Assistant) -> None:
    unusual = REQUEST_ARGUMENTS | {"starts_at": "2031-01-15T03:00"}
    refused = refusal(call("request_reservation", **unusual))

    assert "提携店の電話受付時間（9:00〜20:00）の外です。午前と午後の取り違えがないか" in refused
    assert "受け付ける」を押して" not in refused
    assert (
        facts(call("request_reservation", **unusual, hours_confirmed=True))["starts_at"] == "2031-01-15T03:00:00+09:00"
    )


def test_an_unknown_tool_is_refused(assistant: Assistant) -> None:
    assert "このツールはありません" in refusal(call("delete_everything"))


def test_each_state_says_why_it_waits_and_until_when(db: Session, assistant: Assistant) -> None:
    own = {"assistant_id": assistant.id}
    reservation = scene.create_reservation(db, **own)
    first = get_status(db, reservation)
    scene.pass_time(db)
    calling = get_status(db, reservation)
    scene.record_shop_answer(db, reservation, Answer.VAGUE)
    vague = get_status(db, reservation)
    awaiting = get_status(db, other := scene.awaiting_payment(db, **own))
    scene.pay(db, other)
    confirmed = get_status(db, other)

    assert "これから、お店に順番に電話をかけて確認します。" in first["message"]
    assert "お店に電話をかけて、予約できるか確認しています。" in calling["message"]
    assert calling["next_by"] == "2031-01-15T13:00:00+09:00"
    assert "その場では決められないと回答しました" in vague["message"]
    assert "2031/1/8（水）10:10までに5,500円をお支払いください" in awaiting["message"]
    assert awaiting["next_by"] == "2031-01-08T10:10:00+09:00"
    assert awaiting["shop"] is None
    assert "予約が確定しています。2031/1/13（月）14:00までは、全額返金でキャンセルできます。" in confirmed["message"]
    assert set(confirmed["shop"]) == {"name", "phone"}
    assert confirmed["shop"]["phone"].startswith("03")


def test_at_night_it_says_when_shops_will_be_called(db: Session, assistant: Assistant) -> None:
    scene.set_clock(db, app_now(db) + timedelta(hours=12))
    reservation = scene.create_reservation(db, assistant_id=assistant.id)
    scene.pass_time(db)

    assert "2031/1/9（木）9:00ごろから、お店に電話で確認します。" in get_status(db, reservation)["message"]


def test_a_customer_refused_by_all_shops_reads_the_documents_sentence(db: Session, assistant: Assistant) -> None:
    reservation = scene.create_reservation(db, assistant_id=assistant.id)
    for _ in range(4):
        scene.pass_time(db, timedelta(minutes=6))
        scene.record_shop_answer(db, reservation, Answer.REFUSED)
    scene.pass_time(db)

    assert f"{NOT_POSSIBLE}。代金はいただいていません。" in get_status(db, reservation)["message"]


@pytest.mark.parametrize(
    ("before", "is_refunded"), [(timedelta(hours=48), True), (timedelta(hours=48, seconds=-1), False)]
)
def test_a_confirmed_reservation_is_cancelled_until_48_hours_before(
    db: Session, assistant: Assistant, before: timedelta, is_refunded: bool
) -> None:
    reservation = scene.confirmed(db, assistant_id=assistant.id)
    scene.set_clock(db, reservation.starts_at - before)
    db.commit()

    result = call("cancel_reservation", reservation_id=reservation.code)

    if is_refunded:
        assert facts(result)["status"] == "refund_pending"
        assert "5,500円を全額返金する手続きをしています" in facts(result)["message"]
    else:
        assert refusal(result).startswith(f"{TOO_LATE_TO_CANCEL}。キャンセルの期限は2031/1/13（月）14:00でした。")
        assert scene.timeline(db, reservation)[-1].kind == "cancel_asked"
        assert scene.timeline(db, reservation)[-1].source == "assistant"


def test_an_internal_error_is_not_disclosed(db: Session, assistant: Assistant) -> None:
    reservation = scene.create_reservation(db, assistant_id=assistant.id)
    db.execute(update(Reservation).values(case_now={"state": "秘密の中身"}))
    db.commit()

    assert refusal(call("get_reservation_status", reservation_id=reservation.code)) == mcp.INTERNAL_ERROR_MESSAGE


def test_a_revoked_token_is_refused(db: Session, assistant: Assistant) -> None:
    db.execute(update(Assistant).values(revoked_at=func.app_now()))
    db.commit()

    assert "このトークンは使えません" in refusal(call("search_services"))


def test_a_token_is_shown_once_and_never_stored(db: Session, sign_in: SignIn) -> None:
    client = sign_in("alice", reservations="admin")

    issued = client.post(ASSISTANTS, json={"name": "店頭の端末", "is_shared": True})
    [item] = (row for row in client.get(ASSISTANTS).json()["items"] if row["name"] == "店頭の端末")

    assert issued.status_code == 201
    assert issued.json()["url"].endswith("/mcp")
    stored = db.scalars(select(Assistant).where(Assistant.name == "店頭の端末")).one()
    assert stored.token_hash == hash_token(issued.json()["token"])
    assert (item["name"], item["is_shared"], item["reservations"], item["last_used_at"]) == (
        "店頭の端末",
        True,
        0,
        None,
    )
    [entry] = db.scalars(select(AuditEntry).where(AuditEntry.subject == "assistant"))
    assert (entry.action, entry.after) == ("create", {"name": "店頭の端末", "is_shared": True})


def test_a_revoked_token_leaves_the_list_and_its_reservations_stay(
    db: Session, assistant: Assistant, sign_in: SignIn
) -> None:
    client = sign_in("alice", reservations="admin")
    scene.create_reservation(db, assistant_id=assistant.id)
    facts(call("search_services"))
    db.commit()
    [before] = client.get(ASSISTANTS, params={"q": "claude"}).json()["items"]

    assert client.post(f"{ASSISTANTS}/{assistant.id}/revoke").status_code == 204
    assert client.post(f"{ASSISTANTS}/{assistant.id}/revoke").status_code == 204
    [after] = client.get(ASSISTANTS, params={"revoked": True}).json()["items"]

    assert (before["reservations"], before["revoked_at"]) == (1, None)
    assert before["last_used_at"] is not None
    assert client.get(ASSISTANTS, params={"q": "claude"}).json()["items"] == []
    assert after["revoked_at"] is not None
    entries = db.scalars(select(AuditEntry).where(AuditEntry.subject == "assistant")).all()
    assert [entry.action for entry in entries] == ["status_change"]
    assert client.post(f"{ASSISTANTS}/999999/revoke").status_code == 404


@pytest.mark.parametrize("role", ["operator", "support", "manager"])
def test_only_administrators_manage_tokens(assistant: Assistant, sign_in: SignIn, role: str) -> None:
    client = sign_in("olivia", reservations=role)

    assert client.get(ASSISTANTS).status_code == 403
    assert client.post(ASSISTANTS, json={"name": "私の"}).status_code == 403
    assert client.post(f"{ASSISTANTS}/{assistant.id}/revoke").status_code == 403
