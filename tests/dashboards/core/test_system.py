"""システム状態: an administrator reads whether everything runs, and what does not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import update
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from service.agencies import rules
from service.agencies.settings import settings
from service.core.areas import ticks
from service.core.database import replica
from service.core.database.clock import real_now
from service.core.http import traffic
from service.core.monitoring import backups
from service.core.monitoring.health import record_job
from service.core.monitoring.instances import GONE_AFTER, Instance, Presence
from service.core.monitoring.probes import store
from service.core.monitoring.schemas import BackupReport
from service.core.settings import settings as core_settings
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.pages import Screen, assert_survives_outage, lists, run, text_of, texts, titles


def report_all_running(db: Session) -> None:
    for name in ticks():
        record_job(db, name)
    for name in ("service", "worker"):
        Presence(name).report(db)
    db.commit()


@pytest.fixture
def page(db: Session, screen: Screen) -> AppTest:
    report_all_running(db)
    opened = open_address(screen("alice", fleet="admin"), "system")
    assert not opened.exception
    return opened


def fresh_errors(page: AppTest) -> str:
    """What needs attention, after a refresh of the page."""
    run(page)
    return text_of(page.error)


def test_the_first_line_says_that_all_is_well_and_the_last_state_stays(page: AppTest, network: Network) -> None:
    assert titles(page) == ["システム状態"]
    assert page.success[0].value == "サーバー、プログラム、定期処理は、すべて正常に動いています。"
    assert [len(shown["rows"]) for shown in lists(page)] == [2, len(ticks())]
    assert "今月の監視の記録はまだありません" in texts(page)
    assert_survives_outage(page, network)
    assert page.metric


def test_what_does_not_run_is_named_with_what_to_do(
    page: AppTest, db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen_at = real_now() - GONE_AFTER - timedelta(seconds=1)
    db.execute(update(Instance).where(Instance.name == "worker").values(seen_at=seen_at))
    db.commit()
    message = fresh_errors(page)
    assert message.startswith("対応が必要な点が2件あります。")
    assert "定期処理のプログラムが動いていません。" in message
    assert "応答のないプログラムがあります（定期処理）。" in message

    report_all_running(db)
    enabled = settings().model_copy(update={"ocr": True})
    monkeypatch.setattr(rules, "settings", lambda: enabled)
    message = fresh_errors(page)
    assert message.startswith("対応が必要な点が1件あります。")
    assert "読み取るプログラムが動いていません。" in message
    assert "「make setup-ocr」を実行し" in message
    record_job(db, "agencies.read")
    db.commit()
    assert fresh_errors(page) == ""


def test_the_month_is_compared_with_its_target(page: AppTest, db: Session) -> None:
    now = real_now().replace(microsecond=0)
    for age in range(10):
        probe = {
            "at": now - timedelta(seconds=30 * (10 - age)),
            "target": "service",
            "every_seconds": 30,
            "ok": age != 4,
            "latency_ms": 5,
            "down": None if age != 4 else "データベースに接続できません",
        }
        store(db, "watchdog", [probe])
    db.commit()

    run(page)

    text = texts(page)
    assert "のうち、停止は1回、合わせて30秒です。目標（月に43分以内の停止）を守れています。残りは42分です。" in text
    assert "稼働率" in [metric.label for metric in page.metric]
    assert "データサービス: データベースに接続できません" in text


def test_answers_that_take_longer_than_five_seconds_are_named(page: AppTest, db: Session) -> None:
    counting = traffic.TrafficCounter()
    counting.count(200, 4.9)
    traffic.write(db, counting.take())
    db.commit()
    assert fresh_errors(page) == ""
    for _ in range(20):
        counting.count(200, 5.1)
    traffic.write(db, counting.take())
    db.commit()
    assert "応答に時間がかかっています。" in fresh_errors(page)


def record_backup(
    db: Session, hours_ago: float, ok: bool = True, kind: str = backups.TAKEN, seconds: float = 2.5
) -> None:
    at = real_now() - timedelta(hours=hours_ago)
    size = 12_300_000 if ok else None
    report = {"source": "a", "at": at, "seconds": seconds, "ok": ok, "bytes": size, "kept": 14, "kind": kind}
    backups.store(db, BackupReport.model_validate(report))
    db.commit()


def test_a_backup_is_shown_with_its_size_and_a_late_or_failed_one_is_named(page: AppTest, db: Session) -> None:
    record_backup(db, 27)
    assert "最後のバックアップから1日3時間たちました。" in fresh_errors(page)
    record_backup(db, 3)
    assert fresh_errors(page) == ""
    assert "最終バックアップ" in [metric.label for metric in page.metric]
    assert "成功　12MB、14回分を保管" in texts(page)

    record_backup(db, 1, ok=False)
    message = fresh_errors(page)
    assert "のバックアップに失敗しました。サーバーのログ（backup.log）で原因を確認してください。" in message
    assert "失敗　前回の成功 12MB" in texts(page)


def test_the_duration_of_a_restore_is_compared_with_its_target_and_a_slow_or_failed_one_is_named(
    page: AppTest, db: Session
) -> None:
    record_backup(db, 5)
    record_backup(db, 4, kind=backups.REHEARSED, seconds=372)
    assert fresh_errors(page) == ""
    assert "かかった時間は6分です（目標は24時間以内）。" in texts(page)
    record_backup(db, 3, kind=backups.REHEARSED, seconds=25 * 3600)
    assert "バックアップの復元に1日1時間かかりました（目標は24時間以内）。" in fresh_errors(page)
    record_backup(db, 2, ok=False, kind=backups.REHEARSED)
    assert "バックアップの復元の確認に失敗しました。" in fresh_errors(page)


def test_a_replica_says_how_far_it_follows_and_is_named_when_it_is_late_or_away(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state of a replica in this process; nothing answers at the replica's address."""
    nowhere = core_settings().database_url.get_secret_value().replace("sockets", "nowhere")
    monkeypatch.setattr(core_settings(), "database_read_url", SecretStr(nowhere))
    replica_watch = replica.ReplicaWatch(5)
    monkeypatch.setattr(replica, "watch", lambda: replica_watch)

    replica_watch.set_state("ok", 2.4)
    assert fresh_errors(page) == ""
    assert "遅れ 2秒" in texts(page)
    for behind, text in ((95.0, "1分遅れています。"), (None, "大きく遅れています。")):
        replica_watch.set_state("late", behind)
        assert f"読み取り用データベースが{text}" in fresh_errors(page)
        assert "**読み取り用データベース**　:orange[遅れています]" in texts(page)
    replica_watch.look()
    replica_watch.close()
    assert "読み取り用データベースに接続できません。その間は元のデータベースから表示するため" in fresh_errors(page)
    assert "**読み取り用データベース**　:orange[接続できません]" in texts(page)
