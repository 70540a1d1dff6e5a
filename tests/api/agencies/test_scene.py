"""The builders of `scene` make rows that the product's own actions accept."""

from __future__ import annotations

from service.agencies.models import Request
from service.agencies.requests import actions, queries
from service.agencies.rules import Status
from tests.api.agencies import scene
from tests.api.agencies.scene import Scene


def test_requests_of_each_agency_are_seen_by_its_sales_and_by_operators_only(team: Scene) -> None:
    of_a = scene.request(team.db, scene.corporation(team.db, team.a), team.alice, Status.WORKING, Status.ENTERED)
    of_b = scene.request(team.db, scene.corporation(team.db, team.b), team.bob)
    scene.image(team.db, of_a, team.alice, queries.sites(team.db, of_a)[0])
    scene.deficiency(team.db, of_b, team.olga)
    visible = {
        user.login_id: [
            request.id
            for request in (of_a, of_b)
            if team.db.query(Request).filter(Request.id == request.id, queries.visible_to(team.acting(user))).count()
        ]
        for user in (team.alice, team.anna, team.bob, team.olga, team.adam)
    }
    all_ids = [of_a.id, of_b.id]
    assert visible == {"alice": all_ids[:1], "anna": all_ids[:1], "bob": all_ids[1:], "olga": all_ids, "adam": all_ids}


def test_a_made_request_moves_as_any_other(team: Scene) -> None:
    request = scene.request(team.db, scene.corporation(team.db, team.a), team.alice, Status.WORKING)
    actions.report_deficiency(
        team.db, team.acting(team.olga), request, "番号が読めません。", queries.sites(team.db, request)
    )
    assert request.status == Status.DEFICIENT
    actions.resolve_deficiencies(team.db, team.acting(team.alice), request, "撮り直しました。")
    assert request.status == Status.WORKING
