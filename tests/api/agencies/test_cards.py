"""Card data: encrypted, shown only to an operator who gives a reason, deleted in time, and stored nowhere else."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from service.agencies.cards import actions, queries
from service.agencies.cards.models import Card
from service.agencies.corporations import actions as corporations
from service.agencies.corporations.models import Corporation
from service.agencies.corporations.schemas import NewCorporation
from service.agencies.requests import actions as requests
from service.agencies.requests.queries import sites
from service.agencies.rules import Status
from service.core.audit import AuditEntry
from tests.api.agencies import scene
from tests.api.agencies.scene import Scene
from tests.api.agencies.test_corporations import CARD, COMPANY
from tests.luhn import card_numbers

NUMBER, OTHER, CODE = "4111111111111111", "5555555555554444", "987"
REASON = {"reason": "キャリア管理画面への投入"}


def add_corporation(team: Scene, **values: Any) -> Corporation:
    new = NewCorporation.model_validate(COMPANY | {"payment_type": "1", "card": CARD} | values)
    corporation = corporations.create(team.db, team.acting(team.alice), team.a.id, new)
    team.db.commit()
    return corporation


def path(corporation: Corporation) -> str:
    return f"/api/agencies/corporations/{corporation.id}"


def get_card(db: Session, corporation: Corporation) -> Card:
    return queries.get_card(db, corporation.id)


def with_version(client: TestClient, corporation: Corporation, body: dict[str, Any]) -> dict[str, Any]:
    """The body with the current version of the corporation, as a page sends it that was just loaded."""
    return {**body, "version": client.get(path(corporation)).json()["version"]}


def reveal(team: Scene, corporation: Corporation) -> Any:
    return team.sign_in(team.olga).post(f"{path(corporation)}/card/reveal", json=REASON)


def audit_log(db: Session, action: str) -> list[AuditEntry]:
    return list(db.query(AuditEntry).filter_by(subject="card", action=action).order_by(AuditEntry.id))


def test_only_an_operator_with_a_reason_sees_a_number_and_it_is_never_cached(team: Scene, db: Session) -> None:
    corporation = add_corporation(team)

    answers = {
        user.login_id: team.sign_in(user).post(f"{path(corporation)}/card/reveal", json=REASON)
        for user in (team.alice, team.anna, team.bob, team.adam)
    }
    without_reason = team.sign_in(team.olga).post(f"{path(corporation)}/card/reveal", json={"reason": "　"})
    revealed = reveal(team, corporation)

    assert {answer.status_code for answer in answers.values()} == {403}
    assert without_reason.status_code == 422
    assert (revealed.json()["number"], revealed.json()["holder"], revealed.json()["security_code"]) == (
        NUMBER,
        "TARO YAMADA",
        None,
    )
    assert (revealed.headers["Cache-Control"], revealed.json()["seconds"]) == ("no-store", 30)
    [entry] = audit_log(db, "reveal")
    assert (entry.actor, entry.subject_id) == ("olga", str(corporation.id))
    assert entry.after == {"last4": "1111", "has_code": False, **REASON}


def test_a_reveal_is_recorded_before_anything_is_decrypted(
    team: Scene, db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    corporation = add_corporation(team)
    entry_counts: list[int] = []
    original = queries.revealed

    def failing(session: Session, corporation_id: int) -> Any:
        entry_counts.append(len(audit_log(db, "reveal")))
        session.execute(text("SELECT 1 / 0"))
        return original(session, corporation_id)

    monkeypatch.setattr(queries, "revealed", failing)
    answer = reveal(team, corporation)

    assert answer.status_code == 500
    assert (entry_counts, len(audit_log(db, "reveal"))) == ([1], 1)


def test_reveals_are_limited_per_user_and_hour(team: Scene, db: Session) -> None:
    corporation = add_corporation(team)
    client = team.sign_in(team.olga)

    answers = [client.post(f"{path(corporation)}/card/reveal", json=REASON) for _ in range(actions.REVEALS.most + 1)]

    assert {answer.status_code for answer in answers[:-1]} == {200}
    assert (answers[-1].status_code, NUMBER in answers[-1].text) == (429, False)
    assert len(audit_log(db, "reveal")) == actions.REVEALS.most


def test_a_card_is_written_and_never_read_by_any_other_route(team: Scene) -> None:
    corporation = add_corporation(team)
    scene.request(team.db, corporation, team.alice, "working")
    team.db.commit()

    for user in (team.alice, team.olga, team.adam):
        client = team.sign_in(user)
        for suffix in ("", "/requests", "/card"):
            assert NUMBER not in client.get(f"{path(corporation)}{suffix}").text
        for list_path in ("corporations", "corporations.csv", "card-intake"):
            assert card_numbers(client.get(f"/api/agencies/{list_path}").text) == []
        card = client.get(path(corporation)).json()["card"]
        assert (card["last4"], card["brand"], card["expire_month"], card["expire_year"]) == (
            "1111",
            "VISA",
            "03",
            "2030",
        )
        assert not {"number", "security_code", "code"} & card.keys()


def test_sales_replace_a_card_without_seeing_it(team: Scene, db: Session) -> None:
    corporation = add_corporation(team)
    client = team.sign_in(team.anna)

    replaced = client.put(f"{path(corporation)}/card", json=with_version(client, corporation, CARD | {"number": OTHER}))

    assert (replaced.status_code, replaced.content) == (204, b"")
    assert client.get(path(corporation)).json()["card"]["last4"] == "4444"
    assert reveal(team, corporation).json()["number"] == OTHER
    [entry] = audit_log(db, "update")
    assert (entry.before, entry.after) == (
        {"last4": "1111", "brand": "VISA", "has_code": False},
        {"last4": "4444", "brand": "Mastercard", "has_code": False},
    )


def test_another_payment_type_removes_the_card_and_the_audit_log_says_so(team: Scene, db: Session) -> None:
    corporation = add_corporation(team)
    client = team.sign_in(team.alice)

    changed = client.patch(path(corporation), json={"version": 1, "payment_type": "3"})
    refused = client.put(f"{path(corporation)}/card", json=with_version(client, corporation, CARD))

    assert (changed.status_code, refused.status_code) == (204, 409)
    assert queries.find(db, corporation.id) is None
    [entry] = audit_log(db, "delete")
    assert (entry.actor, entry.before) == ("alice", {"last4": "1111", "brand": "VISA", "has_code": False})
    assert entry.after == {"card": None, "reason": "支払方法の変更"}


def test_payment_by_card_needs_a_card(team: Scene, db: Session) -> None:
    corporation = add_corporation(team, payment_type="2", card=None)
    client = team.sign_in(team.alice)

    without_card = client.patch(path(corporation), json={"version": 1, "payment_type": "1"})
    with_card = client.patch(path(corporation), json={"version": 1, "payment_type": "1", "card": CARD})

    assert without_card.json()["errors"] == [{"field": "card", "message": "カード情報を入力してください。"}]
    assert (with_card.status_code, client.get(path(corporation)).json()["needs_card"]) == (204, False)


def test_a_card_is_deleted_with_a_reason(team: Scene, db: Session) -> None:
    corporation = add_corporation(team)
    client = team.sign_in(team.alice)

    body = with_version(client, corporation, {"reason": "お客様の希望"})
    deleted = client.request("DELETE", f"{path(corporation)}/card", json=body)
    again = client.request("DELETE", f"{path(corporation)}/card", json=body)

    assert (deleted.status_code, again.status_code) == (204, 404)
    assert audit_log(db, "delete")[0].after == {"card": None, "reason": "お客様の希望"}
    assert client.get(path(corporation)).json()["needs_card"] is True
    assert reveal(team, corporation).status_code == 404


def test_of_two_tabs_the_later_one_replaces_and_deletes_no_card_that_it_has_not_seen(team: Scene, db: Session) -> None:
    corporation = add_corporation(team)
    client = team.sign_in(team.alice)
    body = with_version(client, corporation, CARD | {"number": OTHER})
    assert client.put(f"{path(corporation)}/card", json=body).status_code == 204

    replaced = client.put(f"{path(corporation)}/card", json=body | {"number": NUMBER})
    deleted = client.request(
        "DELETE", f"{path(corporation)}/card", json={"reason": "誤入力", "version": body["version"]}
    )

    for answer, message in ((replaced, "登録されていません"), (deleted, "削除されていません")):
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:genba:stale")
        assert message in answer.json()["detail"]
        assert answer.json()["current"] == {"version": body["version"] + 1, "last4": "4444"}
        assert card_numbers(answer.text) == []
    assert reveal(team, corporation).json()["number"] == OTHER


def test_a_ciphertext_in_another_row_or_column_does_not_open(
    team: Scene, db: Session, configured: Callable[..., None]
) -> None:
    configured(keep_security_code=True)
    victim = add_corporation(team, card=CARD | {"security_code": CODE})
    attacker = add_corporation(team, card=CARD | {"number": OTHER})
    # No statement can read the encrypted columns, so the copy is made with the function of the table's owner.
    sealed = db.execute(text("SELECT number, code FROM agencies_sealed_card(:id)"), {"id": victim.id}).one()
    for column, value in (("number", sealed.number), ("number", sealed.code)):
        swap = text(f"UPDATE agencies_cards SET {column} = :value WHERE corporation_id = :id")
        db.execute(swap, {"value": value, "id": attacker.id})
        db.commit()
        answer = reveal(team, attacker)
        assert (answer.status_code, "復号できません" in answer.json()["detail"]) == (409, True)
        assert NUMBER not in answer.text

    assert (reveal(team, victim).json()["number"], reveal(team, victim).json()["security_code"]) == (NUMBER, CODE)


@pytest.mark.parametrize("column", ["number", "code", "*"])
def test_the_applications_role_cannot_select_the_sealed_columns(team: Scene, db: Session, column: str) -> None:
    add_corporation(team)

    with pytest.raises(ProgrammingError, match="permission denied"), db.begin_nested():
        db.execute(text(f"SELECT {column} FROM agencies_cards"))
    with pytest.raises(ProgrammingError, match="permission denied"), db.begin_nested():
        db.execute(text("UPDATE agencies_cards SET last4 = '0000' WHERE number IS NOT NULL"))


def test_a_user_of_one_agency_decrypts_no_card_even_by_sql(team: Scene, db: Session) -> None:
    corporation = add_corporation(team)
    scope = text("SELECT set_config('genba.areas', '{}', true), set_config('genba.tenants', :own, true)")
    db.execute(scope, {"own": f"{{agencies:{team.a.id}}}"})

    rows = db.execute(text("SELECT * FROM agencies_sealed_card(:id)"), {"id": corporation.id}).all()

    assert rows == []


def test_what_is_stored_is_no_number_and_never_twice_the_same(team: Scene, db: Session) -> None:
    created = [add_corporation(team), add_corporation(team)]

    sealed = [
        db.execute(text("SELECT number FROM agencies_sealed_card(:id)"), {"id": corporation.id}).scalar_one()
        for corporation in created
    ]

    assert len({bytes(ciphertext) for ciphertext in sealed}) == 2
    assert all(NUMBER.encode() not in bytes(ciphertext) for ciphertext in sealed)


def test_the_code_goes_in_the_very_transaction_in_which_a_request_ends(
    team: Scene, db: Session, configured: Callable[..., None]
) -> None:
    configured(keep_security_code=True)
    for target in (Status.ENTERED, Status.CANCELLED):
        corporation = add_corporation(team)
        request = scene.request(db, corporation, team.alice, "working")
        db.commit()
        client = team.sign_in(team.alice)
        answer = client.put(
            f"{path(corporation)}/card", json=with_version(client, corporation, CARD | {"security_code": CODE})
        )
        card = queries.find(db, corporation.id)
        assert answer.status_code == 204
        assert card is not None
        assert (card.has_code, card.purge_at) == (True, None)

        olga = team.acting(team.olga)
        if target is Status.CANCELLED:
            requests.cancel(db, olga, request, "取り消し")
        else:
            requests.set_site_status(db, request, sites(db, request)[0], target)
            requests.update_status(db, request)
        card = queries.find(db, corporation.id)
        assert card is not None
        assert (card.has_code, card.has_number, card.purge_at is not None) == (False, True, True)
        db.commit()
        assert reveal(team, corporation).json()["security_code"] is None


def test_a_later_request_keeps_the_number_and_a_purged_one_is_asked_for_again(team: Scene, db: Session) -> None:
    corporation = add_corporation(team)
    assert get_card(db, corporation).purge_at is not None
    actions.update_purge_dates(db, corporation.id, has_open=True, one_ended=False)
    assert get_card(db, corporation).purge_at is None

    actions.update_purge_dates(db, corporation.id, has_open=False, one_ended=True)
    db.execute(text("UPDATE app_clock SET shift = shift + interval '8 days'"))
    assert actions.purge(db) == {"numbers": 1, "codes": 0}
    db.commit()
    detail = team.sign_in(team.alice).get(path(corporation)).json()
    refused = reveal(team, corporation)

    assert (detail["card"]["last4"], detail["card"]["has_number"], detail["card"]["holder"], detail["needs_card"]) == (
        "1111",
        False,
        "",
        True,
    )
    assert (detail["card"]["expire_month"], detail["card"]["expire_year"]) == ("", "")
    assert (refused.status_code, "もう一度登録" in refused.json()["detail"]) == (409, True)
    assert audit_log(db, "reveal") == []
    client = team.sign_in(team.alice)
    again = client.put(f"{path(corporation)}/card", json=with_version(client, corporation, CARD))
    assert (again.status_code, team.client.get(path(corporation)).json()["needs_card"]) == (204, False)


BAD: list[dict[str, Any]] = [
    {"number": 4111111111111111},
    {"number": [NUMBER]},
    {"number": NUMBER * 5},
    {"number": "4111111111111112"},
    {"number": f"{NUMBER}x"},
    {"expire_month": NUMBER},
    {"expire_year": NUMBER},
    {"holder": NUMBER},
    {"holder": f"TARO {NUMBER}"},
    {"security_code": NUMBER},
    {"card_number": NUMBER},
    {NUMBER: "x"},
]


@pytest.mark.parametrize("bad", BAD)
def test_no_error_repeats_what_was_typed(team: Scene, bad: dict[str, Any]) -> None:
    corporation = add_corporation(team)
    client = team.sign_in(team.alice)

    for method, url, body in (
        ("PUT", f"{path(corporation)}/card", CARD | {"version": 1} | bad),
        ("PATCH", path(corporation), {"version": 1, "card": CARD | bad}),
        ("PATCH", path(corporation), {"version": 7, "city": "港区", "card": CARD | bad}),
    ):
        answer = client.request(method, url, json=body)
        assert answer.status_code in (409, 422), answer.text
        assert card_numbers(answer.text) == []
        assert "41111111" not in answer.text


@pytest.mark.parametrize("field", ["last_name", "street", "building_name", "billing_customer_name", "mail_address"])
def test_a_number_in_a_free_text_is_refused_and_not_stored(team: Scene, field: str) -> None:
    corporation = add_corporation(team)
    client = team.sign_in(team.alice)

    answer = client.patch(path(corporation), json={"version": 1, field: f"カード {NUMBER}"})
    searched = client.get("/api/agencies/corporations", params={"q": NUMBER})
    deleted = client.request("DELETE", f"{path(corporation)}/card", json={"reason": f"{NUMBER}", "version": 1})

    assert [answer.status_code, searched.status_code, deleted.status_code] == [422, 422, 422]
    assert "カード番号と思われる数字" in answer.json()["errors"][0]["message"]
    assert card_numbers(answer.text + searched.text + deleted.text) == []


@pytest.mark.parametrize(
    "list_name",
    ["agencies", "choices", "options", "carrier-fields", "corporations", "requests", "cases", "acquired"],
)
def test_a_card_number_as_a_search_finds_nothing_and_is_not_in_the_audit_log(
    team: Scene, db: Session, list_name: str
) -> None:
    client = team.sign_in(team.adam)

    answers = [client.get(f"/api/agencies/{list_name}{kind}", params={"q": NUMBER}) for kind in ("", ".csv", ".xlsx")]
    task = client.post("/api/core/exports", json={"list": f"agencies.{list_name}", "filters": {"q": NUMBER}})

    # There is no file of cases.
    assert {answer.status_code for answer in answers} | {task.status_code} <= {422, 404}
    assert answers[0].status_code == 422
    entries = db.query(AuditEntry).filter_by(action="export")
    assert card_numbers(" ".join(str(entry.after) for entry in entries)) == []


def test_no_number_or_code_is_left_in_the_audit_log_the_outbox_tasks_and_logs(
    team: Scene,
    db: Session,
    client: TestClient,
    configured: Callable[..., None],
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    configured(keep_security_code=True)
    card = CARD | {"number": "378282246310005", "security_code": "8163"}
    corporation = add_corporation(team, card=card)
    scene.request(db, corporation, team.alice, "working")
    db.commit()
    alice = team.sign_in(team.alice)
    assert alice.put(f"{path(corporation)}/card", json=card | {"version": 1}).status_code == 204
    assert alice.put(f"{path(corporation)}/card", json=card | {"version": 2, "expire_month": "99"}).status_code == 422
    assert alice.put(f"{path(corporation)}/card", json=card | {"version": 1}).status_code == 409
    alice.patch(path(corporation), json={"version": 1, "city": "港区", "card": card})
    alice.patch(path(corporation), json={"version": alice.get(path(corporation)).json()["version"], "card": card})
    alice.post("/api/core/exports", json={"list": "agencies.corporations", "filters": {"q": "378282246310005"}})
    revealed = reveal(team, corporation)
    assert (revealed.json()["number"], revealed.json()["security_code"]) == ("378282246310005", "8163")
    monkeypatch.setattr(queries, "revealed", lambda *_: 1 / 0)
    assert reveal(team, corporation).status_code == 500
    team.sign_in(team.alice).patch(path(corporation), json={"version": 9, "payment_type": "2"})
    actions.purge(db)
    db.commit()

    rows = [
        json.dumps([list(map(str, row)) for row in db.execute(text(f"SELECT * FROM {table}"))], ensure_ascii=False)
        for table in ("audit_entries", "outbox_messages", "tasks", "agencies_corporations", "agencies_drafts")
    ]
    output = capfd.readouterr()
    # The log of the test's own client is not part of the product.
    logs = [str(record.msg) for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    everything = "\n".join([*rows, *logs, output.out, output.err])

    assert "cards" in everything or "/card" in everything
    assert card_numbers(everything) == []
    assert card_numbers(f"{everything} 378282246310005") == ["378282246310005"]
    # As a number by itself: an id, a digest or the fraction of a second may contain it by chance.
    assert not re.search("(?<![0-9A-Za-z])8163(?![0-9A-Za-z])", "\n".join([*rows[:3], *logs]))
