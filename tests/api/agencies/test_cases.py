"""投入案件: the list and its conditions, deficiencies, claims, who looks, what was said; closed to sales."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from service.agencies.requests.models import Request
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


def made(team: Scene, *sites: Status, name: str | None = None, **values: Any) -> Request:
    case = scene.request(team.db, scene.corporation(team.db, team.a, name), team.alice, *sites, **values)
    team.db.commit()
    return case


def path(case: Request, rest: str = "") -> str:
    return f"{CASES}/{case.id}{rest}"


def ids(client: TestClient, **conditions: Any) -> list[int]:
    answer = client.get(CASES, params=conditions)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


def test_everything_under_cases_is_closed_to_sales(team: Scene) -> None:
    case = made(team, W)
    doors = [
        ("GET", "", "/counts", "/sales-people", "/agencies", "/operators", f"/{case.id}"),
        ("GET", *(f"/{case.id}{rest}" for rest in ("/sites", "/images", "/comments", "/sites/1/entry"))),
        ("GET", f"/{case.id}/sites/1/entry.csv", f"/{case.id}/sites/1/entry.xlsx"),
        ("PATCH", f"/{case.id}", f"/{case.id}/sites/1", f"/{case.id}/images/1"),
        ("POST", *(f"/{case.id}{rest}" for rest in ("/sites", "/sites/1/status", "/deficiency", "/put-right"))),
        ("POST", *(f"/{case.id}{rest}" for rest in ("/claim", "/hand-over", "/release", "/viewing", "/comments"))),
        ("POST", f"/{case.id}/read"),
        ("DELETE", f"/{case.id}/sites/1"),
    ]
    for person in (team.alice, team.bob):
        client = team.sign_in(person)
        for method, *places in doors:
            for place in places:
                answer = client.request(method, f"{CASES}{place}", json=None if method == "GET" else {})
                assert (answer.status_code, "権限" in answer.json()["detail"]) == (403, True), (method, place)


def test_a_row_says_what_is_entered_of_what_was_declared(olga: TestClient, team: Scene) -> None:
    case = made(team, E, E, W, C, name="株式会社ABC", site_count=3)

    item = olga.get(CASES).json()["items"][0]

    assert (item["id"], item["corporation_name"], item["status"]) == (case.id, "株式会社ABC", "working")
    assert (item["entered_sites"], item["sites"], item["site_count"]) == (2, 3, 3)
    assert (item["requested_by_name"], item["agency_name"]) == ("alice さん", "株式会社AAA代理店")


def test_the_list_shows_what_is_left_unless_asked_for_more(olga: TestClient, team: Scene) -> None:
    working, deficient = made(team, W), made(team, D, W)
    entered, cancelled, mixed = made(team, E), made(team, C), made(team, E, C)

    assert ids(olga) == [working.id, deficient.id]
    assert ids(olga, status="deficient") == [deficient.id]
    assert ids(olga, status="working") == [working.id]
    assert ids(olga, status="working", open=False) == [working.id, mixed.id]
    assert ids(olga, status="entered") == [entered.id]
    assert ids(olga, status="cancelled") == [cancelled.id]
    everything = sorted(one.id for one in (working, deficient, entered, cancelled, mixed))
    assert ids(olga, status="all") == everything
    assert ids(olga, sort="-created_at", status="all") == everything[::-1]
    counts = olga.get(f"{CASES}/counts").json()
    assert {name: counts[name] for name in ("open", "deficient", "working", "waiting")} == {
        "open": 2,
        "deficient": 1,
        "working": 1,
        "waiting": 1,
    }


def test_conditions_cut_the_list(olga: TestClient, team: Scene) -> None:
    ours = made(team, W, name="株式会社青空")
    theirs = scene.request(team.db, scene.corporation(team.db, team.b, "有限会社みなと"), team.bob, W)
    old = made(team, W, created_at=app_now(team.db) - timedelta(days=40))
    team.db.commit()
    today = local_date(app_now(team.db))

    assert ids(olga, q="青空") == [ours.id]
    assert ids(olga, q="%") == []
    assert ids(olga, sales_id=team.bob.id) == [theirs.id]
    assert ids(olga, agency_id=team.b.id) == [theirs.id]
    assert ids(olga, since=today.isoformat()) == [ours.id, theirs.id]
    assert ids(olga, until=(today - timedelta(days=30)).isoformat()) == [old.id]
    assert {one["id"] for one in olga.get(f"{CASES}/agencies").json()["items"]} == {team.a.id, team.b.id}
    people = olga.get(f"{CASES}/sales-people").json()["items"]
    assert [(one["name"], one["agency_name"]) for one in people] == [
        ("alice さん", "株式会社AAA代理店"),
        ("bob さん", "株式会社BBB代理店"),
    ]


def test_unread_is_each_readers_own(olga: TestClient, team: Scene) -> None:
    case = made(team, W)
    first = scene.comment(team.db, case, team.alice, "明細を追加しました。")
    second = scene.comment(team.db, case, team.alice, "よろしくお願いします。")
    team.db.commit()

    assert olga.get(CASES).json()["items"][0]["unread"] == 2
    assert ids(olga, unread=True) == [case.id]
    assert olga.post(path(case, "/read"), json={"comment_id": first.id}).status_code == 204
    assert [one["is_unread"] for one in olga.get(path(case, "/comments")).json()["items"]] == [True, False]
    assert olga.post(path(case, "/read"), json={"comment_id": 2**62}).status_code == 204
    assert (ids(olga, unread=True), olga.get(f"{CASES}/counts").json()["unread"]) == ([], 0)
    # A mark never goes back, and what came after it is new.
    olga.post(path(case, "/read"), json={"comment_id": first.id})
    assert olga.get(path(case)).json()["unread"] == 0
    scene.comment(team.db, case, team.alice, "もう1件あります。")
    team.db.commit()
    assert olga.get(path(case)).json()["unread"] == 1

    adam = team.sign_in(team.adam)
    assert adam.get(path(case)).json()["unread"] == 3
    assert second.id > first.id


def test_one_who_comments_has_read_what_was_said_before(olga: TestClient, team: Scene) -> None:
    case = made(team, W)
    scene.comment(team.db, case, team.alice)
    team.db.commit()

    assert olga.post(path(case, "/comments"), json={"message": "確認します。"}).status_code == 204

    said = olga.get(path(case, "/comments")).json()["items"]
    assert [(one["message"], one["author_name"], one["is_unread"]) for one in said] == [
        ("確認します。", "olga さん", False),
        ("確認しました。", "alice さん", False),
    ]
    refused = olga.post(path(case, "/comments"), json={"message": "4111111111111111 です"})
    assert "カード番号" in refused.json()["errors"][0]["message"]
    assert olga.post(path(case, "/comments"), json={"message": "  "}).status_code == 422


def test_a_deficiency_of_chosen_sites_goes_back_to_sales(olga: TestClient, team: Scene) -> None:
    team.alice.mail = "alice@example.com"
    case = made(team, W, W)
    first, second = olga.get(path(case, "/sites")).json()["items"]
    body = {"message": "2枚目の明細が読めません。", "site_ids": [second["id"]], "version": case.version}

    assert olga.post(path(case, "/deficiency"), json=body).status_code == 204

    sites = {one["id"]: one for one in olga.get(path(case, "/sites")).json()["items"]}
    assert (sites[first["id"]]["status"], sites[second["id"]]["status"]) == ("working", "deficient")
    assert sites[second["id"]]["deficiency"] == "2枚目の明細が読めません。"
    assert olga.get(path(case)).json()["status"] == "deficient"
    assert [(one["type"], one["site_id"]) for one in olga.get(path(case, "/comments")).json()["items"]] == [
        ("deficiency", second["id"])
    ]
    assert team.db.scalars(select(OutboxMessage.recipient)).all() == ["alice@example.com"]

    # What came by telephone.
    answered = {"message": "電話で確認しました。", "version": olga.get(path(case)).json()["version"]}
    assert olga.post(path(case, "/put-right"), json=answered).status_code == 204
    assert olga.get(path(case)).json()["status"] == "working"
    assert olga.get(path(case, "/sites")).json()["items"][1]["deficiency"] == ""
    again = {"message": "もう一度", "version": olga.get(path(case)).json()["version"]}
    refused = olga.post(path(case, "/put-right"), json=again)
    assert (refused.status_code, refused.json()["type"]) == (409, "about:blank")


def test_a_deficiency_that_nobody_has_seen_is_not_put_right_with_another(olga: TestClient, team: Scene) -> None:
    case = made(team, W, W)
    first, second = (one["id"] for one in olga.get(path(case, "/sites")).json()["items"])
    for version, site in ((1, first), (2, second)):
        body = {"message": "読めません。", "site_ids": [site], "version": version}
        assert olga.post(path(case, "/deficiency"), json=body).status_code == 204

    answer = olga.post(path(case, "/put-right"), json={"message": "電話で確認しました。", "version": 2})

    assert (answer.status_code, answer.json()["current"]) == (409, {"status": "deficient", "version": 3})
    assert [one["status"] for one in olga.get(path(case, "/sites")).json()["items"]] == ["deficient", "deficient"]


def test_the_whole_request_can_be_deficient_before_it_has_a_site(olga: TestClient, team: Scene) -> None:
    case = made(team)
    body = {"message": "明細画像がありません。", "version": 1}

    assert olga.post(path(case, "/deficiency"), json=body).status_code == 204

    shown = olga.get(path(case)).json()
    assert (shown["status"], shown["deficiency"]) == ("deficient", "明細画像がありません。")
    # A site comes before the answer: the request stays 不備.
    assert olga.post(path(case, "/sites"), json={}).status_code == 201
    assert olga.get(path(case)).json()["status"] == "deficient"


def test_a_deficiency_on_an_old_version_is_not_sent(olga: TestClient, team: Scene) -> None:
    case = made(team, W)
    body = {"message": "明細が読めません。", "version": 1}
    assert olga.post(path(case, "/deficiency"), json=body).status_code == 204

    answer = olga.post(path(case, "/deficiency"), json=body)

    assert (answer.status_code, answer.json()["current"]) == (409, {"status": "deficient", "version": 2})
    assert answer.json()["yours"] == {"message": "明細が読めません。"}
    assert len(olga.get(path(case, "/comments")).json()["items"]) == 1


def test_deficiencies_end_at_the_borders(olga: TestClient, team: Scene) -> None:
    case, other = made(team, E), made(team, W)
    entered = olga.get(path(case, "/sites")).json()["items"][0]
    body = {"message": "誤りです。", "version": 1}

    assert olga.post(path(case, "/deficiency"), json=body).status_code == 409
    assert olga.post(path(case, "/deficiency"), json={**body, "site_ids": [entered["id"]]}).status_code == 409
    assert olga.post(path(other, "/deficiency"), json={**body, "site_ids": [entered["id"]]}).status_code == 404
    assert olga.post(f"{CASES}/{2**62}/deficiency", json=body).status_code == 404


def test_the_number_of_sites_is_put_right_with_a_version(olga: TestClient, team: Scene) -> None:
    case = made(team, site_count=3)

    assert olga.patch(path(case), json={"version": 1, "site_count": 5}).json()["site_count"] == 5
    stale = olga.patch(path(case), json={"version": 1, "site_count": 4})
    assert (stale.status_code, stale.json()["yours"], stale.json()["current"]) == (
        409,
        {"site_count": 4},
        {"site_count": 5, "version": 2},
    )
    assert olga.patch(path(case), json={"version": 2, "site_count": 1000}).status_code == 422


def test_a_case_is_claimed_handed_over_and_released(olga: TestClient, team: Scene) -> None:
    case = made(team, W)

    assert olga.post(path(case, "/claim"), json={}).status_code == 204
    assert olga.get(path(case)).json()["is_claimed_by_me"] is True
    assert (ids(olga, claimed="me"), ids(olga, claimed="others"), ids(olga, claimed="nobody")) == ([case.id], [], [])
    people = {one["name"]: one["id"] for one in olga.get(f"{CASES}/operators").json()["items"]}
    assert [*people] == ["adam さん", "olga さん"]

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
    # Who has it is no part of what the request says: nobody's typing grows stale by it.
    assert olga.get(path(case)).json()["version"] == 1
    trail = team.db.scalars(select(AuditEntry).where(AuditEntry.subject == "request").order_by(AuditEntry.id))
    assert [one.after for one in trail] == [
        {"claimed_by": id} for id in (team.olga.id, team.adam.id, team.olga.id, None)
    ]


def test_whoever_has_it_open_sees_who_else_has(olga: TestClient, team: Scene) -> None:
    case = made(team, W)

    assert olga.post(path(case, "/viewing")).json() == {"names": [], "version": 1}
    adam = team.sign_in(team.adam)
    assert adam.post(path(case, "/viewing")).json() == {"names": ["olga さん"], "version": 1}
    assert adam.get(path(case)).json()["viewers"] == ["olga さん"]


def test_what_is_not_there_is_not_found(olga: TestClient, team: Scene) -> None:
    case, other = made(team, W), made(team, W)
    site = olga.get(path(other, "/sites")).json()["items"][0]["id"]
    for rest in ("", "/sites", "/images", "/comments", "/sites/1/entry", "/sites/1/entry.csv", "/sites/1/entry.xlsx"):
        assert olga.get(f"{CASES}/{2**62}{rest}").status_code == 404
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
