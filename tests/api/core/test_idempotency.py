"""What is sent twice under one key is done once, and answered twice alike."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from service.core import sweeps
from service.core.access.identity import Membership, User, open_session
from service.core.database.clock import app_clock
from service.core.database.session import NO_SCOPES, Scopes, transaction
from service.core.http.idempotency import HEADER, KEY_LIFETIME, REPLAYED_HEADER, Answer
from service.fleet.models import Customer
from tests import people
from tests.conftest import Service

CUSTOMERS, USERS = "/api/fleet/customers", "/api/core/users"
SAID = {
    "company_name": "ABC商事",
    "contact_person": "青木 誠",
    "contact_phone": "03-1234-5678",
    "contact_email": "aoki@abc.example",
}


@pytest.fixture
def admin(sign_in: Callable[..., TestClient]) -> TestClient:
    return sign_in("alice", fleet="admin")


def key() -> str:
    return uuid.uuid4().hex


def sent(client: TestClient, name: str, body: Any = None, path: str = CUSTOMERS) -> httpx2.Response:
    return client.post(path, json=SAID if body is None else body, headers={HEADER: name})


def customers(db: Session) -> int:
    return db.scalar(select(func.count()).select_from(Customer)) or 0


def test_a_repeat_is_answered_like_the_first_and_stores_nothing(admin: TestClient, db: Session) -> None:
    name = key()

    first = sent(admin, name)
    assert sent(admin, key(), SAID | {"company_name": "XYZ商店"}).status_code == 201
    again = sent(admin, str(uuid.UUID(name)))

    assert (first.status_code, REPLAYED_HEADER in first.headers) == (201, False), first.text
    assert (again.status_code, again.json(), again.headers[REPLAYED_HEADER]) == (201, first.json(), "true")
    assert again.headers["content-type"] == first.headers["content-type"]
    assert customers(db) == 2


def test_an_answer_without_a_body_is_repeated_too(admin: TestClient, db: Session) -> None:
    path, name = f"{CUSTOMERS}/{sent(admin, key()).json()['id']}/archive", key()

    answers = [sent(admin, name, {}, path) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [answers[0].status_code] * 2
    assert answers[0].is_success
    assert answers[0].content == answers[1].content


def test_without_a_key_each_request_is_one_of_its_own(admin: TestClient, db: Session) -> None:
    named = (SAID | {"company_name": name} for name in ("ABC商事", "XYZ商店"))
    assert [admin.post(CUSTOMERS, json=one).status_code for one in named] == [201, 201]
    assert customers(db) == 2
    assert db.scalars(select(Answer)).all() == []


def test_a_key_is_its_senders_own(admin: TestClient, db: Session, sign_in: Callable[..., TestClient]) -> None:
    name = key()
    first = sent(admin, name)

    other = sent(sign_in("carol", fleet="admin"), name, SAID | {"company_name": "XYZ商店"})

    assert (other.status_code, REPLAYED_HEADER in other.headers) == (201, False)
    assert other.json()["id"] != first.json()["id"]


@pytest.mark.parametrize("other", [{"company_name": "XYZ商店"}, {"contact_person": "新田"}])
def test_something_else_under_the_same_key_is_refused_and_told_that_the_first_is_there(
    admin: TestClient, db: Session, other: dict[str, str]
) -> None:
    name = key()
    sent(admin, name)

    answer = sent(admin, name, SAID | other)

    assert (answer.status_code, answer.json()["type"]) == (422, "urn:genba:sent-before")
    assert "すでに保存されています" in answer.json()["detail"]
    assert customers(db) == 1


def test_the_same_key_at_another_door_is_refused(admin: TestClient) -> None:
    name = key()
    made = sent(admin, name).json()["id"]

    assert sent(admin, name, SAID, f"{CUSTOMERS}?x=1").status_code == 422
    assert sent(admin, name, {}, f"{CUSTOMERS}/{made}/archive").status_code == 422
    assert sent(admin, name, SAID).status_code == 201


def test_a_refusal_is_not_kept(admin: TestClient, db: Session) -> None:
    """What was wrong is put right and sent again under the same key: the form is still the same one."""
    name = key()

    refused = sent(admin, name, SAID | {"company_name": ""})
    answer = sent(admin, name)

    assert (refused.status_code, answer.status_code) == (422, 201)
    assert REPLAYED_HEADER not in answer.headers


def test_a_failure_is_not_kept(admin: TestClient, db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the change nor the claim outlives it, however late it fails."""
    name = key()
    with monkeypatch.context() as broken:
        broken.setattr("service.core.http.idempotency._cipher", lambda: 1 / 0)
        assert sent(admin, name).status_code == 500
    assert (customers(db), db.scalars(select(Answer)).all()) == (0, [])

    assert sent(admin, name).status_code == 201
    assert customers(db) == 1


def test_a_key_that_is_no_uuid_is_refused(admin: TestClient, db: Session) -> None:
    answer = sent(admin, "once")

    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"field": HEADER, "message": "送信番号（Idempotency-Key）はUUIDで指定してください。"}
    ]
    assert customers(db) == 0


def test_who_may_not_any_more_is_not_told_again(admin: TestClient, db: Session) -> None:
    name = key()
    sent(admin, name)
    db.execute(update(Membership).values(role="viewer"))
    db.commit()

    assert sent(admin, name).status_code == 403


def test_a_one_time_password_is_told_again_and_lies_nowhere_in_plain(admin: TestClient, db: Session) -> None:
    """The door that hashes before its transaction; the answer is what is shown only once."""
    name = key()
    new = {
        "login_id": "newcomer",
        "name": "新人",
        "mail": None,
        "memberships": [{"area": "fleet", "role": "operator", "tenant_id": None}],
    }

    first, again = (sent(admin, name, new, USERS) for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 201), first.text
    assert again.json() == first.json()
    assert (again.headers["cache-control"], again.headers[REPLAYED_HEADER]) == ("no-store", "true")
    assert len(db.scalars(select(User).where(User.login_id == "newcomer")).all()) == 1
    kept = db.scalars(select(Answer)).one()
    assert kept.sealed is not None
    assert first.json()["password"].encode() not in kept.sealed
    reset = [sent(admin, key(), {}, f"{USERS}/{first.json()['id']}/password") for _ in range(2)]
    assert reset[0].json()["password"] != reset[1].json()["password"]


def test_answers_are_their_owners_in_the_database_too(admin: TestClient, db: Session) -> None:
    sent(admin, key())

    for scopes in (NO_SCOPES, Scopes(frozenset({"fleet"}))):
        with transaction(scopes) as stranger:
            # The savepoints of a test are one transaction: whose it was is still said.
            stranger.execute(select(func.set_config("genba.person", "", True)))
            assert stranger.scalars(select(Answer)).all() == []


def test_after_two_days_a_key_is_forgotten(admin: TestClient, db: Session) -> None:
    [sweep] = [one for one in sweeps.SWEEPS if one.target == "answers"]
    db.execute(update(app_clock).values(shift=app_clock.c.shift - KEY_LIFETIME + timedelta(minutes=1)))
    young = key()
    sent(admin, young)
    db.execute(update(app_clock).values(shift=app_clock.c.shift - timedelta(minutes=2)))
    old = key()
    sent(admin, old, SAID | {"company_name": "XYZ商店"})
    db.execute(update(app_clock).values(shift=app_clock.c.shift + KEY_LIFETIME + timedelta(minutes=1)))
    db.commit()

    assert sweeps.plan(sweep).rows == 1
    assert sweeps.run(sweep).rows == 1

    assert [answer.key for answer in db.scalars(select(Answer))] == [uuid.UUID(young)]


def test_two_at_the_same_time_are_one(service: Service) -> None:
    """Eight of them, on connections of their own: one does it, the others wait for its answer."""
    with service.committed() as db:
        token, _ = open_session(db, people.person(db, "twins", fleet="admin"), "testclient", timedelta(hours=1))
    name = key()

    def send(_: int) -> tuple[int, object, bool]:
        with service.http() as http:
            headers = {"Authorization": f"Bearer {token}", HEADER: name}
            answer = http.post(CUSTOMERS, json=SAID | {"company_name": "双子商店"}, headers=headers)
        return answer.status_code, answer.json().get("id"), REPLAYED_HEADER in answer.headers

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))

    assert {(status, made) for status, made, _ in answers} == {(201, answers[0][1])}
    assert sorted(repeated for *_, repeated in answers) == [False] + [True] * 7
    assert service.rows("SELECT count(*) FROM fleet_customers WHERE company_name = '双子商店'") == [(1,)]


def test_a_twin_goes_on_when_the_first_one_fails(service: Service) -> None:
    """The first holds the key and then rolls back: the second, which waited, does the work."""
    with service.committed() as db:
        person = people.person(db, "second", fleet="admin")
        token, _ = open_session(db, person, "testclient", timedelta(hours=1))
    name, headers = key(), {"Authorization": f"Bearer {token}"}
    body = SAID | {"company_name": "二番手商店"}
    with service.http() as http, ThreadPoolExecutor(1) as pool:
        with service.committed() as first:
            first.add(Answer(user_id=person.id, key=uuid.UUID(name), request=b"x" * 32))
            first.flush()
            waiting = pool.submit(http.post, CUSTOMERS, json=body, headers={**headers, HEADER: name})
            with pytest.raises(TimeoutError):
                waiting.result(1)
            first.rollback()
        answer = waiting.result(15)

    assert (answer.status_code, REPLAYED_HEADER in answer.headers) == (201, False)
