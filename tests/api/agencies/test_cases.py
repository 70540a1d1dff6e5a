"""投入案件: the list and its filters, deficiencies, claims, viewers, comments; closed to sales."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from service.agencies.models import Request
from service.agencies.rules import Status
from service.core.audit import AuditEntry
from service.core.database.clock import app_now
from service.core.outbox.records import OutboxMessage
from service.core.values.times import local_date
from tests.api.agencies import scene
from tests.api.agencies.scene import Scene

CASES = "/api/agencies/cases"
W, D, E, C = Status.WORKING, Status.DEFICIENT, Status.ENTERED, Status.CANCELLED


@pytest.fixture
def olga(team: Scene) -> TestClient:
    return team.sign_in(team.olga)


def add_case(team: Scene, *sites: Status, name: str | None = None, **values: Any) -> Request:
    case = scene.request(team.db, scene.corporation(team.db, team.a, name), team.alice, *sites, **values)
    team.db.commit()
    return case


def path(case: Request, suffix: str = "") -> str:
    return f"{CASES}/{case.id}{suffix}"


def ids(client: TestClient, **filters: Any) -> list[int]:
    answer = client.get(CASES, params=filters)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


def test_everything_under_cases_is_closed_to_sales(team: Scene) -> None:
    case = add_case(team, W)
    routes = [
        ("GET", "", "/counts", "/sales-people", "/agencies", "/operators", f"/{case.id}"),
        ("GET", *(f"/{case.id}{below}" for below in ("/sites", "/images", "/comments", "/sites/1/entry"))),
        ("GET", f"/{case.id}/sites/1/entry.csv", f"/{case.id}/sites/1/entry.xlsx"),
        ("PATCH", f"/{case.id}", f"/{case.id}/sites/1", f"/{case.id}/images/1"),
        ("POST", *(f"/{case.id}{below}" for below in ("/sites", "/sites/1/status", "/deficiency", "/put-right"))),
        ("POST", *(f"/{case.id}{below}" for below in ("/claim", "/hand-over", "/release", "/viewing", "/comments"))),
        ("POST", f"/{case.id}/read"),
        ("DELETE", f"/{case.id}/sites/1"),
    ]
    for user in (team.alice, team.bob):
        client = team.sign_in(user)
        for method, *suffixes in routes:
            for suffix in suffixes:
                answer = client.request(method, f"{CASES}{suffix}", json=None if method == "GET" else {})
                assert (answer.status_code, "権限" in answer.json()["detail"]) == (403, True), (method, suffix)


def test_a_row_says_what_is_entered_of_what_was_declared(olga: TestClient, team: Scene) -> None:
    case = add_case(team, E, E, W, C, name="株式会社ABC", site_count=3)

    item = olga.get(CASES).json()["items"][0]

    assert (item["id"], item["corporation_name"], item["status"]) == (case.id, "株式会社ABC", "working")
    assert (item["entered_sites"], item["sites"], item["site_count"]) == (2, 3, 3)
    assert (item["requested_by_name"], item["agency_name"]) == ("alice さん", "株式会社AAA代理店")


def test_the_list_shows_what_is_left_unless_asked_for_more(olga: TestClient, team: Scene) -> None:
    working, deficient = add_case(team, W), add_case(team, D, W)
    entered, cancelled, mixed = add_case(team, E), add_case(team, C), add_case(team, E, C)

    assert ids(olga) == [working.id, deficient.id]
    assert ids(olga, status="deficient") == [deficient.id]
    assert ids(olga, status="working") == [working.id]
    assert ids(olga, status="working", open=False) == [working.id, mixed.id]
    assert ids(olga, status="entered") == [entered.id]
    assert ids(olga, status="cancelled") == [cancelled.id]
    all_ids = sorted(case.id for case in (working, deficient, entered, cancelled, mixed))
    assert ids(olga, status="all") == all_ids
    assert ids(olga, sort="-created_at", status="all") == all_ids[::-1]
    counts = olga.get(f"{CASES}/counts").json()
    assert {name: counts[name] for name in ("open", "deficient", "working", "waiting")} == {
        "open": 2,
        "deficient": 1,
        "working": 1,
        "waiting": 1,
    }


def test_conditions_cut_the_list(olga: TestClient, team: Scene) -> None:
    of_a = add_case(team, W, name="株式会社青空")
    of_b = scene.request(team.db, scene.corporation(team.db, team.b, "有限会社みなと"), team.bob, W)
    old = add_case(team, W, created_at=app_now(team.db) - timedelta(days=40))
    team.db.commit()
    today = local_date(app_now(team.db))

    assert ids(olga, q="青空") == [of_a.id]
    assert ids(olga, q="%") == []
    assert ids(olga, sales_id=team.bob.id) == [of_b.id]
    assert ids(olga, agency_id=team.b.id) == [of_b.id]
    assert ids(olga, since=today.isoformat()) == [of_a.id, of_b.id]
    assert ids(olga, until=(today - timedelta(days=30)).isoformat()) == [old.id]
    assert {agency["id"] for agency in olga.get(f"{CASES}/agencies").json()["items"]} == {team.a.id, team.b.id}
    sales_users = olga.get(f"{CASES}/sales-people").json()["items"]
    assert [(sales_user["name"], sales_user["agency_name"]) for sales_user in sales_users] == [
        ("alice さん", "株式会社AAA代理店"),
        ("bob さん", "株式会社BBB代理店"),
    ]


def test_unread_is_each_readers_own(olga: TestClient, team: Scene) -> None:
    case = add_case(team, W)
    first = scene.comment(team.db, case, team.alice, "明細を追加しました。")
    second = scene.comment(team.db, case, team.alice, "よろしくお願いします。")
    team.db.commit()

    assert olga.get(CASES).json()["items"][0]["unread"] == 2
    assert ids(olga, unread=True) == [case.id]
    assert olga.post(path(case, "/read"), json={"comment_id": first.id}).status_code == 204
    assert [comment["is_unread"] for comment in olga.get(path(case, "/comments")).json()["items"]] == [True, False]
    assert olga.post(path(case, "/read"), json={"comment_id": 2**62}).status_code == 204
    assert (ids(olga, unread=True), olga.get(f"{CASES}/counts").json()["unread"]) == ([], 0)
    # The read mark never moves back, and later comments are unread.
    olga.post(path(case, "/read"), json={"comment_id": first.id})
    assert olga.get(path(case)).json()["unread"] == 0
    scene.comment(team.db, case, team.alice, "もう1件あります。")
    team.db.commit()
    assert olga.get(path(case)).json()["unread"] == 1

    adam = team.sign_in(team.adam)
    assert adam.get(path(case)).json()["unread"] == 3
    assert second.id > first.id


def test_a_comment_marks_earlier_comments_as_read(olga: TestClient, team: Scene) -> None:
    case = add_case(team, W)
    scene.comment(team.db, case, team.alice)
    team.db.commit()

    assert olga.post(path(case, "/comments"), json={"message": "確認します。"}).status_code == 204

    comments = olga.get(path(case, "/comments")).json()["items"]
    assert [(comment["message"], comment["author_name"], comment["is_unread"]) for comment in comments] == [
        ("確認します。", "olga さん", False),
        ("確認しました。", "alice さん", False),
    ]
    refused = olga.post(path(case, "/comments"), json={"message": "4111111111111111 です"})
    assert "カード番号" in refused.json()["errors"][0]["message"]
    assert olga.post(path(case, "/comments"), json={"message": "  "}).status_code == 422


def test_a_deficiency_of_chosen_sites_goes_back_to_sales(olga: TestClient, team: Scene) -> None:
    team.alice.mail = "alice@example.com"
    case = add_case(team, W, W)
    first, second = olga.get(path(case, "/sites")).json()["items"]
    body = {"message": "2枚目の明細が読めません。", "site_ids": [second["id"]], "version": case.version}

    assert olga.post(path(case, "/deficiency"), json=body).status_code == 204

    sites = {site["id"]: site for site in olga.get(path(case, "/sites")).json()["items"]}
    assert (sites[first["id"]]["status"], sites[second["id"]]["status"]) == ("working", "deficient")
    assert sites[second["id"]]["deficiency"] == "2枚目の明細が読めません。"
    assert olga.get(path(case)).json()["status"] == "deficient"
    assert [(comment["type"], comment["site_id"]) for comment in olga.get(path(case, "/comments")).json()["items"]] == [
        ("deficiency", second["id"])
    ]
    assert team.db.scalars(select(OutboxMessage.recipient)).all() == ["alice@example.com"]

    # The sales user answered by telephone.
    resolution = {"message": "電話で確認しました。", "version": olga.get(path(case)).json()["version"]}
    assert olga.post(path(case, "/put-right"), json=resolution).status_code == 204
    assert olga.get(path(case)).json()["status"] == "working"
    assert olga.get(path(case, "/sites")).json()["items"][1]["deficiency"] == ""
    again = {"message": "もう一度", "version": olga.get(path(case)).json()["version"]}
    refused = olga.post(path(case, "/put-right"), json=again)
    assert (refused.status_code, refused.json()["type"]) == (409, "about:blank")


def test_an_unseen_deficiency_is_not_resolved_with_another(olga: TestClient, team: Scene) -> None:
    case = add_case(team, W, W)
    first, second = (item["id"] for item in olga.get(path(case, "/sites")).json()["items"])
    for version, site in ((1, first), (2, second)):
        body = {"message": "読めません。", "site_ids": [site], "version": version}
        assert olga.post(path(case, "/deficiency"), json=body).status_code == 204

    answer = olga.post(path(case, "/put-right"), json={"message": "電話で確認しました。", "version": 2})

    assert (answer.status_code, answer.json()["current"]) == (409, {"status": "deficient", "version": 3})
    assert [item["status"] for item in olga.get(path(case, "/sites")).json()["items"]] == ["deficient", "deficient"]


def test_the_whole_request_can_be_deficient_before_it_has_a_site(olga: TestClient, team: Scene) -> None:
    case = add_case(team)
    body = {"message": "明細画像がありません。", "version": 1}

    assert olga.post(path(case, "/deficiency"), json=body).status_code == 204

    shown = olga.get(path(case)).json()
    assert (shown["status"], shown["deficiency"]) == ("deficient", "明細画像がありません。")
    # A site comes before the answer: the request stays 不備.
    assert olga.post(path(case, "/sites"), json={}).status_code == 201
    assert olga.get(path(case)).json()["status"] == "deficient"


def test_a_deficiency_on_an_old_version_is_not_sent(olga: TestClient, team: Scene) -> None:
    case = add_case(team, W)
    body = {"message": "明細が読めません。", "version": 1}
    assert olga.post(path(case, "/deficiency"), json=body).status_code == 204

    answer = olga.post(path(case, "/deficiency"), json=body)

    assert (answer.status_code, answer.json()["current"]) == (409, {"status": "deficient", "version": 2})
    assert answer.json()["yours"] == {"message": "明細が読めません。"}
    assert len(olga.get(path(case, "/comments")).json()["items"]) == 1


def test_deficiencies_end_at_the_borders(olga: TestClient, team: Scene) -> None:
    case, other = add_case(team, E), add_case(team, W)
    entered = olga.get(path(case, "/sites")).json()["items"][0]
    body = {"message": "誤りです。", "version": 1}

    assert olga.post(path(case, "/deficiency"), json=body).status_code == 409
    assert olga.post(path(case, "/deficiency"), json={**body, "site_ids": [entered["id"]]}).status_code == 409
    assert olga.post(path(other, "/deficiency"), json={**body, "site_ids": [entered["id"]]}).status_code == 404
    assert olga.post(f"{CASES}/{2**62}/deficiency", json=body).status_code == 404


def test_the_number_of_sites_is_put_right_with_a_version(olga: TestClient, team: Scene) -> None:
    case = add_case(team, site_count=3)

    assert olga.patch(path(case), json={"version": 1, "site_count": 5}).json()["site_count"] == 5
    stale = olga.patch(path(case), json={"version": 1, "site_count": 4})
    assert (stale.status_code, stale.json()["yours"], stale.json()["current"]) == (
        409,
        {"site_count": 4},
        {"site_count": 5, "version": 2},
    )
    assert olga.patch(path(case), json={"version": 2, "site_count": 1000}).status_code == 422


def test_a_case_is_claimed_handed_over_and_released(olga: TestClient, team: Scene) -> None:
    case = add_case(team, W)

    assert olga.post(path(case, "/claim"), json={}).status_code == 204
    assert olga.get(path(case)).json()["is_claimed_by_me"] is True
    assert (ids(olga, claimed="me"), ids(olga, claimed="others"), ids(olga, claimed="nobody")) == ([case.id], [], [])
    operators = {operator["name"]: operator["id"] for operator in olga.get(f"{CASES}/operators").json()["items"]}
    assert [*operators] == ["adam さん", "olga さん"]

    adam = team.sign_in(team.adam)
    refused = adam.post(path(case, "/claim"), json={})
    assert (refused.status_code, "olga さん" in refused.json()["detail"]) == (409, True)
    assert adam.post(path(case, "/release")).status_code == 409
    assert adam.post(path(case, "/claim"), json={"take_over": True}).status_code == 204
    assert (ids(adam, claimed="me"), ids(adam, claimed="others")) == ([case.id], [])
    assert adam.post(path(case, "/hand-over"), json={"user_id": team.olga.id}).status_code == 204
    assert adam.get(path(case)).json()["claimed_by_name"] == "olga さん"
    assert adam.post(path(case, "/hand-over"), json={"user_id": team.alice.id}).status_code == 404

    olga = team.sign_in(team.olga)
    assert olga.post(path(case, "/release")).status_code == 204
    assert olga.get(path(case)).json()["claimed_by_name"] is None
    # A claim is no part of the request: an edit does not become stale by it.
    assert olga.get(path(case)).json()["version"] == 1
    entries = team.db.scalars(select(AuditEntry).where(AuditEntry.subject == "request").order_by(AuditEntry.id))
    assert [entry.after for entry in entries] == [
        {"claimed_by": id} for id in (team.olga.id, team.adam.id, team.olga.id, None)
    ]


def test_viewers_of_a_case_see_each_other(olga: TestClient, team: Scene) -> None:
    case = add_case(team, W)

    assert olga.post(path(case, "/viewing")).json() == {"names": [], "version": 1}
    adam = team.sign_in(team.adam)
    assert adam.post(path(case, "/viewing")).json() == {"names": ["olga さん"], "version": 1}
    assert adam.get(path(case)).json()["viewers"] == ["olga さん"]


def test_absent_rows_are_not_found(olga: TestClient, team: Scene) -> None:
    case, other = add_case(team, W), add_case(team, W)
    site = olga.get(path(other, "/sites")).json()["items"][0]["id"]
    for suffix in ("", "/sites", "/images", "/comments", "/sites/1/entry", "/sites/1/entry.csv", "/sites/1/entry.xlsx"):
        assert olga.get(f"{CASES}/{2**62}{suffix}").status_code == 404
    # A site of another request.
    assert olga.patch(path(case, f"/sites/{site}"), json={"version": 1}).status_code == 404
    assert olga.post(path(case, f"/sites/{site}/status"), json={"to": "entered", "version": 1}).status_code == 404
    assert olga.get(path(case, f"/sites/{site}/entry")).status_code == 404
    assert olga.request("DELETE", path(case, f"/sites/{site}"), json={"version": 1}).status_code == 404


@pytest.mark.parametrize("listed", ["cases", "requests", "requests.csv"])
def test_a_day_that_has_no_next_one_is_refused_in_words(team: Scene, listed: str) -> None:
    client = team.sign_in(team.adam)

    for name in ("since", "until"):
        answer = client.get(f"/api/agencies/{listed}", params={name: "9999-12-31"})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, name)
