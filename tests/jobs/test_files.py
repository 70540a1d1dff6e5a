"""The job that cleans up files runs on its own and records its run."""

from __future__ import annotations

import io
import os
import time
import uuid
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.core import sweep
from jobs.timetable import TICKS
from service.core.database.retention import RetentionRun
from service.core.files import deposit, records
from service.core.files.storage import make_storage
from service.core.monitoring.health import JobHeartbeat


def test_the_job_removes_orphans_and_records_its_run(
    db: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = make_storage(tmp_path.as_uri())
    monkeypatch.setattr("service.core.files.retention.storage", lambda: storage)
    key = deposit.key_of(uuid.uuid4(), records.purposes()["fleet.terminal_photo"])
    storage.put(key, io.BytesIO(b"x"))
    os.utime(tmp_path / key, (time.time() - 2 * 86400,) * 2)

    sweep()

    assert "core.sweep" in TICKS
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert db.scalars(select(JobHeartbeat.name)).all() == ["core.sweep"]
    runs = db.execute(select(RetentionRun.target, RetentionRun.rows, RetentionRun.bytes)).all()
    assert [tuple(run) for run in runs] == [("files", 1, 1)]
