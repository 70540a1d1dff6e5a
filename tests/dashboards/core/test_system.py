"""システム状態: an administrator reads whether everything runs, and what does not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import update
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from service.agencies import rules
from service.agencies.settings import settings
from service.core import backups, replica
from service.core.areas import ticks
from service.core.clock import real_now
from service.core.health import record_job
from service.core.instances import GONE_AFTER, Instance, Presence
from service.core.probes import store
from service.core.settings import settings as core_settings
from tests.dashboards.conftest import Line

Screen = Callable[..., AppTest]


def everything_runs(db: Session) -> None:
    for name in ticks():
        record_job(db, name)
    for name in ("service", "worker"):
        Presence(name).report(db)
    db.commit()


def open_page(screen: Screen) -> AppTest:
    page = screen("alice", fleet="admin").run()
    page.switch_page("core/system.py").run()
    assert not page.exception
    return page


def test_all_is_well_is_said_in_the_first_line(db: Session, screen: Screen) -> None:
    everything_runs(db)

    page = open_page(screen)

    assert page.title[0].value == "システム状態"
    assert page.success[0].value == "サーバー、プログラム、定期処理は、すべて正常に動いています。"
    assert [frame.value.shape[0] for frame in page.dataframe] == [2, len(ticks())]
    assert "今月の監視の記録はまだありません" in " ".join(shown.value for shown in page.markdown)


def test_what_does_not_run_is_named(db: Session, screen: Screen) -> None:
    everything_runs(db)
    gone = real_now() - GONE_AFTER - timedelta(seconds=1)
    db.execute(update(Instance).where(Instance.name == "worker").values(seen_at=gone))
    db.commit()

    told = open_page(screen).error[0].value

    assert told.startswith("対応が必要な点が2件あります。")
    assert "定期処理のプログラムが動いていません。" in told
    assert "応答のないプログラムがあります（定期処理）。" in told


def test_a_statement_reader_without_its_packages_is_named_with_what_to_do(
    db: Session, screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything_runs(db)
    on = settings().model_copy(update={"ocr": True})
    monkeypatch.setattr(rules, "settings", lambda: on)

    page = open_page(screen)
    told = page.error[0].value.replace("\\", "")

    assert told.startswith("対応が必要な点が1件あります。")
    assert "読み取るプログラムが動いていません。" in told
    assert "「make setup-ocr」を実行し" in told

    record_job(db, "agencies.read")
    db.commit()
    assert not page.run().error


def test_the_month_is_held_against_its_target(db: Session, screen: Screen) -> None:
    everything_runs(db)
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

    page = open_page(screen)

    told = " ".join(shown.value for shown in page.markdown)
    assert "のうち、停止は1回、合わせて30秒です。目標（月に43分以内の停止）を守れています。残りは42分です。" in told
    assert "稼働率" in [metric.label for metric in page.metric]
    assert "データサービス: データベースに接続できません" in " ".join(shown.value for shown in page.markdown)


def test_a_service_that_is_away_is_said_and_the_last_state_stays(db: Session, screen: Screen, line: Line) -> None:
    everything_runs(db)
    page = open_page(screen)
    line.cut()
    page.run()

    assert "最新の状態を取得できません" in page.warning[0].value
    assert page.metric
    assert not page.exception


def test_an_operator_is_told_that_the_page_is_not_hers(screen: Screen) -> None:
    page = screen("olivia", fleet="operator").run()

    assert "システム状態" not in [link.label for link in page.sidebar.page_link]


def backed_up(db: Session, hours_ago: float, ok: bool = True, kind: str = backups.TAKEN, seconds: float = 2.5) -> None:
    at = real_now() - timedelta(hours=hours_ago)
    size = 12_300_000 if ok else None
    told = {"source": "a", "at": at, "seconds": seconds, "ok": ok, "bytes": size, "kept": 14, "kind": kind}
    backups.store(db, told)
    db.commit()


def test_the_last_backup_is_shown_with_its_size(db: Session, screen: Screen) -> None:
    everything_runs(db)
    backed_up(db, 3)

    page = open_page(screen)

    assert page.success
    assert "最終バックアップ" in [metric.label for metric in page.metric]
    assert "成功　12MB、14回分を保管" in " ".join(shown.value for shown in page.markdown)


def test_a_backup_that_is_late_is_named(db: Session, screen: Screen) -> None:
    everything_runs(db)
    backed_up(db, 27)

    assert "最後のバックアップから1日3時間たちました。" in open_page(screen).error[0].value


def test_a_backup_that_failed_is_named(db: Session, screen: Screen) -> None:
    everything_runs(db)
    backed_up(db, 3)
    backed_up(db, 1, ok=False)

    page = open_page(screen)

    told = page.error[0].value
    assert "のバックアップに失敗しました。サーバーのログ（backup.log）で原因を確認してください。" in told
    assert "失敗　前回の成功 12MB" in " ".join(shown.value for shown in page.markdown)


def test_a_backup_that_could_not_be_restored_is_named(db: Session, screen: Screen) -> None:
    everything_runs(db)
    backed_up(db, 3)
    backed_up(db, 2, kind=backups.REHEARSED)
    backed_up(db, 1, ok=False, kind=backups.REHEARSED)

    assert "バックアップの復元の確認に失敗しました。" in open_page(screen).error[0].value


@pytest.fixture
def following(monkeypatch: pytest.MonkeyPatch) -> replica.Watch:
    """This process's view of a replica whose address is one where nobody answers."""
    nowhere = core_settings().database_url.get_secret_value().replace("sockets", "nowhere")
    monkeypatch.setattr(core_settings(), "database_read_url", SecretStr(nowhere))
    seen = replica.Watch(5)
    monkeypatch.setattr(replica, "watch", lambda: seen)
    return seen


def shown(page: AppTest) -> str:
    return " ".join(shown.value for shown in page.markdown)


def test_a_replica_that_is_away_is_named_and_the_page_is_there_all_the_same(
    db: Session, screen: Screen, following: replica.Watch
) -> None:
    everything_runs(db)
    following.look()
    following.close()

    page = open_page(screen)

    assert "読み取り用データベースに接続できません。その間は元のデータベースから表示するため" in page.error[0].value
    assert "**読み取り用データベース**　:orange[接続できません]" in shown(page)


@pytest.mark.parametrize(("behind", "said"), [(95.0, "1分遅れています。"), (None, "大きく遅れています。")])
def test_a_replica_that_is_late_is_named_with_how_much(
    db: Session, screen: Screen, following: replica.Watch, behind: float | None, said: str
) -> None:
    everything_runs(db)
    following.told("late", behind)

    page = open_page(screen)

    assert f"読み取り用データベースが{said}" in page.error[0].value
    assert "**読み取り用データベース**　:orange[遅れています]" in shown(page)


def test_a_replica_that_follows_says_how_far_it_is(db: Session, screen: Screen, following: replica.Watch) -> None:
    everything_runs(db)
    following.told("ok", 2.4)

    page = open_page(screen)

    assert not page.error
    assert "遅れ 2秒" in shown(page)


def test_how_long_a_restore_takes_stands_against_its_target(db: Session, screen: Screen) -> None:
    everything_runs(db)
    backed_up(db, 3)
    backed_up(db, 2, kind=backups.REHEARSED, seconds=372)

    page = open_page(screen)

    assert page.success
    assert "かかった時間は6分です（目標は24時間以内）。" in " ".join(shown.value for shown in page.markdown)


def test_a_restore_that_took_longer_than_it_may_is_named(db: Session, screen: Screen) -> None:
    everything_runs(db)
    backed_up(db, 3)
    backed_up(db, 1, kind=backups.REHEARSED, seconds=25 * 3600)

    assert "バックアップの復元に1日1時間かかりました（目標は24時間以内）。" in open_page(screen).error[0].value
