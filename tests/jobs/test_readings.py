"""The job that reads statements, and the OCR engine itself where its packages are installed (make setup-ocr)."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from datetime import date
from typing import Any

import psutil
import pytest
from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from jobs import agencies, recognition
from jobs.timetable import PULSE, TICKS, app
from service.agencies.ocr.models import Reading
from service.agencies.rules import OCR_QUEUE
from service.core.areas import areas
from service.core.database.session import SYSTEM, transaction
from service.core.monitoring.health import JobHeartbeat
from stack.home import ROOT
from stack.programs import READER
from tests import people, statements
from tests.api.agencies import scene
from tests.processes import child_command
from tests.waiting import wait_for
from tests.workers import Environment, environment

__all__ = ["environment"]

TODAY = date(2026, 11, 22)
installed = pytest.mark.skipif(
    not recognition.is_installed(), reason="reading statements is an extra: make setup-ocr installs it"
)


def create_reading(db: Session) -> Reading:
    """A reading of an image that nothing has read yet."""
    agency = scene.agency(db)
    alice = scene.sales(db, "alice", agency)
    request = scene.request(db, scene.corporation(db, agency), alice, "working")
    image = scene.image(db, request, alice)
    olga = people.create_user(db, "olga", agencies="operator")
    reading = Reading(agency_id=agency.id, request_id=request.id, image_id=image.id, asked_by=olga.id)
    db.add(reading)
    db.flush()
    return reading


@pytest.fixture
def waiting(db: Session) -> Reading:
    reading = create_reading(db)
    db.commit()
    return reading


def test_the_job_has_no_tick_when_off_and_a_queue_of_its_own() -> None:
    tick = areas()["agencies"].ticks["agencies.read"]

    assert "agencies.read" not in TICKS
    assert (tick.is_on(), tick.queue) == (False, "ocr")
    assert TICKS[PULSE]["options"]["queue"] == "ticks"


def test_a_reading_is_stored(db: Session, waiting: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(content: bytes, today: date, company: str | None) -> dict[str, Any]:
        assert Image.open(io.BytesIO(content)).format == "JPEG"
        return {"engine": "x", "turn": 0, "fields": {}}

    monkeypatch.setattr(recognition, "is_installed", lambda: True)
    monkeypatch.setattr(recognition, "read", read)

    agencies.read()
    agencies.read()

    db.refresh(waiting)
    assert (waiting.state, waiting.attempts, waiting.lease) == ("done", 1, None)
    assert db.scalars(select(JobHeartbeat.name)).all() == ["agencies.read"]


def test_an_unreadable_image_fails_with_a_message(
    db: Session, waiting: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no picture")

    monkeypatch.setattr(recognition, "is_installed", lambda: True)
    monkeypatch.setattr(recognition, "read", fail)

    agencies.read()

    db.refresh(waiting)
    assert waiting.state == "failed"
    assert "読み取れませんでした" in waiting.error


def test_without_the_packages_the_log_says_once_what_to_do(
    db: Session, waiting: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognition, "is_installed", lambda: False)
    agencies._log_missing_packages.cache_clear()

    with capture_logs() as logs:
        agencies.read()
        agencies.read()

    assert [log["event"] for log in logs] == [recognition.MISSING]
    assert "make setup-ocr" in recognition.MISSING
    db.refresh(waiting)
    assert waiting.state == "waiting"
    assert db.scalars(select(JobHeartbeat.name)).all() == []


@installed
@pytest.mark.parametrize("layout", [0, 1, 2])
def test_a_scanned_statement_is_read_completely(layout: int) -> None:
    statement = statements.random_statement(layout)

    result = recognition.read(statements.as_jpeg(statements.draw_statement(statement, layout)), TODAY)

    assert {name: field["value"] for name, field in result["fields"].items()} == statement.expected
    assert all(field["score"] >= 0.9 and not field["notes"] for field in result["fields"].values())


@installed
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_photo_is_read_whichever_way_it_was_held(degrees: int) -> None:
    statement = statements.random_statement(degrees)
    photo = statements.as_photo(statements.draw_statement(statement), degrees).rotate(degrees, expand=True)

    result = recognition.read(statements.as_jpeg(photo, 60), TODAY)

    correct = [
        name for name, value in statement.expected.items() if result["fields"].get(name, {}).get("value") == value
    ]
    wrong = [name for name in result["fields"] if name not in correct]
    assert len(correct) >= 4
    assert wrong == []
    assert result["turn"] == degrees


@installed
def test_the_image_of_a_reader_that_was_killed_is_read_by_the_next(environment: Environment) -> None:
    """Runs the process with the launcher's command and a real queue."""
    statement = statements.random_statement(7)
    with transaction(SYSTEM) as db, pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.pictures.picture", lambda: statements.as_jpeg(statements.draw_statement(statement)))
        create_reading(db)
    environ = os.environ | {"DATABASE_URL": environment.url, "AGENCIES_OCR": "true"}
    command = child_command([sys.executable, "-m", "celery", "--app", "jobs.app", *READER])

    def is_now(state: str) -> bool:
        app.send_task("agencies.read", queue=OCR_QUEUE)
        return environment.rows("SELECT state FROM agencies_readings") == [(state,)]

    reader = subprocess.Popen(command, cwd=ROOT, env=environ)
    try:
        wait_for(lambda: is_now("reading"), seconds=60)
        [child, *_] = psutil.Process(reader.pid).children(recursive=True)[-1:]
        child.kill()
        # The reader has noticed the death once another child replaces the killed one.
        wait_for(lambda: child not in (now := psutil.Process(reader.pid).children(recursive=True)) and now)
        assert environment.rows("SELECT state, attempts FROM agencies_readings") == [("reading", 1)]
        environment.rows("UPDATE agencies_readings SET lease_until = now() - interval '1 s'")
        wait_for(lambda: is_now("done"), seconds=120)
    finally:
        reader.terminate()
        reader.wait(60)
    [(attempts, result)] = environment.rows(
        "SELECT attempts, ocr_result FROM agencies_readings r JOIN agencies_images i ON i.id = r.image_id"
    )
    assert attempts == 2
    assert {name: field["value"] for name, field in result["fields"].items()} == statement.expected


@installed
def test_a_picture_without_text_gives_no_proposals() -> None:
    assert recognition.read(statements.as_jpeg(Image.new("RGB", (800, 600), "white")), TODAY)["fields"] == {}
