"""Tags of terminals: on one, on many, in files, and which there are."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.audit import AuditEntry
from service.fleet.models import Terminal
from tests import factories

TAGS = "/api/fleet/terminals/tags"


@pytest.fixture
def admin(sign_in: Callable[..., TestClient]) -> TestClient:
    return sign_in("alice", fleet="admin")


def tags(db: Session) -> dict[str, list[str]]:
    db.expire_all()
    return dict(db.execute(select(Terminal.serial_number, Terminal.tags)).all())


@pytest.fixture
def terminals(db: Session) -> list[Terminal]:
    abc, xyz = factories.customer(db, "ABC商事"), factories.customer(db, "XYZ商店")
    created = [factories.terminal(db, of, f"T-{n}") for n, of in enumerate((abc, abc, xyz), 1)]
    created[0].tags = ["古い", "重点"]
    db.commit()
    return created


def test_tags_are_put_on_and_taken_off_selected_terminals(
    admin: TestClient, db: Session, terminals: list[Terminal]
) -> None:
    ids = [terminal.id for terminal in terminals[:2]]

    answer = admin.post(TAGS, json={"ids": ids, "add": ["重点", " 夜間 "], "remove": ["古い"]})

    assert answer.json() == {"changed": 2}
    assert tags(db) == {"T-1": ["重点", "夜間"], "T-2": ["重点", "夜間"], "T-3": []}
    entries = db.scalars(select(AuditEntry).where(AuditEntry.action == "update").order_by(AuditEntry.id)).all()
    assert [(entry.before, entry.after) for entry in entries] == [
        ({"tags": ["古い", "重点"]}, {"tags": ["重点", "夜間"]}),
        ({"tags": []}, {"tags": ["重点", "夜間"]}),
    ]
    assert admin.post(TAGS, json={"ids": ids, "add": ["重点"]}).json() == {"changed": 0}


def test_tags_are_put_on_all_terminals_of_a_filter(admin: TestClient, db: Session, terminals: list[Terminal]) -> None:
    answer = admin.post(TAGS, json={"filters": {"q": "ABC"}, "add": ["夜間"]})

    assert answer.json() == {"changed": 2}
    assert tags(db) == {"T-1": ["古い", "重点", "夜間"], "T-2": ["夜間"], "T-3": []}


def test_one_terminal_with_too_many_tags_leaves_all_as_they_were(
    admin: TestClient, db: Session, terminals: list[Terminal]
) -> None:
    answer = admin.post(TAGS, json={"filters": {}, "add": [f"タグ{n}" for n in range(9)]})

    assert answer.status_code == 409
    assert "1台で超えるため" in answer.json()["detail"]
    assert tags(db) == {"T-1": ["古い", "重点"], "T-2": [], "T-3": []}


@pytest.mark.parametrize(
    "body",
    [
        {"add": ["重点"]},
        {"ids": [1], "filters": {}, "add": ["重点"]},
        {"ids": [1]},
        {"filters": {"archived": True}, "add": ["重点"]},
        {"ids": [1], "add": ["あ" * 31]},
        {"ids": [1], "add": ["重点、夜間"]},
        {"ids": [1], "add": ["　"]},
        {"ids": [1], "add": [str(n) for n in range(11)]},
    ],
)
def test_an_invalid_change_is_refused(admin: TestClient, terminals: list[Terminal], body: dict[str, object]) -> None:
    assert admin.post(TAGS, json=body).status_code == 422


def test_an_archived_terminal_is_404(admin: TestClient, terminals: list[Terminal]) -> None:
    admin.post(f"/api/fleet/terminals/{terminals[0].id}/archive")

    assert admin.post(TAGS, json={"ids": [terminals[0].id, terminals[1].id], "add": ["重点"]}).status_code == 404


def test_what_there_is_to_choose_from_is_counted(admin: TestClient, db: Session, terminals: list[Terminal]) -> None:
    terminals[1].tags = ["重点"]
    db.commit()

    choices = admin.get("/api/fleet/terminals/choices").json()

    assert choices["tags"] == [{"value": "古い", "terminals": 1}, {"value": "重点", "terminals": 2}]
    assert choices["firmware_versions"] == [{"value": "1.0.0", "terminals": 3}]
