"""The fleet as PDF: who gets it, what it contains, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import insert
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.fleet.models import TerminalState, heartbeats
from tests import factories, pdfs

REPORT = "/api/fleet/reports/status.pdf"
LABELS = "/api/fleet/terminals/labels.pdf"


def beat(db: Session, terminal_id: int, ago: timedelta, count: int = 1) -> None:
    row = {
        "terminal_id": terminal_id,
        "received_at": app_now(db) - ago,
        "sent_at": app_now(db) - ago,
        "stream_id": "00000000-0000-0000-0000-000000000001",
        "cpu_usage": 1,
        "memory_usage": 1,
        "disk_usage": 1,
        "terminal_connected": True,
    }
    db.execute(insert(heartbeats), [row | {"sequence": number} for number in range(count)])


@pytest.mark.parametrize(
    ("role", "report", "sheet"),
    [("admin", 200, 200), ("operator", 200, 200), ("support", 200, 200), ("viewer", 200, 403)],
)
def test_every_role_gets_the_report_and_a_viewer_nothing_else(
    sign_in: Callable[..., TestClient], db: Session, role: str, report: int, sheet: int
) -> None:
    factories.terminal(db)
    client = sign_in("alice", fleet=role)

    assert client.get(REPORT).status_code == report
    assert client.get(LABELS).status_code == sheet


def test_the_report_shows_the_state_of_the_fleet(sign_in: Callable[..., TestClient], db: Session) -> None:
    customer = factories.customer(db, "ABC商事 #1 *本部*")
    online = factories.terminal(db, customer, store_name="新宿店 [1F] $レジ$")
    broken = factories.terminal(db, customer)
    factories.terminal(db, factories.customer(db, "XYZ商店"))
    db.get_one(TerminalState, online.id).status = "online"
    db.get_one(TerminalState, broken.id).status = "error"
    factories.alert(db, broken)
    beat(db, online.id, timedelta(hours=2), count=1234)
    beat(db, online.id, timedelta(hours=30), count=5000)

    answer = sign_in("vic", fleet="viewer").get(REPORT)

    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-disposition"].startswith("inline; filename*=UTF-8''%E7%AB%AF")
    text = "".join(pdfs.page_texts(answer.content))
    for expected in (
        "対応が必要な端末は2台です",
        "33.3",
        "受信は24時間で1,234件",
        "ABC商事 #1 *本部*",
        "新宿店 [1F] $レジ$",
        "XYZ商店",
        "カードリーダー応答なし",
        broken.serial_number,
    ):
        assert expected in text, expected
    # Those in trouble come first.
    assert text.rindex(broken.serial_number) < text.rindex(online.serial_number)


def test_the_report_of_an_empty_fleet_says_so_in_words(sign_in: Callable[..., TestClient]) -> None:
    [text] = pdfs.page_texts(sign_in("vic", fleet="viewer").get(REPORT).content)

    assert "端末はまだ登録されていません。" in text
    assert "未解決のアラートはありません。" in text
    assert "1 / 1ページ" in text


def test_at_the_same_time_the_same_facts_are_the_same_file(sign_in: Callable[..., TestClient], db: Session) -> None:
    # One transaction, one app_now().
    factories.terminal(db)
    client = sign_in("alice", fleet="admin")

    assert client.get(REPORT).content == client.get(REPORT).content


def test_labels_carry_the_serial_number_of_each_terminal_of_a_customer(
    sign_in: Callable[..., TestClient], db: Session
) -> None:
    customer = factories.customer(db, "ABC商事")
    serials = [factories.terminal(db, customer, store_name="とても長い名前の店舗 " * 6).serial_number for _ in range(3)]
    factories.terminal(db)
    factories.terminal(db, customer).archived_at = app_now(db)
    db.commit()
    client = sign_in("oscar", fleet="operator")

    answer = client.get(LABELS, params={"customer_id": customer.id, "layout": "24", "start": 23})

    first, second = pdfs.barcodes(answer.content)
    assert sorted(text for _, text, _, _ in [*first, *second]) == sorted(serials)
    assert (len(first), len(second)) == (2, 1)
    assert serials[0] in pdfs.page_texts(answer.content)[0]


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ({"customer_id": 10**9}, 404, "顧客企業は見つかりません"),
        ({"layout": "24", "start": 25}, 422, "24面"),
        ({"layout": "30"}, 422, "layout"),
        ({"start": 0}, 422, "start"),
        ({}, 404, "印刷する端末がありません"),
    ],
)
def test_labels_that_cannot_be_printed_are_refused_in_words(
    sign_in: Callable[..., TestClient], query: dict[str, str | int], status: int, message: str
) -> None:
    answer = sign_in("alice", fleet="admin").get(LABELS, params=query)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert message in answer.json()["detail"]


def test_too_many_labels_at_once_are_refused(
    sign_in: Callable[..., TestClient], db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.fleet.reports.queries.MAX_LABELS", 2)
    for _ in range(3):
        factories.terminal(db)

    answer = sign_in("alice", fleet="admin").get(LABELS)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["customer_id"]


def test_a_pdf_that_cannot_be_made_is_a_failure_with_a_reference_number(
    sign_in: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setattr("service.core.reports.typeset.COMPILE", tmp_path)

    answer = sign_in("vic", fleet="viewer").get(REPORT)

    assert answer.status_code == 500
    assert "受付番号" in answer.json()["detail"]
