"""The sixth area's job; run by tests/house/test_sixth_area.py."""

from __future__ import annotations

from sqlalchemy.orm import Session

from service.core.areas import ticks
from service.core.monitoring.health import readiness, record_job


def test_its_job_has_a_tick_and_is_missed(db: Session) -> None:
    from jobs.app import app

    app.loader.import_default_modules()
    assert "scratch.tidy" in app.tasks
    assert app.conf.beat_schedule["scratch.tidy"]["schedule"].total_seconds() == 60

    for name in ticks():
        if name != "scratch.tidy":
            record_job(db, name)
    db.commit()
    assert readiness()["jobs"] == "ジョブ scratch.tidy がまだ一度も動いていません"
