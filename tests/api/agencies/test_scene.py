"""The makers of these tests make what the product's own tables take."""

from __future__ import annotations

from service.agencies.requests import actions, queries
from service.agencies.requests.models import Request
from service.agencies.rules import Status
from tests.api.agencies import scene
from tests.api.agencies.scene import Scene


def test_requests_of_each_agency_are_seen_by_its_sales_and_by_operators_only(team: Scene) -> None:
    ours = scene.request(team.db, scene.corporation(team.db, team.a), team.alice, Status.WORKING, Status.ENTERED)
    theirs = scene.request(team.db, scene.corporation(team.db, team.b), team.bob)
    scene.image(team.db, ours, team.alice, queries.sites(team.db, ours)[0])
    scene.told(team.db, theirs, team.olga)
    seen = {
        user.login_id: [
            one.id
            for one in (ours, theirs)
            if team.db.query(Request).filter(Request.id == one.id, queries.visible_to(team.acting(user))).count()
        ]
        for user in (team.alice, team.anna, team.bob, team.olga, team.adam)
    }
    both = [ours.id, theirs.id]
    assert seen == {"alice": both[:1], "anna": both[:1], "bob": both[1:], "olga": both, "adam": both}


def test_a_made_request_moves_as_any_other(team: Scene) -> None:
    made = scene.request(team.db, scene.corporation(team.db, team.a), team.alice, Status.WORKING)
    actions.report_deficiency(team.db, team.acting(team.olga), made, "番号が読めません。", queries.sites(team.db, made))
    assert made.status == Status.DEFICIENT
    actions.resolve_deficiencies(team.db, team.acting(team.alice), made, "撮り直しました。")
    assert made.status == Status.WORKING
