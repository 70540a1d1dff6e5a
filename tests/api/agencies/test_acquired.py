"""獲得案件一覧 (3.3): by corporation, what was entered last first; sales see their own agency's."""

from __future__ import annotations

import csv
import io
from datetime import date, time
from typing import Any

import pytest

from service.agencies.acquired import queries
from service.agencies.requests.models import Request
from service.agencies.rules import Status
from service.core.access.identity import User
from service.core.audit import AuditEntry
from service.core.values.times import at
from tests.api.agencies import scene
from tests.api.agencies.scene import Scene

PATH = "/api/agencies/acquired"
ENTERED = Status.ENTERED


def entered(team: Scene, of: Request, branch: str, day: date, clock: time = time(10), **values: Any) -> int:
    made = scene.site(team.db, of, ENTERED, power_branch_name=branch, entered_at=at(day, clock), **values)
    return made.id


def documents_own(team: Scene) -> None:
    """The example of 3.3, asked for by alice."""
    abc, xyz = (scene.corporation(team.db, team.a, name) for name in ("株式会社ABC", "有限会社XYZ"))
    of_abc, of_xyz = (scene.request(team.db, one, team.alice, status=ENTERED) for one in (abc, xyz))
    entered(team, of_abc, "池袋店", date(2026, 2, 5), service_type="gas")
    entered(team, of_abc, "渋谷店", date(2026, 2, 10))
    entered(team, of_abc, "新宿店", date(2026, 2, 8))
    entered(team, of_xyz, "本社", date(2026, 2, 11))


def shown(team: Scene, user: User, **asked: Any) -> list[tuple[str, list[str]]]:
    answer = team.sign_in(user).get(PATH, params=asked)
    assert answer.status_code == 200, answer.text
    for item in answer.json()["items"]:
        assert item["sites_count"] == len(item["sites"])
        assert item["last_entered_at"] == max(site["entered_at"] for site in item["sites"])
    return [(item["corporation_name"], [s["branch_name"] for s in item["sites"]]) for item in answer.json()["items"]]


def test_sites_stand_below_their_corporation_and_what_was_entered_last_comes_first(team: Scene) -> None:
    documents_own(team)

    assert shown(team, team.alice) == [("有限会社XYZ", ["本社"]), ("株式会社ABC", ["渋谷店", "新宿店", "池袋店"])]
    assert shown(team, team.alice, sort="-sites_count")[0][0] == "株式会社ABC"
    assert shown(team, team.alice, sort="last_entered_at")[0][0] == "株式会社ABC"


def test_a_corporation_of_many_sites_answers_the_newest_and_how_many_there_are(
    team: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents_own(team)
    monkeypatch.setattr(queries, "SITES", 2)

    xyz, abc = team.sign_in(team.alice).get(PATH).json()["items"]
    assert (xyz["sites_count"], len(xyz["sites"])) == (1, 1)
    assert (abc["sites_count"], [site["branch_name"] for site in abc["sites"]]) == (3, ["渋谷店", "新宿店"])


def test_a_site_says_what_the_document_lists(team: Scene) -> None:
    documents_own(team)
    item = team.sign_in(team.alice).get(PATH, params={"q": "池袋"}).json()["items"][0]
    [site] = item["sites"]

    assert (site["branch_name"], site["service_type"], site["status"]) == ("池袋店", "gas", "entered")
    assert site["power_plan_name"] == "従量電灯B"
    assert len(site["location_number"]) == 22
    assert site["entered_at"] == "2026-02-05T01:00:00Z"


def test_only_what_is_entered_is_there_and_it_comes_by_itself(team: Scene) -> None:
    corporation = scene.corporation(team.db, team.a, "株式会社これから")
    made = scene.request(team.db, corporation, team.alice, Status.WORKING, Status.DEFICIENT, Status.CANCELLED)
    assert shown(team, team.alice) == []
    entered(team, made, "一号店", date(2026, 11, 1))
    assert shown(team, team.alice) == [("株式会社これから", ["一号店"])]


def test_a_word_finds_corporations_with_all_their_sites_and_branches_alone(team: Scene) -> None:
    documents_own(team)

    assert shown(team, team.alice, q="abc") == [("株式会社ABC", ["渋谷店", "新宿店", "池袋店"])]
    assert shown(team, team.alice, q="新宿") == [("株式会社ABC", ["新宿店"])]
    assert shown(team, team.alice, q="%") == []


def test_a_period_is_of_tokyo_days_both_included(team: Scene) -> None:
    made = scene.request(team.db, scene.corporation(team.db, team.a, "株式会社深夜"), team.alice, status=ENTERED)
    entered(team, made, "前日", date(2026, 2, 9), time(23, 59))
    entered(team, made, "当日の朝", date(2026, 2, 10), time(0, 0))
    entered(team, made, "当日の夜", date(2026, 2, 10), time(23, 59))
    entered(team, made, "翌日", date(2026, 2, 11), time(0, 0))

    found = shown(team, team.alice, since="2026-02-10", until="2026-02-10")
    assert found == [("株式会社深夜", ["当日の夜", "当日の朝"])]


def test_sales_see_their_own_requests_first_and_their_agencys_when_they_ask(team: Scene) -> None:
    for user, of, name in (
        (team.alice, team.a, "株式会社アリス"),
        (team.anna, team.a, "株式会社アンナ"),
        (team.bob, team.b, "株式会社ボブ"),
    ):
        made = scene.request(team.db, scene.corporation(team.db, of, name), user, status=ENTERED)
        entered(team, made, f"{name}店", date(2026, 2, 10))

    def names(user: User, **asked: Any) -> set[str]:
        return {name for name, _ in shown(team, user, **asked)}

    both = {"株式会社アリス", "株式会社アンナ"}
    assert names(team.alice) == {"株式会社アリス"}
    assert names(team.alice, mine=False) == both
    assert names(team.alice, mine=False, agency_id=team.b.id) == set()
    assert names(team.alice, mine=False, q="ボブ") == set()
    for whole in (team.olga, team.adam):
        assert names(whole) == {*both, "株式会社ボブ"}
        assert names(whole, agency_id=team.a.id) == both
        assert names(whole, mine=True) == set()


def test_counts_and_files_hold_what_the_list_holds_and_nothing_of_another_agency(team: Scene) -> None:
    documents_own(team)
    made = scene.request(team.db, scene.corporation(team.db, team.b, "株式会社ボブ商店"), team.bob, status=ENTERED)
    entered(team, made, "ボブ一号店", date(2026, 3, 1))
    asked = {"mine": "false", "q": "店"}

    counts = team.sign_in(team.alice).get(f"{PATH}/counts", params=asked).json()
    assert counts == {"corporations": 1, "sites": 3, "last_entered_at": "2026-02-10T01:00:00Z"}
    text = team.client.get(f"{PATH}.csv", params=asked).content.decode("utf-8-sig")
    assert "ボブ" not in text
    assert team.client.get(f"{PATH}.xlsx", params=asked).status_code == 200
    assert team.sign_in(team.olga).get(f"{PATH}/counts").json()["sites"] == 5


def test_the_file_has_a_row_a_site_in_the_order_of_the_page(team: Scene) -> None:
    documents_own(team)
    answer = team.sign_in(team.alice).get(f"{PATH}.csv")
    header, *rows = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")))

    assert header[:7] == [
        "法人名",
        "店舗名",
        "サービス種別",
        "ステータス",
        "契約プラン",
        "供給地点特定番号",
        "投入完了日",
    ]
    assert [(row[0], row[1], row[2], row[3], row[6]) for row in rows] == [
        ("有限会社XYZ", "本社", "電気", "投入済", "2026-02-11"),
        ("株式会社ABC", "渋谷店", "電気", "投入済", "2026-02-10"),
        ("株式会社ABC", "新宿店", "電気", "投入済", "2026-02-08"),
        ("株式会社ABC", "池袋店", "ガス", "投入済", "2026-02-05"),
    ]
    team.client.get(f"{PATH}.csv", params={"sort": "nonsense"})
    exported = team.db.query(AuditEntry).filter_by(action="export", subject="agencies.acquired").all()
    assert [entry.after["rows"] for entry in exported if entry.after] == [4]


def test_pages_follow_one_another_without_a_gap(team: Scene) -> None:
    for number in range(5):
        made = scene.request(
            team.db, scene.corporation(team.db, team.a, f"株式会社{number}"), team.alice, status=ENTERED
        )
        # Three of them at the same moment.
        entered(team, made, "本店", date(2026, 2, 1 + number // 3))
    team.sign_in(team.alice)
    for sort in ("-last_entered_at", "last_entered_at", "sites_count"):
        names, cursor = [], None
        while True:
            asked = {"limit": 2, "sort": sort} | ({"cursor": cursor} if cursor else {})
            page = team.client.get(PATH, params=asked).json()
            names += [item["corporation_name"] for item in page["items"]]
            assert page["total"] == 5
            if (cursor := page["next_cursor"]) is None:
                break
        assert sorted(names) == [f"株式会社{number}" for number in range(5)], sort


def test_an_order_or_a_day_that_is_none_is_refused_in_words(team: Scene) -> None:
    team.sign_in(team.alice)
    assert team.client.get(PATH, params={"sort": "secret"}).json()["errors"][0]["field"] == "sort"
    assert team.client.get(f"{PATH}.csv", params={"sort": "secret"}).status_code == 422
    for day in ("0001-01-01", "9999-12-31", "2026-02-30"):
        assert team.client.get(PATH, params={"since": day, "until": day}).status_code == 422
