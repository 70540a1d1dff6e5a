"""Firmware's doors: who may do what, what a signature must be, and the image for the terminal of the task alone."""

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
from tests import factories, maker, people
from tests.api.fleet.test_agent_doors import Enrolled

SignIn = Callable[..., TestClient]
IMAGE = random.Random(7).randbytes(300_000)
PATH = "/api/fleet"


def uploaded(person: TestClient, content: bytes = IMAGE) -> str:
    asked = {"purpose": "fleet.firmware", "name": "tc200.bin"}
    answer = person.put("/api/core/files", params=asked, content=content)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def registered(person: TestClient, version: str = "2.0.0", **changes: Any) -> httpx2.Response:
    body = {"file_id": uploaded(person), "version": version, "signature": maker.sign(version, IMAGE)} | changes
    answer: httpx2.Response = person.post(f"{PATH}/firmwares", json=body)
    return answer


@pytest.fixture
def admin(sign_in: SignIn) -> TestClient:
    return sign_in("ada", fleet="admin")


@pytest.fixture
def agent(db: Session, client: TestClient) -> Enrolled:
    return Enrolled(db, client)


@pytest.fixture
def other(db: Session, client: TestClient) -> Enrolled:
    return Enrolled(db, client)


def offered(db: Session, agent: Enrolled) -> int:
    """The id of an update that the agent has been told of."""
    now = app_now(db)
    db.execute(update(TerminalState).values(status="online", last_heartbeat_at=now))
    by = people.actor(db, f"admin-{uuid.uuid4()}", fleet="admin")
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
    actions.start(db, by, rollout.id)
    actions.advance(db)
    db.commit()
    task = db.scalars(select(UpdateTask).where(UpdateTask.terminal_id == agent.terminal.id)).one()
    assert task.state == "offered"
    return task.id


def test_a_signed_image_is_registered_and_written_into_the_trail(admin: TestClient, db: Session) -> None:
    shop = factories.customer(db, "ABC商事")
    for version in ("2.0.0", "2.0.0", "1.9.0"):
        of = TerminalState.terminal_id == factories.terminal(db, shop).id
        db.execute(update(TerminalState).where(of).values(firmware_version=version))
    answer = registered(admin, notes="読み取りが速くなりました。")

    assert answer.status_code == 201
    [item] = admin.get(f"{PATH}/firmwares").json()["items"]
    assert (item["version"], item["size"], item["withdrawn_at"]) == ("2.0.0", len(IMAGE), None)
    assert item["terminals"] == 2
    entry = db.scalars(select(AuditEntry).where(AuditEntry.subject == "firmware")).one()
    assert (entry.action, entry.after and entry.after["version"]) == ("create", "2.0.0")


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "of another version": ({"version": "2.0.1", "signature": maker.sign("2.0.0", IMAGE)}, "一致しません"),
    "of another content": ({"signature": maker.sign("2.0.0", IMAGE + b"x")}, "一致しません"),
    "of nobody": ({"signature": "A" * 86 + "=="}, "一致しません"),
    "no signature": ({"signature": "署名です"}, "Base64"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_signature_that_is_not_right_registers_nothing(admin: TestClient, db: Session, case: str) -> None:
    changes, words = BAD[case]
    answer = registered(admin, **changes)

    assert answer.status_code == 422
    assert words in answer.json()["errors"][0]["message"]
    assert db.scalars(select(Firmware)).all() == []


def test_without_a_key_nothing_is_registered(admin: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    keyless = settings().model_copy(update={"firmware_public_keys": ""})
    monkeypatch.setattr(actions, "settings", lambda: keyless)
    assert "FLEET_FIRMWARE_PUBLIC_KEYS" in registered(admin).json()["detail"]


def test_a_version_is_registered_once(admin: TestClient) -> None:
    assert registered(admin).status_code == 201
    again = registered(admin)
    assert (again.status_code, again.json()["errors"][0]["field"]) == (409, "version")


@pytest.mark.parametrize("role", ["operator", "support", "viewer"])
def test_firmware_is_the_admins_alone(sign_in: SignIn, role: str) -> None:
    person = sign_in("olivia", fleet=role)
    upload = person.put("/api/core/files", params={"purpose": "fleet.firmware", "name": "x.bin"}, content=b"x")
    reads = ["firmwares", "rollouts", "rollouts/overview", "rollouts/choices", "rollouts/1", "rollouts/1/tasks"]
    moves = ["start", "pause", "resume", "abort", "retry", "roll-back"]
    answers = [
        upload,
        *(person.get(f"{PATH}/{path}") for path in reads),
        *(person.post(f"{PATH}/rollouts/1/{move}", json={}) for move in moves),
        *(person.post(f"{PATH}/{path}", json={}) for path in ("firmwares", "rollouts", "rollouts/preview")),
        person.post(f"{PATH}/firmwares/1/withdraw"),
    ]
    assert {answer.status_code for answer in answers} == {403}


def test_a_roll_out_from_draft_to_abort(admin: TestClient, agent: Enrolled) -> None:
    agent.db.execute(update(TerminalState).values(last_heartbeat_at=app_now(agent.db)))
    agent.db.commit()
    firmware_id = registered(admin).json()["id"]
    wanted = {"name": "2.0.0 の配信", "firmware_id": firmware_id, "waves": [10, 100]}
    shown = admin.post(f"{PATH}/rollouts/preview", json={"firmware_id": firmware_id}).json()
    assert shown == {"terminals": 1, "online": 0, "waves": [{"percent": 100, "terminals": 1}]}
    key = admin.post(f"{PATH}/rollouts", json=wanted).json()["id"]

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
def test_a_roll_out_that_cannot_be_is_refused_in_words(admin: TestClient, wrong: dict[str, Any]) -> None:
    answer = admin.post(f"{PATH}/rollouts", json={"name": "配信", "firmware_id": 1} | wrong)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["message"].endswith(("。", "）。"))


def test_the_image_goes_to_the_terminal_of_the_task_whole_and_in_parts(agent: Enrolled) -> None:
    task = offered(agent.db, agent)
    whole = agent.call("GET", f"firmware/{task}")
    tag = whole.headers["etag"]
    assert (whole.status_code, whole.content) == (200, IMAGE)
    assert (len(tag), whole.headers["content-type"]) == (66, "application/octet-stream")

    have = IMAGE[:100_000]
    headers = {"Range": f"bytes={len(have)}-", "If-Range": tag, "Authorization": f"Bearer {agent.token}"}
    rest = agent.client.get(f"{PATH}/agent/firmware/{task}", headers=headers)
    assert (rest.status_code, have + rest.content) == (206, IMAGE)
    assert rest.headers["content-range"] == f"bytes 100000-299999/{len(IMAGE)}"
    changed = agent.client.get(f"{PATH}/agent/firmware/{task}", headers=headers | {"If-Range": '"another"'})
    assert (changed.status_code, changed.content) == (200, IMAGE)
    beyond = agent.client.get(f"{PATH}/agent/firmware/{task}", headers=headers | {"Range": "bytes=300000-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(IMAGE)}")


def test_nobody_else_gets_it(agent: Enrolled, other: Enrolled, admin: TestClient) -> None:
    task = offered(agent.db, agent)
    assert other.call("GET", f"firmware/{task}").status_code == 404
    assert agent.call("GET", f"firmware/{task + 1000}").status_code == 404
    assert agent.call("GET", f"firmware/{task}", token="nobody's").status_code == 401
    assert admin.get(f"{PATH}/agent/firmware/{task}").status_code == 401


def test_it_is_gone_once_withdrawn_or_called_off(agent: Enrolled, admin: TestClient, db: Session) -> None:
    task = offered(db, agent)
    key = db.get_one(UpdateTask, task).rollout_id
    token = {"Authorization": f"Bearer {agent.token}"}
    assert admin.post(f"{PATH}/rollouts/{key}/abort", json={}).status_code == 204
    assert agent.client.get(f"{PATH}/agent/firmware/{task}", headers=token).status_code == 404
    db.execute(update(UpdateTask).where(UpdateTask.id == task).values(state="updating"))
    db.execute(update(Firmware).values(withdrawn_at=app_now(db)))
    db.commit()
    assert agent.client.get(f"{PATH}/agent/firmware/{task}", headers=token).status_code == 404


def test_an_agent_told_of_its_update_reports_like_on_any_command(agent: Enrolled) -> None:
    task = offered(agent.db, agent)
    command = agent.db.get_one(UpdateTask, task).command_id
    assert command is not None
    assert agent.report(command, "running", step="downloading", percent=10).json() == {"go_on": True}
    actions.advance(agent.db)
    agent.db.commit()
    standing = agent.db.get_one(UpdateTask, task)
    assert (standing.state, standing.step, standing.percent) == ("updating", "downloading", 10)


def test_the_demo_has_two_images_that_its_own_key_has_signed(db: Session) -> None:
    for _ in range(2):
        demo.fill(db, maker.SEED)
    assert sorted(db.scalars(select(Firmware.version))) == ["1.1.0", "1.2.0"]


def test_the_demo_signs_nothing_for_a_service_that_trusts_others(db: Session) -> None:
    demo.fill(db, bytes(32))
    assert db.scalars(select(Firmware)).all() == []
