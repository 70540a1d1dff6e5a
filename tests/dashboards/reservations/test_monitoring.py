"""監視: the page says what is wrong now, shows the day, the alarms and the outages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from service.core.areas import ticks
from service.core.database.clock import real_now
from service.core.http.traffic import BUCKETS_MS, TrafficMinute
from service.core.monitoring import probes
from service.core.monitoring.health import record_job
from service.reservations.alarms import actions, rules
from service.reservations.alarms.models import Measure
from tests.api.reservations import scene
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.pages import Screen, assert_survives_outage, rows, run, texts

KEY = "reservations.monitoring"


@pytest.fixture(autouse=True)
def shops_and_services(db: Session) -> None:
    scene.fill(db)
    for name in ticks():
        record_job(db, name)
    db.commit()


def add_measures(db: Session, cpu: float = 20, queue: int = 0) -> None:
    now = real_now()
    for n in range(0, 7):
        db.merge(
            Measure(
                minute=rules.to_minute(now) - timedelta(minutes=n),
                cpu=cpu,
                memory=40,
                samples=6,
                queue_least=queue,
                queue_most=queue,
                waiting_ticks=0,
                waiting_outbox=queue,
                waiting_inbox=0,
                waiting_flow=0,
            )
        )
    buckets = [100] + [0] * len(BUCKETS_MS)
    db.merge(TrafficMinute(minute=rules.to_minute(now), requests=100, errors=1, buckets=buckets))
    db.commit()


def add_probes(db: Session, down: str | None = None) -> None:
    results: list[dict[str, Any]] = [
        {
            "at": real_now(),
            "target": target,
            "every_seconds": 30,
            "ok": down is None,
            "latency_ms": 1,
            "down": down,
        }
        for target in probes.TARGETS
    ]
    probes.store(db, "here", results)
    db.commit()


def open_monitoring(screen: Screen) -> AppTest:
    page = open_address(screen("olivia", reservations="operator"), "monitoring")
    assert not page.exception
    return page


def test_when_all_is_well_the_page_says_so_with_every_check_and_what_is_not_wrong_for_long_enough(
    screen: Screen, db: Session, network: Network
) -> None:
    add_measures(db)
    add_probes(db)
    page = open_monitoring(screen)

    assert "現在、アラートはありません。" in texts(page)
    assert [(row["監視項目"], row["現在の値"], row["確認頻度"], row["対応優先度"]) for row in rows(page)] == [
        ("サーバー死活", "稼働中", "5分間隔（自動）", "緊急"),
        ("CPU使用率", "20%", "5分間隔（自動）", "高"),
        ("メモリ使用率", "40%", "5分間隔（自動）", "高"),
        ("Celeryキュー長", "0件", "1分間隔（自動）", "高"),
        ("エラー率", "1%", "5分間隔（自動）", "緊急"),
    ]
    assert "アラートはまだ発生していません" in texts(page)

    db.execute(text("UPDATE reservations_measures SET cpu = 99 WHERE minute > now() - interval '2 minutes'"))
    db.commit()
    run(page)
    assert "基準を超えている項目があります（CPU使用率）。" in texts(page)
    assert rows(page)[1]["状態"] == ["基準超過"]
    assert_survives_outage(page, network)


def test_what_is_wrong_is_named_with_its_figures(screen: Screen, db: Session) -> None:
    add_measures(db, cpu=95, queue=130)
    add_probes(db, "接続できません")
    actions.update_alarms(db)
    db.commit()
    page = open_monitoring(screen)

    page_text = texts(page)
    assert "アラートが3件発生しています。" in page_text
    assert "CPU使用率（95%、" in page_text
    assert "サーバー死活（停止" in page_text
    listed = rows(page, 1)
    assert {row["アラート"] for row in listed} == {"CPU使用率が高い状態です", "予約キューが溜まっています"}
    assert "今月の停止は1回" in page_text


def test_missing_measurements_and_silent_jobs_are_reported(screen: Screen, db: Session) -> None:
    page = open_monitoring(screen)
    assert "直近の測定値がありません。" in texts(page)

    db.execute(text("UPDATE job_heartbeats SET at = at - interval '10 minutes' WHERE name = 'reservations.flow'"))
    db.commit()
    page.run()
    assert "定期処理「予約の進行」が動いていません。" in texts(page)
