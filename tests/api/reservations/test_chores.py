"""定期作業: the document's rows, their turns, checking them off, and one message a day about overdue turns."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, delete, func, select
from sqlalchemy.orm import Session

from service.core import holidays
from service.core.audit import AuditEntry
from service.core.outbox.records import OutboxMessage
from service.core.values.times import TOKYO
from service.reservations.chores import actions
from service.reservations.chores.models import Chore, ChoreTurn
from tests import people
from tests.api.reservations import scene

SignIn = Callable[..., TestClient]
CHORES = "/api/reservations/chores"
TURNS = f"{CHORES}/turns"


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=TOKYO)  # type: ignore[misc,arg-type]


@pytest.fixture(scope="module")
def _engine(planned_engine: Engine) -> Engine:
    return planned_engine


@pytest.fixture(autouse=True)
def shops_and_services(db: Session) -> None:
    """Wednesday, 2031/1/8, at ten; the calendar is planned."""
    scene.fill(db)
    db.commit()


@pytest.fixture
def olivia(sign_in: SignIn) -> TestClient:
    return sign_in("olivia", reservations="operator")


@pytest.fixture
def anna(sign_in: SignIn) -> TestClient:
    return sign_in("anna", reservations="admin")


def list_turns(client: TestClient, **params: Any) -> list[dict[str, Any]]:
    response = client.get(TURNS, params={"limit": 100} | params)
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


def list_chores(client: TestClient, **params: Any) -> dict[str, dict[str, Any]]:
    response = client.get(CHORES, params={"limit": 100} | params)
    assert response.status_code == 200, response.text
    return {item["title"]: item for item in response.json()["items"]}


def open_turn(client: TestClient, title: str) -> dict[str, Any]:
    return next(item for item in list_turns(client) if item["title"] == title)


def post(client: TestClient, turn: dict[str, Any], action: str, status: int = 200, **fields: Any) -> dict[str, Any]:
    response = client.post(f"{TURNS}/{turn['id']}/{action}", json={"version": turn["version"]} | fields)
    assert response.status_code == status, response.text
    body: dict[str, Any] = response.json()
    return body


def slack(db: Session) -> list[str]:
    query = select(OutboxMessage).where(OutboxMessage.topic == "slack").order_by(OutboxMessage.id)
    return [message.payload["text"] for message in db.scalars(query)]


def set_time(db: Session, now: datetime) -> None:
    scene.set_clock(db, now)
    actions.plan(db)
    db.commit()


def notify_overdue_at(db: Session, now: datetime) -> int:
    set_time(db, now)
    count = actions.notify_overdue(db)
    db.commit()
    return count


def test_every_row_of_the_document_is_there_with_its_time_and_owner(olivia: TestClient) -> None:
    rows = {title: (chore["when"], chore["minutes"], chore["owner"]) for title, chore in list_chores(olivia).items()}

    assert rows == {
        # 6.1
        "ダッシュボード確認": ("毎営業日 10:00", 5, "運営担当者"),
        "Slack通知確認": ("毎営業日 10:00", 5, "運営担当者"),
        "マニュアルオペ対応": ("随時", None, "運営担当者"),
        # 4.1.2
        "予約成功率の確認": ("毎営業日 10:00", None, "運営担当者"),
        "決済成功率の確認": ("毎営業日 10:00", None, "運営担当者"),
        "マニュアルオペレーション件数の確認": ("毎営業日 10:00", None, "運営担当者"),
        "キャンセル率の確認": ("金曜日", None, "運営担当者"),
        # 6.2
        "週次レポート作成": ("金曜日", 30, "運営担当者"),
        "ログ確認": ("月曜日", 30, "運営担当者"),
        "提携店リスト更新": ("随時", None, "運営担当者"),
        # 6.3
        "月次レポート作成": ("月初5営業日以内", 60, "運営担当者"),
        "データベースバックアップ確認": ("月初5営業日以内", 15, "システム管理者"),
        "脆弱性スキャン": ("月初5営業日以内", 30, "システム管理者"),
        "提携店向け説明会": ("月中（11〜20日）", 30, "Qualfia担当者"),
        # 6.4
        "システムレビュー": ("4/7/10/1月", 120, "開発チーム + 運営担当者"),
        "ユーザー満足度調査": ("4/7/10/1月", 7 * 24 * 60, "カスタマーサポート"),
        "コスト見直し": ("4/7/10/1月", 60, "経営陣"),
        # 7.3.2
        "サポート対応内容のレビュー": ("金曜日", None, "カスタマーサポート"),
        "よくある問い合わせのまとめ・システム改善提案": ("月初5営業日以内", None, "カスタマーサポート"),
        "顧客満足度調査の結果の分析・サポート体制の見直し": ("4/7/10/1月", None, "カスタマーサポート"),
    }


def test_what_is_to_be_done_today_is_what_has_begun(olivia: TestClient) -> None:
    # 2031/1/8 is the fifth business day: only 1/1 was a holiday.
    turns = {turn["title"]: turn for turn in list_turns(olivia)}

    assert {title for title, turn in turns.items() if turn["rhythm"] == "daily"} == {
        "ダッシュボード確認",
        "Slack通知確認",
        "予約成功率の確認",
        "決済成功率の確認",
        "マニュアルオペレーション件数の確認",
    }
    assert "月次レポート作成" in turns
    assert "システムレビュー" in turns
    assert "週次レポート作成" not in turns
    assert {turn["state"] for turn in turns.values()} == {"now"}
    counts = olivia.get(f"{TURNS}/counts").json()
    assert (counts["todo"], counts["overdue"], counts["today"], counts["done_today"]) == (len(turns), 0, 9, 0)
    assert counts["next_title"] == "ダッシュボード確認"


def test_a_turn_is_checked_off_once_with_who_when_how_long_and_a_note(
    olivia: TestClient, sign_in: SignIn, db: Session
) -> None:
    turn = open_turn(olivia, "ダッシュボード確認")
    done = post(olivia, turn, "finish", minutes=7, note="予約数が少なめ")

    assert (done["state"], done["done_by"], done["minutes"], done["note"]) == (
        "done",
        "olivia さん",
        7,
        "予約数が少なめ",
    )
    assert not done["was_late"]
    assert [event["kind"] for event in done["events"]] == ["done"]
    entry = db.scalars(select(AuditEntry).where(AuditEntry.subject == "chore_turn")).one()
    assert entry.after is not None
    assert (entry.actor, entry.action, entry.after["minutes"]) == ("olivia", "status_change", 7)
    again = post(sign_in("oscar", reservations="operator"), turn, "finish", 409)
    assert "olivia さんが「完了」にしています" in again["detail"]
    assert list_chores(olivia)["ダッシュボード確認"]["last_by"] == "olivia さん"
    assert olivia.get(f"{TURNS}/counts").json()["done_today"] == 1


def test_a_finished_turn_is_reopened_with_a_reason_and_can_be_finished_again(olivia: TestClient) -> None:
    turn = open_turn(olivia, "Slack通知確認")
    done = post(olivia, turn, "finish", note="見た")
    assert post(olivia, done, "reopen", 422, reason=" ")["errors"][0]["field"] == "reason"
    reopened = post(olivia, done, "reopen", reason="別の日と間違えた")

    assert (reopened["state"], reopened["done_at"], reopened["note"]) == ("now", None, "")
    assert [event["text"] for event in reopened["events"]] == ["別の日と間違えた", "見た"]
    assert post(olivia, turn, "finish", 409)["type"] == "urn:genba:stale"
    assert post(olivia, reopened, "finish")["state"] == "done"
    assert post(olivia, post(olivia, open_turn(olivia, "ダッシュボード確認"), "finish"), "skip", 409, reason="x")


def test_a_turn_is_skipped_with_a_reason(olivia: TestClient) -> None:
    turn = open_turn(olivia, "コスト見直し")
    assert post(olivia, turn, "skip", 422, reason="")["errors"][0]["field"] == "reason"
    skipped = post(olivia, turn, "skip", reason="来期に決算とまとめて行う")

    assert (skipped["state"], skipped["note"], skipped["done_by"]) == (
        "skipped",
        "来期に決算とまとめて行う",
        "olivia さん",
    )
    assert [item["title"] for item in list_turns(olivia, state="skipped")] == ["コスト見直し"]


def test_a_turn_is_not_finished_in_the_future_but_may_be_in_the_past(olivia: TestClient) -> None:
    turn = open_turn(olivia, "ダッシュボード確認")
    future = post(olivia, turn, "finish", 422, done_at=at(2031, 1, 8, 10, 1).isoformat())
    assert future["errors"][0]["field"] == "done_at"
    done = post(olivia, turn, "finish", done_at=at(2031, 1, 8, 9, 45).isoformat())
    assert datetime.fromisoformat(done["done_at"]) == at(2031, 1, 8, 9, 45)


def test_several_are_checked_off_at_once_all_or_none(olivia: TestClient, db: Session) -> None:
    daily = list_turns(olivia, rhythm="daily")
    stale = [{"id": turn["id"], "version": turn["version"]} for turn in daily]
    stale[2]["version"] += 1
    assert olivia.post(f"{TURNS}/finish", json={"turns": stale}).status_code == 409
    assert db.scalar(select(func.count()).where(ChoreTurn.outcome.is_not(None))) == 0

    stale[2]["version"] -= 1
    assert olivia.post(f"{TURNS}/finish", json={"turns": stale}).json() == {"done": 5}
    assert list_turns(olivia, rhythm="daily") == []


def test_an_open_turn_is_overdue_after_business_hours_and_missed_when_the_next_one_begins(
    olivia: TestClient, db: Session
) -> None:
    turn = open_turn(olivia, "ダッシュボード確認")
    set_time(db, at(2031, 1, 8, 18, 30))
    assert open_turn(olivia, "ダッシュボード確認")["state"] == "overdue"
    assert olivia.get(f"{TURNS}/counts").json()["overdue"] == 9
    set_time(db, at(2031, 1, 9, 10, 0))

    assert open_turn(olivia, "ダッシュボード確認")["id"] != turn["id"]
    missed = [item for item in list_turns(olivia, state="missed") if item["title"] == "ダッシュボード確認"]
    assert [item["id"] for item in missed] == [turn["id"]]
    # It was done, and is recorded later.
    done = post(olivia, turn, "finish", done_at=at(2031, 1, 8, 19).isoformat())
    assert (done["state"], done["was_late"]) == ("done", True)


def test_slack_gets_one_message_a_business_day_about_all_overdue_turns(olivia: TestClient, db: Session) -> None:
    assert notify_overdue_at(db, at(2031, 1, 8, 17)) == 0
    assert slack(db) == []
    # Thursday morning: yesterday's daily and monthly ones, until today's begin at ten.
    assert [
        notify_overdue_at(db, at(2031, 1, 9, 8, 59)),
        notify_overdue_at(db, at(2031, 1, 9, 9, 0)),
        notify_overdue_at(db, at(2031, 1, 9, 9, 5)),
    ] == [
        0,
        9,
        0,
    ]
    [text] = slack(db)
    assert text.startswith(
        "定期作業が9件、期限を過ぎています\n・ダッシュボード確認（運営担当者）: 期限は2031/1/8（水）18:00でした"
    )
    # Nothing on Saturday; Friday's weekly turns are notified on Tuesday, after the holiday.
    assert notify_overdue_at(db, at(2031, 1, 11, 9, 30)) == 0
    assert notify_overdue_at(db, at(2031, 1, 13, 9, 30)) == 0
    assert notify_overdue_at(db, at(2031, 1, 14, 9, 30)) > 9
    assert "・週次レポート作成（運営担当者）: 期限は2031/1/10（金）18:00でした" in slack(db)[1]
    assert len(slack(db)) == 2


def test_when_nothing_is_overdue_nothing_is_sent(db: Session) -> None:
    db.execute(delete(ChoreTurn))
    assert notify_overdue_at(db, at(2031, 1, 8, 10)) == 0
    assert slack(db) == []


def test_planning_twice_is_as_planning_once(db: Session) -> None:
    before = db.scalar(select(func.count()).select_from(ChoreTurn))

    assert actions.plan(db) == 0
    assert db.scalar(select(func.count()).select_from(ChoreTurn)) == before
    # A week later, a week more is there, and nothing of this week was lost.
    scene.set_clock(db, at(2031, 1, 15, 10))
    assert actions.plan(db) > 0
    duplicates = select(ChoreTurn.chore_id, ChoreTurn.slot).group_by(ChoreTurn.chore_id, ChoreTurn.slot)
    assert db.execute(duplicates.having(func.count() > 1)).all() == []


def test_a_day_that_becomes_a_holiday_has_no_daily_turns_any_more(olivia: TestClient, db: Session) -> None:
    day = date(2031, 1, 22)
    assert len(list_turns(olivia, state="planned", since=day, until=day, rhythm="daily")) == 5
    by = people.create_actor(db, "keeper", reservations="admin")
    holidays.put(db, by, day, "創立記念日", None)
    actions.plan(db)
    db.commit()
    assert list_turns(olivia, state="all", since=day, until=day, rhythm="daily") == []
    days = {item["day"]: item for item in get_calendar(olivia, date(2031, 1, 20), date(2031, 1, 24))}
    assert (days["2031-01-22"]["holiday"], days["2031-01-22"]["is_business_day"]) == ("創立記念日", False)

    holidays.remove(db, by, day, 1)
    actions.plan(db)
    db.commit()
    assert len(list_turns(olivia, state="planned", since=day, until=day, rhythm="daily")) == 5


def get_calendar(client: TestClient, since: date, until: date) -> list[dict[str, Any]]:
    response = client.get(f"{CHORES}/calendar", params={"since": str(since), "until": str(until)})
    assert response.status_code == 200, response.text
    days: list[dict[str, Any]] = response.json()["days"]
    return days


def test_the_calendar_has_each_day_with_what_is_due_or_was_done_on_it(olivia: TestClient) -> None:
    post(olivia, open_turn(olivia, "月次レポート作成"), "finish")
    days = {
        entry["day"]: [item["title"] for item in entry["items"]]
        for entry in get_calendar(olivia, date(2031, 1, 6), date(2031, 1, 31))
    }

    assert len(days) == 26
    # The 5th business day.
    assert {"月次レポート作成", "脆弱性スキャン", "データベースバックアップ確認"} <= set(days["2031-01-08"])
    assert "週次レポート作成" in days["2031-01-10"]
    assert "ログ確認" in days["2031-01-14"]  # Monday the 13th is 成人の日.
    assert "提携店向け説明会" in days["2031-01-20"]
    assert "システムレビュー" in days["2031-01-31"]
    assert days["2031-01-11"] == days["2031-01-13"] == []
    too_long = olivia.get(f"{CHORES}/calendar", params={"since": "2031-01-01", "until": "2031-03-01"})
    assert too_long.status_code == 422


def test_an_admin_adds_changes_and_ends_a_chore_and_the_audit_log_has_it(anna: TestClient, db: Session) -> None:
    new = {"title": "制服の在庫確認", "rhythm": "weekly", "weekday": 4, "owner": "運営担当者", "minutes": 10}
    assert anna.post(CHORES, json=new | {"weekday": None}).json()["errors"][0]["field"] == "weekday"
    created = anna.post(CHORES, json=new)
    assert created.status_code == 201, created.text
    thursdays = list_turns(anna, chore_id=created.json()["id"], state="planned")
    assert [turn["starts_at"][:10] for turn in thursdays][:2] == ["2031-01-09", "2031-01-16"]

    chore = list_chores(anna)["制服の在庫確認"]
    path = f"{CHORES}/{chore['id']}"
    assert anna.patch(path, json={"version": 1, "rhythm": "monthly", "business_day": 2}).status_code == 204
    assert anna.patch(path, json={"version": 1, "title": "x"}).json()["type"] == "urn:genba:stale"
    changed = list_chores(anna)["制服の在庫確認"]
    assert (changed["when"], changed["weekday"]) == ("月初2営業日以内", None)
    assert anna.patch(path, json={"version": 2, "weekday": 4, "minutes": 15}).status_code == 204
    assert list_chores(anna)["制服の在庫確認"]["weekday"] is None
    planned = list_turns(anna, chore_id=chore["id"], state="all")
    assert {turn["rhythm"] for turn in planned} == {"monthly"}

    assert anna.post(f"{path}/archive").status_code == 204
    assert list_turns(anna, chore_id=chore["id"], state="all") == []
    assert "制服の在庫確認" in list_chores(anna, archived=True)
    assert anna.post(f"{path}/restore").status_code == 204
    assert len(list_turns(anna, chore_id=chore["id"], state="all")) == len(planned)
    entries = select(AuditEntry.action).where(AuditEntry.subject == "chore").order_by(AuditEntry.id)
    assert db.scalars(entries).all() == ["create", "update", "update", "status_change", "status_change"]


def test_ending_a_chore_keeps_what_was_done_and_skips_what_has_begun(anna: TestClient, db: Session) -> None:
    dashboard, slack_chore = open_turn(anna, "ダッシュボード確認"), open_turn(anna, "Slack通知確認")
    post(anna, dashboard, "finish")
    for turn in (dashboard, slack_chore):
        assert anna.post(f"{CHORES}/{turn['chore_id']}/archive").status_code == 204

    assert [turn["state"] for turn in list_turns(anna, chore_id=dashboard["chore_id"], state="all")] == ["done"]
    [remaining] = list_turns(anna, chore_id=slack_chore["chore_id"], state="all")
    assert (remaining["state"], remaining["note"]) == ("skipped", "作業の設定を無効にしたため")


def test_what_is_done_anytime_is_noted_as_often_as_it_is_done(olivia: TestClient) -> None:
    chore = list_chores(olivia)["提携店リスト更新"]
    for note in ("3店舗を追加", "1店舗を停止"):
        created = olivia.post(f"{CHORES}/{chore['id']}/records", json={"minutes": 20, "note": note})
        assert created.status_code == 201, created.text
    records = list_turns(olivia, chore_id=chore["id"], state="done", sort="-done_at")

    assert [record["note"] for record in records] == ["1店舗を停止", "3店舗を追加"]
    assert records[0]["due_at"] is None
    assert list_chores(olivia)["提携店リスト更新"]["done_lately"] == 2
    assert post(olivia, records[0], "reopen", 409, reason="x")["status"] == 409
    daily = list_chores(olivia)["ダッシュボード確認"]
    assert olivia.post(f"{CHORES}/{daily['id']}/records", json={}).status_code == 409


def test_the_backup_check_shows_the_state_of_backups(olivia: TestClient) -> None:
    turn = open_turn(olivia, "データベースバックアップ確認")
    detail = olivia.get(f"{TURNS}/{turn['id']}").json()

    assert detail["backups"]["last_at"] is None
    assert detail["backups"]["failed"] is False
    assert olivia.get(f"{TURNS}/{open_turn(olivia, '脆弱性スキャン')['id']}").json()["backups"] is None


def test_turns_are_searched_and_exported(olivia: TestClient) -> None:
    post(olivia, open_turn(olivia, "脆弱性スキャン"), "finish", minutes=25, note="該当なし")

    assert [item["title"] for item in list_turns(olivia, owner="システム管理者")] == ["データベースバックアップ確認"]
    assert [item["title"] for item in list_turns(olivia, q="該当なし", state="all")] == ["脆弱性スキャン"]
    assert olivia.get(TURNS, params={"sort": "title"}).status_code == 422
    assert "経営陣" in olivia.get(f"{CHORES}/owners").json()
    response = olivia.get(f"{TURNS}.csv", params={"state": "done"})
    rows = list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert [(row["作業内容"], row["状態"], row["かかった時間（分）"]) for row in rows] == [
        ("脆弱性スキャン", "完了", "25")
    ]
    assert olivia.get(f"{TURNS}.xlsx").status_code == 200


def test_support_checks_off_operators_define_nothing_and_management_stays_outside(
    olivia: TestClient, sign_in: SignIn, db: Session
) -> None:
    assert olivia.get(f"{TURNS}/999999").status_code == 404
    sally = sign_in("sally", reservations="support")
    assert post(sally, open_turn(sally, "ユーザー満足度調査"), "finish")["done_by"] == "sally さん"
    chore = db.scalars(select(Chore).limit(1)).one()
    for login_id, role in (("oscar", "operator"), ("susan", "support")):
        client = sign_in(login_id, reservations=role)
        assert client.post(f"{CHORES}/{chore.id}/archive").status_code == 403
        assert client.patch(f"{CHORES}/{chore.id}", json={"version": 1, "title": "x"}).status_code == 403
    for login_id, roles in (("mona", {"reservations": "manager"}), ("charlie", {"loaners": "admin"})):
        outside = sign_in(login_id, **roles)
        assert outside.get(TURNS).status_code == outside.get(CHORES).status_code == 403
        assert outside.get(f"{TURNS}.csv").status_code == 403


def test_a_chore_starts_within_business_hours(anna: TestClient) -> None:
    new = {"title": "夜の作業", "rhythm": "daily", "owner": "運営担当者", "starts": "17:30"}
    assert anna.post(CHORES, json=new).json()["errors"][0]["field"] == "starts"
    assert anna.post(CHORES, json=new | {"starts": "16:30"}).status_code == 201
    tomorrow = timedelta(days=1)
    assert list_turns(anna, q="夜の作業")[0:] == []
    assert len(list_turns(anna, q="夜の作業", state="planned", until=date(2031, 1, 8) + tomorrow)) == 2
