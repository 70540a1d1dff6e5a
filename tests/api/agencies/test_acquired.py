"""獲得案件一覧 (3.3): by corporation, the newest 投入済 first; sales see the sites of their own agency."""

from __future__ import annotations

import csv
import io
from datetime import date, time
from typing import Any

import pytest

from service.agencies.acquired import queries
from service.agencies.models import Request
from service.agencies.rules import Status
from service.core.access.identity import User
from service.core.audit import AuditEntry
from service.core.values.times import at
from tests.api.agencies import scene
from tests.api.agencies.scene import Scene

PATH = "/api/agencies/acquired"
ENTERED = Status.ENTERED


def add_entered_site(
    team: Scene, request: Request, branch: str, day: date, clock: time = time(10), **values: Any
) -> int:
    site = scene.site(team.db, request, ENTERED, power_branch_name=branch, entered_at=at(day, clock), **values)
    return site.id


def add_documents_example(team: Scene) -> None:
    """The example of 3.3, requested by alice."""
    abc, xyz = (scene.corporation(team.db, team.a, name) for name in ("株式会社ABC", "有限会社XYZ"))
    of_abc, of_xyz = (scene.request(team.db, corporation, team.alice, status=ENTERED) for corporation in (abc, xyz))
    add_entered_site(team, of_abc, "池袋店", date(2026, 2, 5), service_type="gas")
    add_entered_site(team, of_abc, "渋谷店", date(2026, 2, 10))
    add_entered_site(team, of_abc, "新宿店", date(2026, 2, 8))
    add_entered_site(team, of_xyz, "本社", date(2026, 2, 11))


def listed(team: Scene, user: User, **filters: Any) -> list[tuple[str, list[str]]]:
    answer = team.sign_in(user).get(PATH, params=filters)
    assert answer.status_code == 200, answer.text
    for item in answer.json()["items"]:
        assert item["sites_count"] == len(item["sites"])
        assert item["last_entered_at"] == max(site["entered_at"] for site in item["sites"])
    return [(item["corporation_name"], [s["branch_name"] for s in item["sites"]]) for item in answer.json()["items"]]


def test_sites_stand_below_their_corporation_and_what_was_entered_last_comes_first(team: Scene) -> None:
    add_documents_example(team)

    assert listed(team, team.alice) == [("有限会社XYZ", ["本社"]), ("株式会社ABC", ["渋谷店", "新宿店", "池袋店"])]
    assert listed(team, team.alice, sort="-sites_count")[0][0] == "株式会社ABC"
    assert listed(team, team.alice, sort="last_entered_at")[0][0] == "株式会社ABC"


def test_a_corporation_of_many_sites_answers_the_newest_and_how_many_there_are(
    team: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_documents_example(team)
    monkeypatch.setattr(queries, "SITES", 2)

    xyz, abc = team.sign_in(team.alice).get(PATH).json()["items"]
    assert (xyz["sites_count"], len(xyz["sites"])) == (1, 1)
    assert (abc["sites_count"], [site["branch_name"] for site in abc["sites"]]) == (3, ["渋谷店", "新宿店"])


def test_a_site_says_what_the_document_lists(team: Scene) -> None:
    add_documents_example(team)
    item = team.sign_in(team.alice).get(PATH, params={"q": "池袋"}).json()["items"][0]
    [site] = item["sites"]

    assert (site["branch_name"], site["service_type"], site["status"]) == ("池袋店", "gas", "entered")
    assert site["power_plan_name"] == "従量電灯B"
    assert len(site["location_number"]) == 22
    assert site["entered_at"] == "2026-02-05T01:00:00Z"


def test_only_what_is_entered_is_there_and_it_comes_by_itself(team: Scene) -> None:
    corporation = scene.corporation(team.db, team.a, "株式会社これから")
    request = scene.request(team.db, corporation, team.alice, Status.WORKING, Status.DEFICIENT, Status.CANCELLED)
    assert listed(team, team.alice) == []
    add_entered_site(team, request, "一号店", date(2026, 11, 1))
    assert listed(team, team.alice) == [("株式会社これから", ["一号店"])]


def test_a_word_finds_corporations_with_all_their_sites_and_branches_alone(team: Scene) -> None:
    add_documents_example(team)

    assert listed(team, team.alice, q="abc") == [("株式会社ABC", ["渋谷店", "新宿店", "池袋店"])]
    assert listed(team, team.alice, q="新宿") == [("株式会社ABC", ["新宿店"])]
    assert listed(team, team.alice, q="%") == []


def test_a_period_is_of_tokyo_days_both_included(team: Scene) -> None:
    request = scene.request(team.db, scene.corporation(team.db, team.a, "株式会社深夜"), team.alice, status=ENTERED)
    add_entered_site(team, request, "前日", date(2026, 2, 9), time(23, 59))
    add_entered_site(team, request, "当日の朝", date(2026, 2, 10), time(0, 0))
    add_entered_site(team, request, "当日の夜", date(2026, 2, 10), time(23, 59))
    add_entered_site(team, request, "翌日", date(2026, 2, 11), time(0, 0))

    rows = listed(team, team.alice, since="2026-02-10", until="2026-02-10")
    assert rows == [("株式会社深夜", ["当日の夜", "当日の朝"])]


def test_sales_see_their_own_requests_first_and_their_agencys_when_they_ask(team: Scene) -> None:
    for user, agency, name in (
        (team.alice, team.a, "株式会社アリス"),
        (team.anna, team.a, "株式会社アンナ"),
        (team.bob, team.b, "株式会社ボブ"),
    ):
        request = scene.request(team.db, scene.corporation(team.db, agency, name), user, status=ENTERED)
        add_entered_site(team, request, f"{name}店", date(2026, 2, 10))

    def names(user: User, **filters: Any) -> set[str]:
        return {name for name, _ in listed(team, user, **filters)}

    own_agency = {"株式会社アリス", "株式会社アンナ"}
    assert names(team.alice) == {"株式会社アリス"}
    assert names(team.alice, mine=False) == own_agency
    assert names(team.alice, mine=False, agency_id=team.b.id) == set()
    assert names(team.alice, mine=False, q="ボブ") == set()
    for user_of_all in (team.olga, team.adam):
        assert names(user_of_all) == {*own_agency, "株式会社ボブ"}
        assert names(user_of_all, agency_id=team.a.id) == own_agency
        assert names(user_of_all, mine=True) == set()


def test_counts_and_files_hold_what_the_list_holds_and_nothing_of_another_agency(team: Scene) -> None:
    add_documents_example(team)
    request = scene.request(team.db, scene.corporation(team.db, team.b, "株式会社ボブ商店"), team.bob, status=ENTERED)
    add_entered_site(team, request, "ボブ一号店", date(2026, 3, 1))
    params = {"mine": "false", "q": "店"}

    counts = team.sign_in(team.alice).get(f"{PATH}/counts", params=params).json()
    assert counts == {"corporations": 1, "sites": 3, "last_entered_at": "2026-02-10T01:00:00Z"}
    text = team.client.get(f"{PATH}.csv", params=params).content.decode("utf-8-sig")
    assert "ボブ" not in text
    assert team.client.get(f"{PATH}.xlsx", params=params).status_code == 200
    assert team.sign_in(team.olga).get(f"{PATH}/counts").json()["sites"] == 5


def test_the_file_has_a_row_a_site_in_the_order_of_the_page(team: Scene) -> None:
    add_documents_example(team)
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
        request = scene.request(
            team.db, scene.corporation(team.db, team.a, f"株式会社{number}"), team.alice, status=ENTERED
        )
        # Three of them at the same time.
        add_entered_site(team, request, "本店", date(2026, 2, 1 + number // 3))
    team.sign_in(team.alice)
    for sort in ("-last_entered_at", "last_entered_at", "sites_count"):
        names, cursor = [], None
        while True:
            params = {"limit": 2, "sort": sort} | ({"cursor": cursor} if cursor else {})
            page = team.client.get(PATH, params=params).json()
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
