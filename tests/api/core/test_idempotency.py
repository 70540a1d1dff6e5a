"""A request that is sent twice under one idempotency key is done once, and both answers are the same."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from service.core import sweeps
from service.core.access.identity import Membership, User, open_session
from service.core.database.clock import app_clock
from service.core.database.session import NO_SCOPES, Scopes, transaction
from service.core.http.idempotency import HEADER, INVALID_KEY, KEY_LIFETIME, REPLAYED_HEADER, Answer
from service.core.settings import settings
from service.fleet.models import Customer
from tests import people
from tests.conftest import Service
from tests.waiting import wait_for

CUSTOMERS, USERS = "/api/fleet/customers", "/api/core/users"
CUSTOMER = {
    "company_name": "ABC商事",
    "contact_person": "青木 誠",
    "contact_phone": "03-1234-5678",
    "contact_email": "aoki@abc.example",
}


@pytest.fixture
def admin(sign_in: Callable[..., TestClient]) -> TestClient:
    return sign_in("alice", fleet="admin")


def new_key() -> str:
    return uuid.uuid4().hex


def post(client: TestClient, key: str, body: Any = None, path: str = CUSTOMERS) -> httpx2.Response:
    return client.post(path, json=CUSTOMER if body is None else body, headers={HEADER: key})


def customers(db: Session) -> int:
    return db.scalar(select(func.count()).select_from(Customer)) or 0


def test_a_repeat_is_answered_like_the_first_and_stores_nothing(admin: TestClient, db: Session) -> None:
    key = new_key()

    first = post(admin, key)
    assert post(admin, new_key(), CUSTOMER | {"company_name": "XYZ商店"}).status_code == 201
    again = post(admin, str(uuid.UUID(key)))

    assert (first.status_code, REPLAYED_HEADER in first.headers) == (201, False), first.text
    assert (again.status_code, again.json(), again.headers[REPLAYED_HEADER]) == (201, first.json(), "true")
    assert again.headers["content-type"] == first.headers["content-type"]
    assert customers(db) == 2


def test_an_answer_without_a_body_is_repeated_too(admin: TestClient, db: Session) -> None:
    path, key = f"{CUSTOMERS}/{post(admin, new_key()).json()['id']}/archive", new_key()

    answers = [post(admin, key, {}, path) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [answers[0].status_code] * 2
    assert answers[0].is_success
    assert answers[0].content == answers[1].content


def test_without_a_key_every_request_is_done(admin: TestClient, db: Session) -> None:
    bodies = (CUSTOMER | {"company_name": name} for name in ("ABC商事", "XYZ商店"))
    assert [admin.post(CUSTOMERS, json=body).status_code for body in bodies] == [201, 201]
    assert customers(db) == 2
    assert db.scalars(select(Answer)).all() == []


def test_a_key_is_its_senders_own(admin: TestClient, db: Session, sign_in: Callable[..., TestClient]) -> None:
    key = new_key()
    first = post(admin, key)

    other = post(sign_in("carol", fleet="admin"), key, CUSTOMER | {"company_name": "XYZ商店"})

    assert (other.status_code, REPLAYED_HEADER in other.headers) == (201, False)
    assert other.json()["id"] != first.json()["id"]


@pytest.mark.parametrize("other", [{"company_name": "XYZ商店"}, {"contact_person": "新田"}])
def test_another_body_under_the_same_key_is_refused(admin: TestClient, db: Session, other: dict[str, str]) -> None:
    key = new_key()
    post(admin, key)

    answer = post(admin, key, CUSTOMER | other)

    assert (answer.status_code, answer.json()["type"]) == (422, "urn:genba:sent-before")
    assert "すでに保存されています" in answer.json()["detail"]
    assert customers(db) == 1


def test_the_same_key_at_another_route_is_refused(admin: TestClient) -> None:
    key = new_key()
    customer_id = post(admin, key).json()["id"]

    assert post(admin, key, CUSTOMER, f"{CUSTOMERS}?x=1").status_code == 422
    assert post(admin, key, {}, f"{CUSTOMERS}/{customer_id}/archive").status_code == 422
    assert post(admin, key, CUSTOMER).status_code == 201


def test_a_refusal_is_not_stored(admin: TestClient, db: Session) -> None:
    """The mistake is corrected and sent again under the same key: it is still the same form."""
    key = new_key()

    refused = post(admin, key, CUSTOMER | {"company_name": ""})
    answer = post(admin, key)

    assert (refused.status_code, answer.status_code) == (422, 201)
    assert REPLAYED_HEADER not in answer.headers


def test_a_failure_is_not_stored(admin: TestClient, db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the change nor the claim of the key survives, however late the request fails."""
    key = new_key()
    with monkeypatch.context() as broken:
        broken.setattr("service.core.http.idempotency._cipher", lambda: 1 / 0)
        assert post(admin, key).status_code == 500
    assert (customers(db), db.scalars(select(Answer)).all()) == (0, [])

    assert post(admin, key).status_code == 201
    assert customers(db) == 1


def test_a_key_that_is_no_uuid_is_refused(admin: TestClient, db: Session) -> None:
    answer = post(admin, "once")

    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": HEADER, "message": INVALID_KEY}]
    assert customers(db) == 0


def test_a_user_who_lost_the_permission_gets_no_replay(admin: TestClient, db: Session) -> None:
    key = new_key()
    post(admin, key)
    db.execute(update(Membership).values(role="viewer"))
    db.commit()

    assert post(admin, key).status_code == 403


def test_a_one_time_password_is_replayed_and_not_stored_in_plain_text(admin: TestClient, db: Session) -> None:
    """The route that hashes before its transaction; its answer is otherwise shown only once."""
    key = new_key()
    new = {
        "login_id": "newcomer",
        "name": "新人",
        "mail": None,
        "memberships": [{"area": "fleet", "role": "operator", "tenant_id": None}],
    }

    first, again = (post(admin, key, new, USERS) for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 201), first.text
    assert again.json() == first.json()
    assert (again.headers["cache-control"], again.headers[REPLAYED_HEADER]) == ("no-store", "true")
    assert len(db.scalars(select(User).where(User.login_id == "newcomer")).all()) == 1
    stored = db.scalars(select(Answer)).one()
    assert stored.sealed is not None
    assert first.json()["password"].encode() not in stored.sealed
    reset = [post(admin, new_key(), {}, f"{USERS}/{first.json()['id']}/password") for _ in range(2)]
    assert reset[0].json()["password"] != reset[1].json()["password"]


def test_answers_are_their_owners_in_the_database_too(admin: TestClient, db: Session) -> None:
    post(admin, new_key())

    for scopes in (NO_SCOPES, Scopes(frozenset({"fleet"}))):
        with transaction(scopes) as stranger:
            # The savepoints of a test are one transaction, in which the user is still set.
            stranger.execute(select(func.set_config("genba.person", "", True)))
            assert stranger.scalars(select(Answer)).all() == []


def test_after_two_days_a_key_is_forgotten(admin: TestClient, db: Session) -> None:
    [sweep] = [policy for policy in sweeps.SWEEPS if policy.target == "answers"]
    db.execute(update(app_clock).values(shift=app_clock.c.shift - KEY_LIFETIME + timedelta(minutes=1)))
    young = new_key()
    post(admin, young)
    db.execute(update(app_clock).values(shift=app_clock.c.shift - timedelta(minutes=2)))
    old = new_key()
    post(admin, old, CUSTOMER | {"company_name": "XYZ商店"})
    db.execute(update(app_clock).values(shift=app_clock.c.shift + KEY_LIFETIME + timedelta(minutes=1)))
    db.commit()

    assert sweeps.plan(sweep).rows == 1
    assert sweeps.run(sweep).rows == 1

    assert [answer.key for answer in db.scalars(select(Answer))] == [uuid.UUID(young)]


def test_concurrent_requests_under_one_key_are_done_once(service: Service) -> None:
    """Eight requests, on connections of their own: one does the work; the others get its answer, or come too early."""
    headers, key = signed_in(service, "twins"), new_key()

    def send(_: int = 0) -> httpx2.Response:
        with service.http() as http:
            return http.post(CUSTOMERS, json=CUSTOMER | {"company_name": "双子商店"}, headers={**headers, HEADER: key})

    with ThreadPoolExecutor(8) as pool:
        answers = [*pool.map(send, range(8)), send()]

    done = [answer for answer in answers if answer.status_code == 201]
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert {answer.json()["id"] for answer in done} == {done[0].json()["id"]}
    assert [REPLAYED_HEADER in answer.headers for answer in done].count(False) == 1
    assert service.rows("SELECT count(*) FROM fleet_customers WHERE company_name = '双子商店'") == [(1,)]


def test_while_the_first_request_works_a_repeat_is_refused_at_once(service: Service) -> None:
    """More repeats than the pool has connections: none of them keeps one."""
    headers, key = signed_in(service, "impatient"), new_key()
    body = CUSTOMER | {"company_name": "二番手商店"}

    def send(_: int = 0) -> httpx2.Response:
        with service.http() as http:
            return http.post(CUSTOMERS, json=body, headers={**headers, HEADER: key})

    with ThreadPoolExecutor(9) as pool:
        with service.committed() as blocking:
            blocking.execute(text("LOCK TABLE fleet_customers IN SHARE ROW EXCLUSIVE MODE"))
            first = pool.submit(send)
            wait_for(lambda: service.rows("SELECT 1 FROM pg_locks WHERE NOT granted"))
            repeats = list(pool.map(send, range(2 * settings().database_pool_size)))
            with service.http() as http:
                assert http.get("/api/auth/me", headers=headers).status_code == 200
            assert not first.done()
        answer = first.result(30)
    again = send()

    assert {(repeat.status_code, repeat.headers["Retry-After"]) for repeat in repeats} == {(409, "1")}
    assert {repeat.json()["type"] for repeat in repeats} == {"urn:genba:still-running"}
    assert (answer.status_code, REPLAYED_HEADER in answer.headers) == (201, False)
    assert (again.json(), REPLAYED_HEADER in again.headers) == (answer.json(), True)


def test_after_a_request_that_failed_its_repeat_does_the_work(service: Service) -> None:
    headers, key = signed_in(service, "second"), new_key()
    with service.http() as http:
        refused = http.post(CUSTOMERS, json={"company_name": ""}, headers={**headers, HEADER: key})
        done = http.post(CUSTOMERS, json=CUSTOMER | {"company_name": "再送商店"}, headers={**headers, HEADER: key})

    assert (refused.status_code, done.status_code, REPLAYED_HEADER in done.headers) == (422, 201, False)


def signed_in(service: Service, login_id: str) -> dict[str, str]:
    with service.committed() as db:
        token, _ = open_session(db, people.create_user(db, login_id, fleet="admin"), "testclient", timedelta(hours=1))
    return {"Authorization": f"Bearer {token}"}
