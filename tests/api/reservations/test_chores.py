"""定期作業: the document's rows, their turns, checking them off, and one message a day about what is overdue."""

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


def at(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=TOKYO)  # type: ignore[misc,arg-type]


@pytest.fixture(scope="module")
def _engine(planned: Engine) -> Engine:
    return planned


@pytest.fixture(autouse=True)
def world(db: Session) -> None:
    """Wednesday, 2031/1/8, at ten; the calendar is planned."""
    scene.fill(db)
    db.commit()


@pytest.fixture
def olivia(sign_in: SignIn) -> TestClient:
    return sign_in("olivia", reservations="operator")


@pytest.fixture
def anna(sign_in: SignIn) -> TestClient:
    return sign_in("anna", reservations="admin")


def listed(client: TestClient, **asked: Any) -> list[dict[str, Any]]:
    answer = client.get(TURNS, params={"limit": 100} | asked)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def chores(client: TestClient, **asked: Any) -> dict[str, dict[str, Any]]:
    answer = client.get(CHORES, params={"limit": 100} | asked)
    assert answer.status_code == 200, answer.text
    return {one["title"]: one for one in answer.json()["items"]}


def todo(client: TestClient, title: str) -> dict[str, Any]:
    return next(one for one in listed(client) if one["title"] == title)


def post(client: TestClient, turn: dict[str, Any], what: str, status: int = 200, **said: Any) -> dict[str, Any]:
    answer = client.post(f"{TURNS}/{turn['id']}/{what}", json={"version": turn["version"]} | said)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def slack(db: Session) -> list[str]:
    found = select(OutboxMessage).where(OutboxMessage.topic == "slack").order_by(OutboxMessage.id)
    return [message.payload["text"] for message in db.scalars(found)]


def move(db: Session, moment: datetime) -> None:
    scene.set_clock(db, moment)
    actions.plan(db)
    db.commit()


def told(db: Session, moment: datetime) -> int:
    move(db, moment)
    count = actions.notify_overdue(db)
    db.commit()
    return count


def test_every_row_of_the_document_is_there_with_its_time_and_owner(olivia: TestClient) -> None:
    rows = {title: (one["when"], one["minutes"], one["owner"]) for title, one in chores(olivia).items()}

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
    found = {one["title"]: one for one in listed(olivia)}

    assert {title for title, one in found.items() if one["rhythm"] == "daily"} == {
        "ダッシュボード確認",
        "Slack通知確認",
        "予約成功率の確認",
        "決済成功率の確認",
        "マニュアルオペレーション件数の確認",
    }
    assert "月次レポート作成" in found
    assert "システムレビュー" in found
    assert "週次レポート作成" not in found
    assert {one["state"] for one in found.values()} == {"now"}
    counts = olivia.get(f"{TURNS}/counts").json()
    assert (counts["todo"], counts["overdue"], counts["today"], counts["done_today"]) == (len(found), 0, 9, 0)
    assert counts["next_title"] == "ダッシュボード確認"


def test_a_turn_is_checked_off_once_with_who_when_how_long_and_a_note(
    olivia: TestClient, sign_in: SignIn, db: Session
) -> None:
    turn = todo(olivia, "ダッシュボード確認")
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
    assert chores(olivia)["ダッシュボード確認"]["last_by"] == "olivia さん"
    assert olivia.get(f"{TURNS}/counts").json()["done_today"] == 1


def test_what_is_done_is_taken_back_with_a_reason_and_can_be_done_again(olivia: TestClient) -> None:
    turn = todo(olivia, "Slack通知確認")
    done = post(olivia, turn, "finish", note="見た")
    assert post(olivia, done, "reopen", 422, reason=" ")["errors"][0]["field"] == "reason"
    back = post(olivia, done, "reopen", reason="別の日と間違えた")

    assert (back["state"], back["done_at"], back["note"]) == ("now", None, "")
    assert [event["text"] for event in back["events"]] == ["別の日と間違えた", "見た"]
    assert post(olivia, turn, "finish", 409)["type"] == "urn:genba:stale"
    assert post(olivia, back, "finish")["state"] == "done"
    assert post(olivia, post(olivia, todo(olivia, "ダッシュボード確認"), "finish"), "skip", 409, reason="x")


def test_a_turn_is_skipped_with_a_reason(olivia: TestClient) -> None:
    turn = todo(olivia, "コスト見直し")
    assert post(olivia, turn, "skip", 422, reason="")["errors"][0]["field"] == "reason"
    skipped = post(olivia, turn, "skip", reason="来期に決算とまとめて行う")

    assert (skipped["state"], skipped["note"], skipped["done_by"]) == (
        "skipped",
        "来期に決算とまとめて行う",
        "olivia さん",
    )
    assert [one["title"] for one in listed(olivia, state="skipped")] == ["コスト見直し"]


def test_nothing_is_done_in_the_future_and_what_was_done_earlier_can_be_said(olivia: TestClient) -> None:
    turn = todo(olivia, "ダッシュボード確認")
    future = post(olivia, turn, "finish", 422, done_at=at(2031, 1, 8, 10, 1).isoformat())
    assert future["errors"][0]["field"] == "done_at"
    done = post(olivia, turn, "finish", done_at=at(2031, 1, 8, 9, 45).isoformat())
    assert datetime.fromisoformat(done["done_at"]) == at(2031, 1, 8, 9, 45)


def test_several_are_checked_off_at_once_all_or_none(olivia: TestClient, db: Session) -> None:
    daily = listed(olivia, rhythm="daily")
    stale = [{"id": one["id"], "version": one["version"]} for one in daily]
    stale[2]["version"] += 1
    assert olivia.post(f"{TURNS}/finish", json={"turns": stale}).status_code == 409
    assert db.scalar(select(func.count()).where(ChoreTurn.outcome.is_not(None))) == 0

    stale[2]["version"] -= 1
    assert olivia.post(f"{TURNS}/finish", json={"turns": stale}).json() == {"done": 5}
    assert listed(olivia, rhythm="daily") == []


def test_what_nobody_did_is_late_when_people_go_home_and_missed_when_the_next_one_begins(
    olivia: TestClient, db: Session
) -> None:
    turn = todo(olivia, "ダッシュボード確認")
    move(db, at(2031, 1, 8, 18, 30))
    assert todo(olivia, "ダッシュボード確認")["state"] == "overdue"
    assert olivia.get(f"{TURNS}/counts").json()["overdue"] == 9
    move(db, at(2031, 1, 9, 10, 0))

    assert todo(olivia, "ダッシュボード確認")["id"] != turn["id"]
    missed = [one for one in listed(olivia, state="missed") if one["title"] == "ダッシュボード確認"]
    assert [one["id"] for one in missed] == [turn["id"]]
    # Somebody did it and forgot to say so.
    done = post(olivia, turn, "finish", done_at=at(2031, 1, 8, 19).isoformat())
    assert (done["state"], done["was_late"]) == ("done", True)


def test_slack_hears_once_a_business_day_of_all_that_is_overdue_in_one_message(olivia: TestClient, db: Session) -> None:
    assert told(db, at(2031, 1, 8, 17)) == 0
    assert slack(db) == []
    # Thursday morning: yesterday's daily and monthly ones, until today's begin at ten.
    assert [told(db, at(2031, 1, 9, 8, 59)), told(db, at(2031, 1, 9, 9, 0)), told(db, at(2031, 1, 9, 9, 5))] == [
        0,
        9,
        0,
    ]
    [text] = slack(db)
    assert text.startswith(
        "定期作業が9件、期限を過ぎています\n・ダッシュボード確認（運営担当者）: 期限は2031/1/8（水）18:00でした"
    )
    # Nothing on Saturday; Friday's weekly ones are asked for on Tuesday, after the holiday.
    assert told(db, at(2031, 1, 11, 9, 30)) == 0
    assert told(db, at(2031, 1, 13, 9, 30)) == 0
    assert told(db, at(2031, 1, 14, 9, 30)) > 9
    assert "・週次レポート作成（運営担当者）: 期限は2031/1/10（金）18:00でした" in slack(db)[1]
    assert len(slack(db)) == 2


def test_when_nothing_is_overdue_nobody_is_told(db: Session) -> None:
    db.execute(delete(ChoreTurn))
    assert told(db, at(2031, 1, 8, 10)) == 0
    assert slack(db) == []


def test_planning_twice_is_as_planning_once(db: Session) -> None:
    before = db.scalar(select(func.count()).select_from(ChoreTurn))

    assert actions.plan(db) == 0
    assert db.scalar(select(func.count()).select_from(ChoreTurn)) == before
    # A week later, a week more is there, and nothing of this week was lost.
    scene.set_clock(db, at(2031, 1, 15, 10))
    assert actions.plan(db) > 0
    twice = select(ChoreTurn.chore_id, ChoreTurn.slot).group_by(ChoreTurn.chore_id, ChoreTurn.slot)
    assert db.execute(twice.having(func.count() > 1)).all() == []


def test_a_day_that_becomes_a_holiday_has_no_daily_turns_any_more(olivia: TestClient, db: Session) -> None:
    day = date(2031, 1, 22)
    assert len(listed(olivia, state="planned", since=day, until=day, rhythm="daily")) == 5
    by = people.actor(db, "keeper", reservations="admin")
    holidays.put(db, by, day, "創立記念日", None)
    actions.plan(db)
    db.commit()
    assert listed(olivia, state="all", since=day, until=day, rhythm="daily") == []
    days = {one["day"]: one for one in _calendar(olivia, date(2031, 1, 20), date(2031, 1, 24))}
    assert (days["2031-01-22"]["holiday"], days["2031-01-22"]["is_business_day"]) == ("創立記念日", False)

    holidays.remove(db, by, day, 1)
    actions.plan(db)
    db.commit()
    assert len(listed(olivia, state="planned", since=day, until=day, rhythm="daily")) == 5


def _calendar(client: TestClient, since: date, until: date) -> list[dict[str, Any]]:
    answer = client.get(f"{CHORES}/calendar", params={"since": str(since), "until": str(until)})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["days"]
    return found


def test_the_calendar_has_each_day_with_what_is_due_or_was_done_on_it(olivia: TestClient) -> None:
    post(olivia, todo(olivia, "月次レポート作成"), "finish")
    days = {
        one["day"]: [item["title"] for item in one["items"]]
        for one in _calendar(olivia, date(2031, 1, 6), date(2031, 1, 31))
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


def test_an_admin_adds_changes_and_ends_a_chore_and_the_trail_has_it(anna: TestClient, db: Session) -> None:
    new = {"title": "制服の在庫確認", "rhythm": "weekly", "weekday": 4, "owner": "運営担当者", "minutes": 10}
    assert anna.post(CHORES, json=new | {"weekday": None}).json()["errors"][0]["field"] == "weekday"
    made = anna.post(CHORES, json=new)
    assert made.status_code == 201, made.text
    thursdays = listed(anna, chore_id=made.json()["id"], state="planned")
    assert [one["starts_at"][:10] for one in thursdays][:2] == ["2031-01-09", "2031-01-16"]

    chore = chores(anna)["制服の在庫確認"]
    path = f"{CHORES}/{chore['id']}"
    assert anna.patch(path, json={"version": 1, "rhythm": "monthly", "business_day": 2}).status_code == 204
    assert anna.patch(path, json={"version": 1, "title": "x"}).json()["type"] == "urn:genba:stale"
    changed = chores(anna)["制服の在庫確認"]
    assert (changed["when"], changed["weekday"]) == ("月初2営業日以内", None)
    assert anna.patch(path, json={"version": 2, "weekday": 4, "minutes": 15}).status_code == 204
    assert chores(anna)["制服の在庫確認"]["weekday"] is None
    planned = listed(anna, chore_id=chore["id"], state="all")
    assert {one["rhythm"] for one in planned} == {"monthly"}

    assert anna.post(f"{path}/archive").status_code == 204
    assert listed(anna, chore_id=chore["id"], state="all") == []
    assert "制服の在庫確認" in chores(anna, archived=True)
    assert anna.post(f"{path}/restore").status_code == 204
    assert len(listed(anna, chore_id=chore["id"], state="all")) == len(planned)
    entries = select(AuditEntry.action).where(AuditEntry.subject == "chore").order_by(AuditEntry.id)
    assert db.scalars(entries).all() == ["create", "update", "update", "status_change", "status_change"]


def test_ending_a_chore_keeps_what_was_done_and_skips_what_has_begun(anna: TestClient, db: Session) -> None:
    dashboard, slack_chore = todo(anna, "ダッシュボード確認"), todo(anna, "Slack通知確認")
    post(anna, dashboard, "finish")
    for one in (dashboard, slack_chore):
        assert anna.post(f"{CHORES}/{one['chore_id']}/archive").status_code == 204

    assert [one["state"] for one in listed(anna, chore_id=dashboard["chore_id"], state="all")] == ["done"]
    [left] = listed(anna, chore_id=slack_chore["chore_id"], state="all")
    assert (left["state"], left["note"]) == ("skipped", "作業の設定を無効にしたため")


def test_what_is_done_anytime_is_noted_as_often_as_it_is_done(olivia: TestClient) -> None:
    chore = chores(olivia)["提携店リスト更新"]
    for note in ("3店舗を追加", "1店舗を停止"):
        made = olivia.post(f"{CHORES}/{chore['id']}/records", json={"minutes": 20, "note": note})
        assert made.status_code == 201, made.text
    noted = listed(olivia, chore_id=chore["id"], state="done", sort="-done_at")

    assert [one["note"] for one in noted] == ["1店舗を停止", "3店舗を追加"]
    assert noted[0]["due_at"] is None
    assert chores(olivia)["提携店リスト更新"]["done_lately"] == 2
    assert post(olivia, noted[0], "reopen", 409, reason="x")["status"] == 409
    daily = chores(olivia)["ダッシュボード確認"]
    assert olivia.post(f"{CHORES}/{daily['id']}/records", json={}).status_code == 409


def test_the_backup_check_says_what_is_known_of_backups(olivia: TestClient) -> None:
    turn = todo(olivia, "データベースバックアップ確認")
    detail = olivia.get(f"{TURNS}/{turn['id']}").json()

    assert detail["backups"]["last_at"] is None
    assert detail["backups"]["failed"] is False
    assert olivia.get(f"{TURNS}/{todo(olivia, '脆弱性スキャン')['id']}").json()["backups"] is None


def test_turns_are_found_and_taken_along(olivia: TestClient) -> None:
    post(olivia, todo(olivia, "脆弱性スキャン"), "finish", minutes=25, note="該当なし")

    assert [one["title"] for one in listed(olivia, owner="システム管理者")] == ["データベースバックアップ確認"]
    assert [one["title"] for one in listed(olivia, q="該当なし", state="all")] == ["脆弱性スキャン"]
    assert olivia.get(TURNS, params={"sort": "title"}).status_code == 422
    assert "経営陣" in olivia.get(f"{CHORES}/owners").json()
    answer = olivia.get(f"{TURNS}.csv", params={"state": "done"})
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [(row["作業内容"], row["状態"], row["かかった時間（分）"]) for row in rows] == [
        ("脆弱性スキャン", "完了", "25")
    ]
    assert olivia.get(f"{TURNS}.xlsx").status_code == 200


def test_support_checks_off_operators_define_nothing_and_management_stays_outside(
    olivia: TestClient, sign_in: SignIn, db: Session
) -> None:
    assert olivia.get(f"{TURNS}/999999").status_code == 404
    sally = sign_in("sally", reservations="support")
    assert post(sally, todo(sally, "ユーザー満足度調査"), "finish")["done_by"] == "sally さん"
    chore = db.scalars(select(Chore).limit(1)).one()
    for login_id, role in (("oscar", "operator"), ("susan", "support")):
        client = sign_in(login_id, reservations=role)
        assert client.post(f"{CHORES}/{chore.id}/archive").status_code == 403
        assert client.patch(f"{CHORES}/{chore.id}", json={"version": 1, "title": "x"}).status_code == 403
    for login_id, given in (("mona", {"reservations": "manager"}), ("charlie", {"loaners": "admin"})):
        outside = sign_in(login_id, **given)
        assert outside.get(TURNS).status_code == outside.get(CHORES).status_code == 403
        assert outside.get(f"{TURNS}.csv").status_code == 403


def test_the_time_of_a_chore_is_while_people_work(anna: TestClient) -> None:
    new = {"title": "夜の作業", "rhythm": "daily", "owner": "運営担当者", "starts": "17:30"}
    assert anna.post(CHORES, json=new).json()["errors"][0]["field"] == "starts"
    assert anna.post(CHORES, json=new | {"starts": "16:30"}).status_code == 201
    tomorrow = timedelta(days=1)
    assert listed(anna, q="夜の作業")[0:] == []
    assert len(listed(anna, q="夜の作業", state="planned", until=date(2031, 1, 8) + tomorrow)) == 2
