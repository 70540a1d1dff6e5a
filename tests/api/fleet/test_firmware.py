"""The routes of firmware: who may do what, what a signature must be, and the image for the terminal of the task
only."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.core.audit import AuditEntry
from service.core.database.clock import app_now
from service.demo import firmware as demo
from service.fleet.firmware import actions
from service.fleet.firmware.models import Firmware, Rollout, UpdateTask
from service.fleet.models import TerminalState
from service.fleet.settings import settings
from tests import factories, firmware_key, people
from tests.api.fleet.test_agent_routes import EnrolledAgent

SignIn = Callable[..., TestClient]
IMAGE = random.Random(7).randbytes(300_000)
PATH = "/api/fleet"


def upload(client: TestClient, content: bytes = IMAGE) -> str:
    params = {"purpose": "fleet.firmware", "name": "tc200.bin"}
    answer = client.put("/api/core/files", params=params, content=content)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def register(client: TestClient, version: str = "2.0.0", **changes: Any) -> httpx2.Response:
    body = {"file_id": upload(client), "version": version, "signature": firmware_key.sign(version, IMAGE)} | changes
    answer: httpx2.Response = client.post(f"{PATH}/firmwares", json=body)
    return answer


@pytest.fixture
def admin(sign_in: SignIn) -> TestClient:
    return sign_in("ada", fleet="admin")


@pytest.fixture
def agent(db: Session, client: TestClient) -> EnrolledAgent:
    return EnrolledAgent(db, client)


@pytest.fixture
def other(db: Session, client: TestClient) -> EnrolledAgent:
    return EnrolledAgent(db, client)


def offer_update(db: Session, agent: EnrolledAgent) -> int:
    """The id of an update that was offered to the agent."""
    now = app_now(db)
    db.execute(update(TerminalState).values(status="online", last_heartbeat_at=now))
    actor = people.create_actor(db, f"admin-{uuid.uuid4()}", fleet="admin")
    firmware = factories.firmware(db, "2.0.0", IMAGE)
    rollout = Rollout(
        name="配信",
        firmware_id=firmware.id,
        targets={"customer_ids": [agent.terminal.customer_id], "tags": [], "versions": []},
        waves=[100],
        success_percent=90,
        error_percent=10,
        error_count=5,
        healthy_heartbeats=3,
        step_minutes=30,
    )
    db.add(rollout)
    db.flush()
    actions.start(db, actor, rollout.id)
    actions.advance(db)
    db.commit()
    task = db.scalars(select(UpdateTask).where(UpdateTask.terminal_id == agent.terminal.id)).one()
    assert task.state == "offered"
    return task.id


def test_a_signed_image_is_registered_and_audited(admin: TestClient, db: Session) -> None:
    customer = factories.customer(db, "ABC商事")
    for version in ("2.0.0", "2.0.0", "1.9.0"):
        condition = TerminalState.terminal_id == factories.terminal(db, customer).id
        db.execute(update(TerminalState).where(condition).values(firmware_version=version))
    answer = register(admin, notes="読み取りが速くなりました。")

    assert answer.status_code == 201
    [item] = admin.get(f"{PATH}/firmwares").json()["items"]
    assert (item["version"], item["size"], item["withdrawn_at"]) == ("2.0.0", len(IMAGE), None)
    assert item["terminals"] == 2
    entry = db.scalars(select(AuditEntry).where(AuditEntry.subject == "firmware")).one()
    assert (entry.action, entry.after and entry.after["version"]) == ("create", "2.0.0")


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "of another version": ({"version": "2.0.1", "signature": firmware_key.sign("2.0.0", IMAGE)}, "一致しません"),
    "of another content": ({"signature": firmware_key.sign("2.0.0", IMAGE + b"x")}, "一致しません"),
    "of nobody": ({"signature": "A" * 86 + "=="}, "一致しません"),
    "no signature": ({"signature": "署名です"}, "Base64"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_signature_that_is_not_right_registers_nothing(admin: TestClient, db: Session, case: str) -> None:
    changes, message = BAD[case]
    answer = register(admin, **changes)

    assert answer.status_code == 422
    assert message in answer.json()["errors"][0]["message"]
    assert db.scalars(select(Firmware)).all() == []


def test_without_a_key_nothing_is_registered(admin: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    keyless = settings().model_copy(update={"firmware_public_keys": ""})
    monkeypatch.setattr(actions, "settings", lambda: keyless)
    assert "FLEET_FIRMWARE_PUBLIC_KEYS" in register(admin).json()["detail"]


def test_a_version_is_registered_once(admin: TestClient) -> None:
    assert register(admin).status_code == 201
    again = register(admin)
    assert (again.status_code, again.json()["errors"][0]["field"]) == (409, "version")


@pytest.mark.parametrize("role", ["operator", "support", "viewer"])
def test_firmware_is_the_admins_alone(sign_in: SignIn, role: str) -> None:
    user = sign_in("olivia", fleet=role)
    refused_upload = user.put("/api/core/files", params={"purpose": "fleet.firmware", "name": "x.bin"}, content=b"x")
    reads = ["firmwares", "rollouts", "rollouts/overview", "rollouts/choices", "rollouts/1", "rollouts/1/tasks"]
    moves = ["start", "pause", "resume", "abort", "retry", "roll-back"]
    answers = [
        refused_upload,
        *(user.get(f"{PATH}/{path}") for path in reads),
        *(user.post(f"{PATH}/rollouts/1/{move}", json={}) for move in moves),
        *(user.post(f"{PATH}/{path}", json={}) for path in ("firmwares", "rollouts", "rollouts/preview")),
        user.post(f"{PATH}/firmwares/1/withdraw"),
    ]
    assert {answer.status_code for answer in answers} == {403}


def test_a_roll_out_from_draft_to_abort(admin: TestClient, agent: EnrolledAgent) -> None:
    agent.db.execute(update(TerminalState).values(last_heartbeat_at=app_now(agent.db)))
    agent.db.commit()
    firmware_id = register(admin).json()["id"]
    new_rollout = {"name": "2.0.0 の配信", "firmware_id": firmware_id, "waves": [10, 100]}
    shown = admin.post(f"{PATH}/rollouts/preview", json={"firmware_id": firmware_id}).json()
    assert shown == {"terminals": 1, "online": 0, "waves": [{"percent": 100, "terminals": 1}]}
    key = admin.post(f"{PATH}/rollouts", json=new_rollout).json()["id"]

    path = f"{PATH}/rollouts/{key}"
    assert admin.post(f"{path}/pause", json={}).status_code == 409
    assert [admin.post(f"{path}/start").status_code for _ in range(2)] == [204, 409]
    assert admin.post(f"{path}/pause", json={"reason": "確認のため"}).status_code == 204
    detail = admin.get(path).json()
    assert (detail["state"], detail["reason"], detail["counts"]["waiting"]) == ("paused", "確認のため", 1)
    assert admin.post(f"{path}/resume").status_code == 204
    [task] = admin.get(f"{path}/tasks").json()["items"]
    assert (task["terminal_id"], task["state"]) == (agent.terminal.id, "waiting")
    assert admin.post(f"{path}/abort", json={}).status_code == 204
    assert admin.post(f"{path}/roll-back").status_code == 409
    [item] = admin.get(f"{PATH}/rollouts", params={"state": "aborted"}).json()["items"]
    assert item["counts"] == {"total": 1, "waiting": 0, "under_way": 0, "succeeded": 0, "failed": 0, "cancelled": 1}
    assert admin.get(f"{PATH}/rollouts/overview").json()["running"] == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"waves": [100, 5]},
        {"waves": [5, 50]},
        {"waves": []},
        {"offer_from": "22:00"},
        {"offer_from": "22:00", "offer_until": "22:00"},
        {"name": " "},
        {"success_percent": 0},
    ],
)
def test_an_invalid_roll_out_is_refused_in_words(admin: TestClient, wrong: dict[str, Any]) -> None:
    answer = admin.post(f"{PATH}/rollouts", json={"name": "配信", "firmware_id": 1} | wrong)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["message"].endswith(("。", "）。"))


def test_the_image_goes_to_the_terminal_of_the_task_whole_and_in_parts(agent: EnrolledAgent) -> None:
    task = offer_update(agent.db, agent)
    full = agent.call("GET", f"firmware/{task}")
    tag = full.headers["etag"]
    assert (full.status_code, full.content) == (200, IMAGE)
    assert (len(tag), full.headers["content-type"]) == (66, "application/octet-stream")

    received = IMAGE[:100_000]
    headers = {"Range": f"bytes={len(received)}-", "If-Range": tag, "Authorization": f"Bearer {agent.token}"}
    rest = agent.client.get(f"{PATH}/agent/firmware/{task}", headers=headers)
    assert (rest.status_code, received + rest.content) == (206, IMAGE)
    assert rest.headers["content-range"] == f"bytes 100000-299999/{len(IMAGE)}"
    changed = agent.client.get(f"{PATH}/agent/firmware/{task}", headers=headers | {"If-Range": '"another"'})
    assert (changed.status_code, changed.content) == (200, IMAGE)
    past_the_end = agent.client.get(f"{PATH}/agent/firmware/{task}", headers=headers | {"Range": "bytes=300000-"})
    assert (past_the_end.status_code, past_the_end.headers["content-range"]) == (416, f"bytes */{len(IMAGE)}")


def test_no_other_caller_gets_the_image(agent: EnrolledAgent, other: EnrolledAgent, admin: TestClient) -> None:
    task = offer_update(agent.db, agent)
    assert other.call("GET", f"firmware/{task}").status_code == 404
    assert agent.call("GET", f"firmware/{task + 1000}").status_code == 404
    assert agent.call("GET", f"firmware/{task}", token="nobody's").status_code == 401
    assert admin.get(f"{PATH}/agent/firmware/{task}").status_code == 401


def test_the_image_is_404_once_withdrawn_or_aborted(agent: EnrolledAgent, admin: TestClient, db: Session) -> None:
    task = offer_update(db, agent)
    key = db.get_one(UpdateTask, task).rollout_id
    token = {"Authorization": f"Bearer {agent.token}"}
    assert admin.post(f"{PATH}/rollouts/{key}/abort", json={}).status_code == 204
    assert agent.client.get(f"{PATH}/agent/firmware/{task}", headers=token).status_code == 404
    db.execute(update(UpdateTask).where(UpdateTask.id == task).values(state="updating"))
    db.execute(update(Firmware).values(withdrawn_at=app_now(db)))
    db.commit()
    assert agent.client.get(f"{PATH}/agent/firmware/{task}", headers=token).status_code == 404


def test_an_agent_reports_on_its_update_like_on_any_command(agent: EnrolledAgent) -> None:
    task = offer_update(agent.db, agent)
    command = agent.db.get_one(UpdateTask, task).command_id
    assert command is not None
    assert agent.report(command, "running", step="downloading", percent=10).json() == {"go_on": True}
    actions.advance(agent.db)
    agent.db.commit()
    reported = agent.db.get_one(UpdateTask, task)
    assert (reported.state, reported.step, reported.percent) == ("updating", "downloading", 10)


def test_the_demo_has_two_images_that_its_own_key_has_signed(db: Session) -> None:
    for _ in range(2):
        demo.fill(db, firmware_key.SEED)
    assert sorted(db.scalars(select(Firmware.version))) == ["1.1.0", "1.2.0"]


def test_the_demo_signs_nothing_for_a_service_that_trusts_others(db: Session) -> None:
    demo.fill(db, bytes(32))
    assert db.scalars(select(Firmware)).all() == []
