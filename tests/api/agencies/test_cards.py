"""Card data: sealed, never given back but to an operator with a reason, gone in time, and nowhere else."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from service.agencies.cards import actions, queries
from service.agencies.cards.models import Card
from service.agencies.cards.rules import generate
from service.agencies.corporations import actions as corporations
from service.agencies.corporations.models import Corporation
from service.agencies.corporations.schemas import NewCorporation
from service.agencies.requests import actions as requests
from service.agencies.requests.queries import sites
from service.agencies.rules import Status
from service.agencies.settings import Settings, settings
from service.core.audit import AuditEntry
from service.core.problems import Invalid
from tests.api.agencies import scene
from tests.api.agencies.scene import Scene
from tests.api.agencies.test_corporations import CARD, COMPANY
from tests.luhn import card_numbers

NUMBER, OTHER, CODE = "4111111111111111", "5555555555554444", "987"
REASON = {"reason": "キャリア管理画面への投入"}


def company(team: Scene, **values: Any) -> Corporation:
    new = NewCorporation.model_validate(COMPANY | {"payment_type": "1", "card": CARD} | values)
    made = corporations.create(team.db, team.acting(team.alice), team.a.id, new)
    team.db.commit()
    return made


def path(of: Corporation) -> str:
    return f"/api/agencies/corporations/{of.id}"


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """configured(keep_security_code=True): the settings that cards are kept by."""

    def to(**changes: Any) -> None:
        changed = settings().model_copy(update=changes)
        for module in (queries, actions):
            monkeypatch.setattr(module, "settings", lambda: changed)

    return to


def known(db: Session, of: Corporation) -> Card:
    return queries.get_card(db, of.id)


def as_read(client: TestClient, of: Corporation, given: dict[str, Any]) -> dict[str, Any]:
    """What is sent of a card by who has just read its corporation."""
    return {**given, "version": client.get(path(of)).json()["version"]}


def reveal(team: Scene, of: Corporation) -> Any:
    return team.sign_in(team.olga).post(f"{path(of)}/card/reveal", json=REASON)


def trail(db: Session, action: str) -> list[AuditEntry]:
    return list(db.query(AuditEntry).filter_by(subject="card", action=action).order_by(AuditEntry.id))


def test_only_an_operator_with_a_reason_sees_a_number_and_nobody_caches_it(team: Scene, db: Session) -> None:
    made = company(team)

    answers = {user.login_id: team.sign_in(user).post(f"{path(made)}/card/reveal", json=REASON)
               for user in (team.alice, team.anna, team.bob, team.adam)}  # fmt: skip
    without = team.sign_in(team.olga).post(f"{path(made)}/card/reveal", json={"reason": "　"})
    seen = reveal(team, made)

    assert {answer.status_code for answer in answers.values()} == {403}
    assert without.status_code == 422
    assert (seen.json()["number"], seen.json()["holder"], seen.json()["security_code"]) == (NUMBER, "TARO YAMADA", None)
    assert (seen.headers["Cache-Control"], seen.json()["seconds"]) == ("no-store", 30)
    [entry] = trail(db, "reveal")
    assert (entry.actor, entry.subject_id) == ("olga", str(made.id))
    assert entry.after == {"last4": "1111", "has_code": False, **REASON}


def test_who_reads_is_noted_before_anything_is_opened(
    team: Scene, db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = company(team)
    noted: list[int] = []
    opened = queries.revealed

    def watched(session: Session, corporation_id: int) -> Any:
        noted.append(len(trail(db, "reveal")))
        session.execute(text("SELECT 1 / 0"))
        return opened(session, corporation_id)

    monkeypatch.setattr(queries, "revealed", watched)
    answer = reveal(team, made)

    assert answer.status_code == 500
    assert (noted, len(trail(db, "reveal"))) == ([1], 1)


def test_a_person_reveals_only_so_many_an_hour(team: Scene, db: Session) -> None:
    made = company(team)
    client = team.sign_in(team.olga)

    answers = [client.post(f"{path(made)}/card/reveal", json=REASON) for _ in range(actions.REVEALS.most + 1)]

    assert {answer.status_code for answer in answers[:-1]} == {200}
    assert (answers[-1].status_code, NUMBER in answers[-1].text) == (429, False)
    assert len(trail(db, "reveal")) == actions.REVEALS.most


def test_a_card_is_written_and_never_read_by_any_other_route(team: Scene) -> None:
    made = company(team)
    scene.request(team.db, made, team.alice, "working")
    team.db.commit()

    for user in (team.alice, team.olga, team.adam):
        client = team.sign_in(user)
        for place in ("", "/requests", "/card"):
            assert NUMBER not in client.get(f"{path(made)}{place}").text
        for listed in ("corporations", "corporations.csv", "card-intake"):
            assert card_numbers(client.get(f"/api/agencies/{listed}").text) == []
        card = client.get(path(made)).json()["card"]
        assert (card["last4"], card["brand"], card["expire_month"], card["expire_year"]) == (
            "1111",
            "VISA",
            "03",
            "2030",
        )
        assert not {"number", "security_code", "code"} & card.keys()


def test_sales_replace_a_card_without_seeing_it(team: Scene, db: Session) -> None:
    made = company(team)
    client = team.sign_in(team.anna)

    replaced = client.put(f"{path(made)}/card", json=as_read(client, made, CARD | {"number": OTHER}))

    assert (replaced.status_code, replaced.content) == (204, b"")
    assert client.get(path(made)).json()["card"]["last4"] == "4444"
    assert reveal(team, made).json()["number"] == OTHER
    [entry] = trail(db, "update")
    assert (entry.before, entry.after) == (
        {"last4": "1111", "brand": "VISA", "has_code": False},
        {"last4": "4444", "brand": "Mastercard", "has_code": False},
    )


def test_another_way_of_paying_removes_the_card_and_the_trail_says_so(team: Scene, db: Session) -> None:
    made = company(team)
    client = team.sign_in(team.alice)

    changed = client.patch(path(made), json={"version": 1, "payment_type": "3"})
    refused = client.put(f"{path(made)}/card", json=as_read(client, made, CARD))

    assert (changed.status_code, refused.status_code) == (204, 409)
    assert queries.find(db, made.id) is None
    [entry] = trail(db, "delete")
    assert (entry.actor, entry.before) == ("alice", {"last4": "1111", "brand": "VISA", "has_code": False})
    assert entry.after == {"card": None, "reason": "支払方法の変更"}


def test_a_way_of_paying_by_card_wants_one(team: Scene, db: Session) -> None:
    made = company(team, payment_type="2", card=None)
    client = team.sign_in(team.alice)

    without = client.patch(path(made), json={"version": 1, "payment_type": "1"})
    whole = client.patch(path(made), json={"version": 1, "payment_type": "1", "card": CARD})

    assert without.json()["errors"] == [{"field": "card", "message": "カード情報を入力してください。"}]
    assert (whole.status_code, client.get(path(made)).json()["needs_card"]) == (204, False)


def test_a_card_is_deleted_with_a_reason(team: Scene, db: Session) -> None:
    made = company(team)
    client = team.sign_in(team.alice)

    why = as_read(client, made, {"reason": "お客様の希望"})
    gone = client.request("DELETE", f"{path(made)}/card", json=why)
    again = client.request("DELETE", f"{path(made)}/card", json=why)

    assert (gone.status_code, again.status_code) == (204, 404)
    assert trail(db, "delete")[0].after == {"card": None, "reason": "お客様の希望"}
    assert client.get(path(made)).json()["needs_card"] is True
    assert reveal(team, made).status_code == 404


def test_of_two_tabs_the_later_one_replaces_and_deletes_no_card_that_it_has_not_seen(team: Scene, db: Session) -> None:
    made = company(team)
    client = team.sign_in(team.alice)
    read = as_read(client, made, CARD | {"number": OTHER})
    assert client.put(f"{path(made)}/card", json=read).status_code == 204

    replaced = client.put(f"{path(made)}/card", json=read | {"number": NUMBER})
    deleted = client.request("DELETE", f"{path(made)}/card", json={"reason": "誤入力", "version": read["version"]})

    for answer, word in ((replaced, "登録されていません"), (deleted, "削除されていません")):
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:genba:stale")
        assert word in answer.json()["detail"]
        assert answer.json()["current"] == {"version": read["version"] + 1, "last4": "4444"}
        assert card_numbers(answer.text) == []
    assert reveal(team, made).json()["number"] == OTHER


def test_a_ciphertext_in_another_row_or_column_does_not_open(
    team: Scene, db: Session, configured: Callable[..., None]
) -> None:
    configured(keep_security_code=True)
    victim = company(team, card=CARD | {"security_code": CODE})
    mine = company(team, card=CARD | {"number": OTHER})
    # Nobody's statement reads the sealed columns, so the copy is made by who owns the table: its own function.
    sealed = db.execute(text("SELECT number, code FROM agencies_sealed_card(:id)"), {"id": victim.id}).one()
    for column, value in (("number", sealed.number), ("number", sealed.code)):
        db.execute(text(f"UPDATE agencies_cards SET {column} = :value WHERE corporation_id = :id"),
                   {"value": value, "id": mine.id})  # fmt: skip
        db.commit()
        answer = reveal(team, mine)
        assert (answer.status_code, "復号できません" in answer.json()["detail"]) == (409, True)
        assert NUMBER not in answer.text

    assert (reveal(team, victim).json()["number"], reveal(team, victim).json()["security_code"]) == (NUMBER, CODE)


@pytest.mark.parametrize("column", ["number", "code", "*"])
def test_the_applications_role_cannot_select_the_sealed_columns(team: Scene, db: Session, column: str) -> None:
    company(team)

    with pytest.raises(ProgrammingError, match="permission denied"), db.begin_nested():
        db.execute(text(f"SELECT {column} FROM agencies_cards"))
    with pytest.raises(ProgrammingError, match="permission denied"), db.begin_nested():
        db.execute(text("UPDATE agencies_cards SET last4 = '0000' WHERE number IS NOT NULL"))


def test_who_sees_one_agency_only_opens_no_seal_even_by_sql(team: Scene, db: Session) -> None:
    made = company(team)
    db.execute(text("SELECT set_config('genba.areas', '{}', true), set_config('genba.tenants', :own, true)"),
               {"own": f"{{agencies:{team.a.id}}}"})  # fmt: skip

    rows = db.execute(text("SELECT * FROM agencies_sealed_card(:id)"), {"id": made.id}).all()

    assert rows == []


def test_what_is_stored_is_no_number_and_never_twice_the_same(team: Scene, db: Session) -> None:
    made = [company(team), company(team)]

    sealed = [
        db.execute(text("SELECT number FROM agencies_sealed_card(:id)"), {"id": one.id}).scalar_one() for one in made
    ]

    assert len({bytes(one) for one in sealed}) == 2
    assert all(NUMBER.encode() not in bytes(one) for one in sealed)


def test_the_code_goes_in_the_very_transaction_in_which_a_request_ends(
    team: Scene, db: Session, configured: Callable[..., None]
) -> None:
    configured(keep_security_code=True)
    for wanted in (Status.ENTERED, Status.CANCELLED):
        made = company(team)
        request = scene.request(db, made, team.alice, "working")
        db.commit()
        client = team.sign_in(team.alice)
        answer = client.put(f"{path(made)}/card", json=as_read(client, made, CARD | {"security_code": CODE}))
        card = queries.find(db, made.id)
        assert answer.status_code == 204
        assert card is not None
        assert (card.has_code, card.purge_at) == (True, None)

        olga = team.acting(team.olga)
        if wanted is Status.CANCELLED:
            requests.cancel(db, olga, request, "取り消し")
        else:
            requests.set_site_status(db, olga, request, sites(db, request)[0], wanted)
            requests.update_status(db, olga, request)
        card = queries.find(db, made.id)
        assert card is not None
        assert (card.has_code, card.has_number, card.purge_at is not None) == (False, True, True)
        db.commit()
        assert reveal(team, made).json()["security_code"] is None


def test_a_later_request_keeps_the_number_and_a_purged_one_is_asked_for_again(team: Scene, db: Session) -> None:
    made = company(team)
    assert known(db, made).purge_at is not None
    actions.update_purge_dates(db, made.id, has_open=True, one_ended=False)
    assert known(db, made).purge_at is None

    actions.update_purge_dates(db, made.id, has_open=False, one_ended=True)
    db.execute(text("UPDATE app_clock SET shift = shift + interval '8 days'"))
    assert actions.purge(db) == {"numbers": 1, "codes": 0}
    db.commit()
    one = team.sign_in(team.alice).get(path(made)).json()
    refused = reveal(team, made)

    assert (one["card"]["last4"], one["card"]["has_number"], one["card"]["holder"], one["needs_card"]) == (
        "1111",
        False,
        "",
        True,
    )
    assert (one["card"]["expire_month"], one["card"]["expire_year"]) == ("", "")
    assert (refused.status_code, "もう一度登録" in refused.json()["detail"]) == (409, True)
    assert trail(db, "reveal") == []
    client = team.sign_in(team.alice)
    again = client.put(f"{path(made)}/card", json=as_read(client, made, CARD))
    assert (again.status_code, team.client.get(path(made)).json()["needs_card"]) == (204, False)


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
def test_no_complaint_repeats_what_was_typed(team: Scene, bad: dict[str, Any]) -> None:
    made = company(team)
    client = team.sign_in(team.alice)

    for method, place, body in (
        ("PUT", f"{path(made)}/card", CARD | {"version": 1} | bad),
        ("PATCH", path(made), {"version": 1, "card": CARD | bad}),
        ("PATCH", path(made), {"version": 7, "city": "港区", "card": CARD | bad}),
    ):
        answer = client.request(method, place, json=body)
        assert answer.status_code in (409, 422), answer.text
        assert card_numbers(answer.text) == []
        assert "41111111" not in answer.text


@pytest.mark.parametrize("field", ["last_name", "street", "building_name", "billing_customer_name", "mail_address"])
def test_a_number_in_a_free_text_is_refused_and_not_stored(team: Scene, field: str) -> None:
    made = company(team)
    client = team.sign_in(team.alice)

    answer = client.patch(path(made), json={"version": 1, field: f"カード {NUMBER}"})
    sought = client.get("/api/agencies/corporations", params={"q": NUMBER})
    why = client.request("DELETE", f"{path(made)}/card", json={"reason": f"{NUMBER}", "version": 1})

    assert [answer.status_code, sought.status_code, why.status_code] == [422, 422, 422]
    assert "カード番号と思われる数字" in answer.json()["errors"][0]["message"]
    assert card_numbers(answer.text + sought.text + why.text) == []


@pytest.mark.parametrize(
    "listed",
    ["agencies", "choices", "options", "carrier-fields", "corporations", "requests", "cases", "acquired"],
)
def test_a_number_that_is_sought_finds_nothing_and_stays_in_no_trail(team: Scene, db: Session, listed: str) -> None:
    client = team.sign_in(team.adam)

    answers = [client.get(f"/api/agencies/{listed}{kind}", params={"q": NUMBER}) for kind in ("", ".csv", ".xlsx")]
    task = client.post("/api/core/exports", json={"list": f"agencies.{listed}", "filters": {"q": NUMBER}})

    # Of cases there is no file.
    assert {answer.status_code for answer in answers} | {task.status_code} <= {422, 404}
    assert answers[0].status_code == 422
    entries = db.query(AuditEntry).filter_by(action="export")
    assert card_numbers(" ".join(str(entry.after) for entry in entries)) == []


def test_no_number_or_code_is_left_in_the_trail_the_outbox_tasks_and_logs(
    team: Scene, db: Session, client: TestClient, configured: Callable[..., None], capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    configured(keep_security_code=True)
    given = CARD | {"number": "378282246310005", "security_code": "8163"}
    made = company(team, card=given)
    scene.request(db, made, team.alice, "working")
    db.commit()
    alice = team.sign_in(team.alice)
    assert alice.put(f"{path(made)}/card", json=given | {"version": 1}).status_code == 204
    assert alice.put(f"{path(made)}/card", json=given | {"version": 2, "expire_month": "99"}).status_code == 422
    assert alice.put(f"{path(made)}/card", json=given | {"version": 1}).status_code == 409
    alice.patch(path(made), json={"version": 1, "city": "港区", "card": given})
    alice.patch(path(made), json={"version": alice.get(path(made)).json()["version"], "card": given})
    alice.post("/api/core/exports", json={"list": "agencies.corporations", "filters": {"q": "378282246310005"}})
    shown = reveal(team, made)
    assert (shown.json()["number"], shown.json()["security_code"]) == ("378282246310005", "8163")
    monkeypatch.setattr(queries, "revealed", lambda *_: 1 / 0)
    assert reveal(team, made).status_code == 500
    team.sign_in(team.alice).patch(path(made), json={"version": 9, "payment_type": "2"})
    actions.purge(db)
    db.commit()

    rows = [
        json.dumps([list(map(str, row)) for row in db.execute(text(f"SELECT * FROM {table}"))], ensure_ascii=False)
        for table in ("audit_entries", "outbox_messages", "tasks", "agencies_corporations", "agencies_drafts")
    ]
    written = capfd.readouterr()
    # What the test's own client says of its requests is not the product's.
    logs = [str(record.msg) for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    left = "\n".join([*rows, *logs, written.out, written.err])

    assert "cards" in left or "/card" in left
    assert card_numbers(left) == []
    assert card_numbers(f"{left} 378282246310005") == ["378282246310005"]
    # By itself: within an id, a digest or the fraction of a second it may stand by chance.
    assert not re.search("(?<![0-9A-Za-z])8163(?![0-9A-Za-z])", "\n".join([*rows[:3], *logs]))


def test_cards_sealed_with_an_older_key_are_sealed_anew_and_then_the_old_one_may_go(
    team: Scene, db: Session, configured: Callable[..., None]
) -> None:
    configured(keep_security_code=True)
    made = company(team, card=CARD | {"security_code": CODE})
    old = settings()
    new_number, new_code = generate(), generate()
    configured(
        card_keys=SecretStr(f"{new_number},{old.card_keys.get_secret_value()}"),
        code_keys=SecretStr(f"{new_code},{old.code_keys.get_secret_value()}"),
    )

    assert actions.cards_to_reseal(db, 0) == [made.id]
    assert actions.reseal(db, made.id)
    db.commit()
    assert actions.cards_to_reseal(db, 0) == []
    configured(card_keys=SecretStr(new_number), code_keys=SecretStr(new_code))
    shown = reveal(team, made).json()
    assert (shown["number"], shown["security_code"]) == (NUMBER, CODE)

    configured(card_keys=SecretStr(generate()))
    assert actions.reseal(db, made.id) is False
    assert reveal(team, made).status_code == 409


def test_a_new_card_of_a_corporation_that_asks_for_nothing_has_an_end(team: Scene, db: Session) -> None:
    made = company(team)

    assert known(db, made).purge_at is not None


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"card_keys": "nonsense"}, "id:base64"),
        ({"card_keys": "k1:AAAA"}, "bytes instead of 32"),
        ({"keep_security_code": True}, "AGENCIES_KEEP_SECURITY_CODE"),
    ],
)
def test_a_service_with_keys_that_are_none_does_not_start(
    given: dict[str, Any], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AGENCIES_CARD_KEYS", "AGENCIES_CODE_KEYS"):
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(ValueError, match=complaint):
        Settings(**given)


def test_numbers_and_codes_have_no_key_in_common() -> None:
    key = generate()
    with pytest.raises(ValueError, match="one of their own") as refused:
        Settings(card_keys=SecretStr(key), code_keys=SecretStr("other:" + key.partition(":")[2]))

    assert key.partition(":")[2] not in str(refused.value)


def test_a_code_is_refused_where_codes_are_not_kept(team: Scene) -> None:
    with pytest.raises(Invalid) as refused:
        company(team, card=CARD | {"security_code": CODE})

    assert [error.field for error in refused.value.errors] == ["card.security_code"]
