"""アシスタント連携: issued and shown once, used, revoked."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from dashboards.reservations import assistant_dialogs
from service.core.access.identity import hash_token
from service.demo import reservations as demo
from service.reservations.assistants import actions
from service.reservations.models import Assistant
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.pages import Screen, assert_survives_outage, click_row_action, fill, press, rows, text_of, texts

KEY = "reservations.assistants"
LIST = f"{KEY}.list"


@pytest.fixture(autouse=True)
def assistants(db: Session) -> None:
    demo.masters(db)
    db.commit()


@pytest.fixture
def page(screen: Screen) -> AppTest:
    return open_address(screen("alice", reservations="admin"), "assistants")


def test_the_page_says_how_many_tokens_are_valid_and_unused_and_a_token_is_revoked_after_its_consequence_is_named(
    page: AppTest, db: Session, network: Network
) -> None:
    assistant = db.scalars(select(Assistant)).one()
    db.execute(update(Assistant).values(last_used_at=None))
    db.commit()
    page.run()
    assert "有効なトークンは1個です。そのうち1個は、まだ使われていません。" in texts(page)
    assert (rows(page)[0]["名前"], rows(page)[0]["最終利用"]) == ("デモ用アシスタント", "まだ使われていません")
    actions.authenticate(db, demo.ASSISTANT_TOKEN)
    db.commit()
    page.run()
    assert "まだ使われていません" not in texts(page)

    click_row_action(page, LIST, "失効させる")
    assert "受け付け済みの予約はそのまま進みます" in text_of(page.warning)
    press(page, f"reservations.assistant.revoke.{assistant.id}.confirm")
    db.expire_all()
    assert assistant.revoked_at is not None
    assert "**AIアシスタントからの予約は受け付けられません**。" in texts(page)
    assert_survives_outage(page, network)


def test_a_token_is_shown_once_with_how_to_connect(page: AppTest, db: Session) -> None:
    press(page, f"{KEY}.new")
    fill(page, "reservations.assistant.new", name="受付の*Claude*", is_shared=True)
    press(page, "reservations.assistant.new.submit")
    assistant = db.scalars(select(Assistant).where(Assistant.name == "受付の*Claude*")).one()
    token, url, command, desktop, others = (block.value for block in page.code)

    assert assistant.token_hash == hash_token(token)
    assert assistant.is_shared
    assert url.endswith("/mcp")
    assert all(token in text and url in text for text in (command, desktop, others))
    assert "この画面を閉じると、トークンは二度と表示できません。" in [warning.value for warning in page.warning]

    press(page, "reservations.assistant.noted")
    assert not page.code
    assert rows(page)[0]["使い方"] == ["共用"]


def test_settings_for_clients_are_files_that_clients_can_read() -> None:
    desktop = json.loads(assistant_dialogs.claude_desktop("t0ken", "http://127.0.0.1:8000/mcp"))
    secure = assistant_dialogs.claude_desktop("t0ken", "https://genba.example/mcp")
    other = json.loads(assistant_dialogs.any_client("t0ken", "https://genba.example/mcp"))

    [bridge] = desktop["mcpServers"].values()
    assert bridge["env"] == {"AUTH_HEADER": "Bearer t0ken"}
    assert "--allow-http" in bridge["args"]
    assert "--allow-http" not in secure
    assert other["mcpServers"]["genba-reservations"]["headers"] == {"Authorization": "Bearer t0ken"}
