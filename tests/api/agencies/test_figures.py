"""代理店別数値 (3.6) and the dashboard: not for sales."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest

from service.agencies.models import Agency, Request, Site
from service.agencies.rules import Status
from service.core.access.identity import User
from service.core.database.clock import app_now
from service.core.values.times import at, day_bounds, month_of
from tests.api.agencies import scene
from tests.api.agencies.scene import Scene

PATH = "/api/agencies/figures"
# 代理店名, 依頼件数, 不備, 対応中, 投入済, 獲得地点, 不備率, as the document prints them.
TABLE = (
    ("株式会社AAA代理店", 25, 3, 5, 17, 42, 12),
    ("株式会社BBB代理店", 18, 1, 2, 15, 31, 6),
    ("個人 田中代理店", 8, 0, 1, 7, 10, 0),
)
COLUMNS = ("name", "requests", "deficient", "working", "entered", "acquired_sites", "rate")


def add_requests(
    team: Scene, agency: Agency, by: User, status: Status, number: int, sites: int = 0, at_time: datetime | None = None
) -> None:
    """Adds requests of a status, and entered sites of the first of them."""
    created_at = at_time or app_now(team.db)
    corporation = scene.corporation(team.db, agency)
    requests = [scene.request(team.db, corporation, by, status=status, created_at=created_at) for _ in range(number)]
    for _ in range(sites):
        scene.site(team.db, requests[0], Status.ENTERED, entered_at=created_at)


def add_documents_table(team: Scene) -> list[Agency]:
    tanaka = scene.agency(team.db, "個人 田中代理店", "TANAKA")
    agencies = [team.a, team.b, tanaka]
    sales_users = [team.alice, team.bob, scene.sales(team.db, "taro", tanaka)]
    for (_, _, deficient, working, entered, sites, _), agency, by in zip(TABLE, agencies, sales_users, strict=True):
        add_requests(team, agency, by, Status.DEFICIENT, deficient)
        add_requests(team, agency, by, Status.WORKING, working)
        add_requests(team, agency, by, Status.ENTERED, entered, sites)
    return agencies


def rows(team: Scene, user: User | None = None, **filters: Any) -> list[tuple[Any, ...]]:
    answer = team.sign_in(user or team.olga).get(PATH, params=filters)
    assert answer.status_code == 200, answer.text
    return [tuple(item[name] for name in COLUMNS) for item in answer.json()["items"]]


def test_the_documents_table_is_what_comes_out(team: Scene) -> None:
    agencies = add_documents_table(team)

    for user in (team.olga, team.adam):
        assert rows(team, user) == [*TABLE]
    body = team.client.get(PATH).json()
    assert [item["id"] for item in body["items"]] == [agency.id for agency in agencies]
    assert body["total"] == 3
    assert body["whole"] == {
        "requests": 51,
        "deficient": 4,
        "working": 8,
        "entered": 39,
        "cancelled": 0,
        "acquired_sites": 83,
        "rate": 8,
    }


def test_the_sum_is_of_all_agencies_on_whatever_page_they_stand(team: Scene) -> None:
    add_documents_table(team)
    team.sign_in(team.olga)
    page = team.client.get(PATH, params={"limit": 2}).json()
    second_page = team.client.get(PATH, params={"limit": 2, "cursor": page["next_cursor"]}).json()

    assert [item["name"] for item in (*page["items"], *second_page["items"])] == [row[0] for row in TABLE]
    assert page["whole"]["acquired_sites"] == second_page["whole"]["acquired_sites"] == 83
    assert second_page["whole"]["rate"] == 8


@pytest.mark.parametrize("sort", ["name", "-requests", "requests", "-acquired_sites", "-rate", "rate"])
def test_it_can_be_sorted_and_read_page_by_page(team: Scene, sort: str) -> None:
    add_documents_table(team)
    scene.agency(team.db, "株式会社まだ何も", "NEW")
    team.sign_in(team.olga)
    names: list[str] = []
    cursor = None
    while True:
        params: dict[str, str | int] = {"limit": 1, "sort": sort}
        if cursor:
            params["cursor"] = cursor
        page = team.client.get(PATH, params=params).json()
        names += [item["name"] for item in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert len(names) == len(set(names)) == 4
    if sort.endswith("rate"):
        assert names[-1] == "株式会社まだ何も"  # no rate without requests: last in either order


def test_cancelled_requests_have_a_column_and_can_be_left_out(team: Scene) -> None:
    add_requests(team, team.a, team.alice, Status.DEFICIENT, 1)
    add_requests(team, team.a, team.alice, Status.CANCELLED, 3)

    [with_them] = team.sign_in(team.olga).get(PATH, params={"agency_id": team.a.id}).json()["items"]
    [without] = team.client.get(PATH, params={"agency_id": team.a.id, "cancelled": "excluded"}).json()["items"]
    assert (with_them["requests"], with_them["cancelled"], with_them["rate"]) == (4, 3, 25)
    assert (without["requests"], without["cancelled"], without["rate"]) == (1, 0, 100)


def test_a_month_and_days_are_tokyos_and_sites_count_when_they_were_entered(team: Scene) -> None:
    add_requests(team, team.a, team.alice, Status.ENTERED, 1, 2, at(date(2026, 1, 31), time(23, 59)))
    add_requests(team, team.a, team.alice, Status.ENTERED, 2, 3, at(date(2026, 2, 1), time(0, 0)))
    add_requests(team, team.a, team.alice, Status.DEFICIENT, 1, 0, at(date(2026, 2, 28), time(23, 59)))
    add_requests(team, team.a, team.alice, Status.WORKING, 1, 1, at(date(2026, 3, 1), time(0, 0)))
    late = team.db.query(Site).filter(Site.entered_at < day_bounds(date(2026, 2, 1))[0]).first()
    assert late is not None
    late.entered_at = at(date(2026, 2, 10), time(9))
    team.db.flush()

    def counted(**filters: Any) -> tuple[Any, ...]:
        [item] = team.sign_in(team.olga).get(PATH, params={"agency_id": team.a.id, **filters}).json()["items"]
        return item["requests"], item["acquired_sites"], item["rate"]

    assert counted() == (5, 6, 20)
    assert counted(month="2026-02") == (3, 4, 33)
    assert counted(since="2026-02-01", until="2026-02-28") == (3, 4, 33)
    assert counted(since="2026-02-02", until="2026-02-27") == (0, 1, None)
    assert counted(month="2026-02", since="2026-02-28") == (1, 0, 100)
    assert counted(until="2026-01-31") == (1, 1, 0)


def test_an_inactive_agency_is_listed_with_its_figures(team: Scene) -> None:
    add_requests(team, team.b, team.bob, Status.ENTERED, 1, 1)
    for agency in (team.b, scene.agency(team.db, "株式会社実績なし", "NONE")):
        agency.archived_at = app_now(team.db)
    team.db.flush()

    is_active = {item["name"]: item["is_active"] for item in team.sign_in(team.olga).get(PATH).json()["items"]}
    assert is_active == {"株式会社AAA代理店": True, "株式会社BBB代理店": False}


def test_the_file_has_the_columns_of_the_page(team: Scene) -> None:
    add_documents_table(team)
    team.sign_in(team.olga)
    answer = team.client.get(f"{PATH}.csv")
    header, *table = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")))

    assert header == ["代理店名", "依頼件数", "不備", "対応中", "投入済", "キャンセル", "獲得地点", "不備率"]
    assert table == [
        [name, *map(str, (requests, deficient, working, entered, 0, sites)), f"{rate}%"]
        for name, requests, deficient, working, entered, sites, rate in TABLE
    ]
    assert team.client.get(f"{PATH}.xlsx").status_code == 200
    other_month = team.client.get(f"{PATH}.csv", params={"month": "2020-01"}).content.decode("utf-8-sig")
    assert "25" not in other_month


def test_a_chart_is_by_month_or_by_day(team: Scene) -> None:
    for day in (date(2026, 1, 31), date(2026, 2, 1), date(2026, 2, 1)):
        add_requests(team, team.a, team.alice, Status.ENTERED, 1, 2, at(day, time(0, 30)))
    add_requests(team, team.b, team.bob, Status.ENTERED, 1, 1, at(date(2026, 2, 2), time(0, 30)))

    def points(**filters: Any) -> list[tuple[str, int, int]]:
        answer = team.sign_in(team.olga).get(f"{PATH}/series", params=filters).json()
        return [(point["first"], point["requests"], point["acquired_sites"]) for point in answer["points"]]

    months = points(by="month", since="2026-01-15", until="2026-02-10")
    assert months == [("2026-01-01", 1, 2), ("2026-02-01", 3, 5)]
    days = points(by="day", since="2026-01-31", until="2026-02-02", agency_id=team.a.id)
    assert days == [("2026-01-31", 1, 2), ("2026-02-01", 2, 4), ("2026-02-02", 0, 0)]
    assert len(points()) == 12
    assert len(points(by="day")) == 31
    refused = team.client.get(f"{PATH}/series", params={"by": "day", "since": "2020-01-01", "until": "2026-01-01"})
    assert refused.status_code == 422
    assert "92日間" in refused.json()["errors"][0]["message"]
    assert team.client.get(f"{PATH}/series", params={"since": "2000-01-01", "until": "9000-01-01"}).status_code == 422


def test_the_dashboard_says_what_waits_and_how_the_month_goes(team: Scene) -> None:
    now = app_now(team.db)
    old = now - timedelta(days=400)
    corporation = scene.corporation(team.db, team.b, "株式会社いちばん")
    first = scene.request(team.db, corporation, team.bob, status=Status.WORKING, created_at=old)
    add_requests(team, team.a, team.alice, Status.DEFICIENT, 2, 0, now)
    deficient = team.db.query(Request).filter_by(status="deficient").first()
    assert deficient is not None
    for status in (Status.WORKING, Status.ENTERED, Status.CANCELLED):
        add_requests(team, team.a, team.alice, status, 1, int(status is Status.ENTERED), now)
    claimed = scene.request(
        team.db, corporation, team.bob, status=Status.WORKING, created_at=old, claimed_by=team.olga.id, claimed_at=old
    )
    last_month = month_of(now).plus(-1).bounds()[0]
    add_requests(team, team.a, team.alice, Status.ENTERED, 1, 4, last_month)

    dashboard = team.sign_in(team.adam).get("/api/agencies/dashboard").json()
    assert (dashboard["deficient"], dashboard["working"], dashboard["unclaimed"]) == (2, 3, 2)
    assert [request["id"] for request in dashboard["oldest"]][:2] == [first.id, claimed.id]
    assert dashboard["oldest"][0]["corporation_name"] == "株式会社いちばん"
    assert dashboard["oldest"][1]["claimed_by_name"] == "olga さん"
    assert len(dashboard["oldest"]) == 5
    assert dashboard["today"] == dashboard["month"] == {"requests": 5, "acquired_sites": 1}
    assert dashboard["before"] == {"requests": 1, "acquired_sites": 4}


def test_sales_get_none_of_it_and_operators_no_dashboard(team: Scene) -> None:
    for path in (PATH, f"{PATH}.csv", f"{PATH}.xlsx", f"{PATH}/series", "/api/agencies/dashboard"):
        assert team.sign_in(team.alice).get(path).status_code == 403, path
    assert team.sign_in(team.olga).get("/api/agencies/dashboard").status_code == 403
    assert team.sign_in(team.olga).get(PATH).status_code == 200


def test_what_is_no_period_is_refused(team: Scene) -> None:
    team.sign_in(team.olga)
    for params in (
        {"month": "2026-13"},
        {"month": "0001-01"},
        {"since": "0001-01-01"},
        {"until": "9999-12-31"},
        {"cancelled": "maybe"},
        {"sort": "id"},
        {"agency_id": 2**63},
    ):
        assert team.client.get(PATH, params=params).status_code == 422, params
