"""Production as docs/production.md describes it: one origin with TLS in front of two services and two dashboards,
PgBouncer in front of PostgreSQL, passwords everywhere, no demo."""

from __future__ import annotations

import itertools
import json
import random
import re
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import sessionmaker

from service.core.database import session as core_db
from service.core.database.session import Scopes, sqlalchemy_url, transaction
from stack.daily import FIRST_BACKUP_DELAY, complete_backups
from tests import factories, people
from tests.load import counting
from tests.load.callers import create_terminals, heartbeat, issue_token
from tests.load.load_clients import ClientGroup, Reader
from tests.production import FEW_POOL_SIZE, Production, is_live, killed
from tests.waiting import wait_for

pytestmark = pytest.mark.production


# --- what exists, and what does not ---------------------------------------------------------------------------------


def test_everything_is_ready_on_servers_of_others(production: Production) -> None:
    assert not (production.stack.home.path / "postgres").exists()
    assert {file.name for file in production.stack.home.pids.glob("*")} == {
        *("supervisord", "service", "service-2", "worker", "beat", "dashboards", "dashboards-2", "watchdog", "backup")
    }
    with production.http() as http:
        assert http.get("/api/health/ready").json()["status"] == "ok"


def test_the_first_daily_backup_is_taken_and_reported(production: Production) -> None:
    with production.scene.signed_in("yamada") as http:

        def state() -> Any:
            return http.get("/api/core/system").json()["backup"]

        wait_for(lambda: state()["tried_at"], "a backup", FIRST_BACKUP_DELAY.total_seconds() + 120)
        backup_state = state()
    assert (backup_state["failed"], backup_state["is_late"], backup_state["last"]["kept"]) == (False, False, 1)
    [folder] = complete_backups(Path(production.stack.environ["BACKUP_FOLDER"]))
    assert sum(file.stat().st_size for file in folder.iterdir()) == backup_state["last"]["bytes"]


def test_no_demo_account_exists(production: Production) -> None:
    with production.http() as http:
        for login_id in ("admin", "fleet-admin"):
            body = {"login_id": login_id, "password": "genba-demo"}
            assert http.post("/api/auth/login", json=body).status_code == 401


def test_the_sign_in_page_shows_no_demo(production: Production) -> None:
    with production.http() as http:
        page = http.get("/login").text

    assert "ログインする" in page
    assert "genba-demo" not in page


@pytest.mark.parametrize(
    ("path", "answered_by"),
    [
        ("/api/health/live", "service"),
        ("/api/docs", "service"),
        *((path, "service") for path in ("/mcp", "/.well-known/x", "/pay/x", "/cancel/x", "/guides/x", "/d/OSAKA-1")),
        *((path, "service") for path in ("/entry-exit-login", "/entry-exit-registration", "/parent-card")),
        *((path, "dashboards") for path in ("/login", "/dashboard", "/terminals/5", "/files/x", "/desktop/x", "/")),
        ("/metrics", "proxy"),
    ],
)
def test_each_path_has_one_server(production: Production, path: str, answered_by: str) -> None:
    with production.http() as http:
        response = http.get(path)
    # The service adds a request id; the dashboards refuse to be framed; the proxy does neither.
    headers = response.headers
    server = "service" if "x-request-id" in headers else "dashboards" if "x-frame-options" in headers else "proxy"

    assert server == answered_by
    if answered_by == "proxy":
        assert response.status_code == 404


def test_no_security_header_is_there_twice(production: Production) -> None:
    with production.http() as http:
        for path in ("/login", "/api/health/live", "/_stcore/health", "/metrics"):
            names = Counter(name.lower() for name, _ in http.get(path).headers.multi_items())
            for name in ("strict-transport-security", "x-content-type-options", "referrer-policy"):
                assert names[name] == 1, (path, name)
            assert names["server"] == 0


def test_answers_are_compressed_and_hashed_files_cached_for_a_year(production: Production) -> None:
    with production.http() as http:
        for encoding in ("zstd", "gzip"):
            with http.stream("GET", "/api/openapi.json", headers={"Accept-Encoding": encoding}) as response:
                assert response.headers["content-encoding"] == encoding
        page = http.post(
            "/login",
            data={"login_id": "yamada", "password": people.PASSWORD},
            headers={"Origin": production.origin},
            follow_redirects=True,
        )
        script = re.search(r'src="/(static/js/index\.[^"]+)"', page.text)
        assert script is not None, page.text
        cache_control = http.get(f"/{script[1]}").headers["cache-control"]
    assert "immutable" in cache_control
    assert "max-age=31536000" in cache_control


def test_a_body_that_is_too_large_is_refused_by_the_proxy(production: Production) -> None:
    statuses, titles = [], []
    with production.http() as http:
        for _ in range(4):
            with http.stream("POST", "/api/auth/login", content=b"x" * 2_100_000) as response:
                statuses.append(response.status_code)
                # Caddy closes the connection half a second after its response: a slower client misses the rest.
                with suppress(httpx2.RemoteProtocolError):
                    titles.append(json.loads(response.read())["title"])
        assert statuses == [413] * 4
        assert {*titles} == {"データが大きすぎます"}
        assert http.get("/api/health/live").status_code == 200


def test_plain_http_leads_to_the_origin(production: Production) -> None:
    response = httpx2.get(f"http://localhost:{production.ports['http']}/login", trust_env=False)

    assert response.status_code == 308
    assert response.headers["location"].startswith("https://localhost")


def test_only_the_proxy_sets_the_source_address(production: Production) -> None:
    forged = {"X-Forwarded-For": "203.0.113.9", "X-Real-Ip": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
    with production.http() as http:
        body = {"login_id": "yamada", "password": "wrong-one"}
        assert http.post("/api/auth/login", json=body, headers=forged).status_code == 401
    last_address = "SELECT address FROM audit_entries WHERE action = 'login_failed' ORDER BY id DESC LIMIT 1"
    assert production.scene.rows(last_address) in ([("127.0.0.1",)], [("::1",)])


def test_the_callers_request_id_comes_back(production: Production) -> None:
    with production.http() as http:
        assert http.get("/api/health/live", headers={"X-Request-Id": "abc-123456"}).headers["x-request-id"] == (
            "abc-123456"
        )


# --- PgBouncer -------------------------------------------------------------------------------------------------------


def test_the_roles_time_outs_hold_through_pgbouncer(production: Production) -> None:
    with psycopg.connect(production.url("app", pooled=True), prepare_threshold=None) as connection:
        timeouts = [
            connection.execute(f"SHOW {name}").fetchone()
            for name in ("statement_timeout", "idle_in_transaction_session_timeout")
        ]
    assert timeouts == [("30s",), ("1min",)]


def test_only_the_application_may_go_through_pgbouncer(production: Production) -> None:
    for role in ("owner", "backup", "superuser"):
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(production.url(role, pooled=True))


def test_a_wrong_password_is_refused_with_and_without_pgbouncer(production: Production) -> None:
    for pooled in (True, False):
        url = production.url("app", pooled=pooled).replace(production.password("app"), "wrong")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url)


def test_transactions_of_all_scopes_over_three_connections_see_their_own_rows_alone(
    production: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    areas = ("fleet", "loaners", "agencies", "entries", "reservations")
    engine = create_engine(
        sqlalchemy_url(production.url("app", "genba_few", pooled=True)),
        pool_size=16,
        max_overflow=0,
        connect_args={"prepare_threshold": None},
    )
    monkeypatch.setattr(core_db, "session_factory", lambda: sessionmaker(engine, expire_on_commit=False))
    subject, insert = (
        uuid.uuid4().hex,
        (
            "INSERT INTO audit_entries (actor, address, area, action, subject, subject_id) "
            "VALUES ('x', '-', :area, 'create', :subject, '1')"
        ),
    )
    for area in areas:
        with transaction() as db:
            db.execute(text(insert), {"area": area, "subject": subject})
    backend_pids: set[int] = set()

    def sees_own_rows(number: int) -> bool:
        scope = frozenset(random.Random(number).sample(areas, number % (len(areas) + 1)))
        with transaction(Scopes(scope)) as db:
            backend_pids.add(db.execute(text("SELECT pg_backend_pid()")).scalar_one())
            rows = db.execute(text("SELECT area FROM audit_entries WHERE subject = :s"), {"s": subject}).scalars()
            return sorted(rows) == sorted(scope)

    with ThreadPoolExecutor(16) as pool:
        results = Counter(pool.map(sees_own_rows, range(3000)))
    engine.dispose()

    assert results == {True: 3000}
    assert len(backend_pids) <= FEW_POOL_SIZE


# --- terminals -------------------------------------------------------------------------------------------------------


def test_a_terminal_enrols_and_reports_through_the_origin(production: Production) -> None:
    with production.scene.db() as db:
        code = factories.enrolment_code(db, factories.customer(db))
    stream = str(uuid.uuid4())
    with production.http() as http:
        enrolled = http.post(
            "/api/fleet/enrolments",
            json={"enrolment_code": code, "serial_number": "TC200-ORIGIN", "store_name": "本店"},
        ).json()
        assert "token" in enrolled, enrolled
        http.headers["Authorization"] = f"Bearer {enrolled['token']}"
        for sequence in (1, 2, 2, 3):
            assert http.post("/api/fleet/heartbeats", json=heartbeat(sequence, stream)).status_code == 200
    stored = production.scene.rows("SELECT sequence FROM fleet_heartbeats WHERE stream_id = %s ORDER BY 1", stream)
    assert stored == [(1,), (2,), (3,)]


def test_a_revoked_token_is_refused_by_both_replicas_within_a_second(production: Production) -> None:
    stream, sequence = str(uuid.uuid4()), itertools.count(1)
    with production.scene.db() as db:
        terminal_id, token = issue_token(db, factories.terminal(db).id)

    def answers() -> list[int]:
        return [
            httpx2.post(
                f"{production.replica(name)}/api/fleet/heartbeats",
                json=heartbeat(next(sequence), stream),
                headers={"Authorization": f"Bearer {token}"},
                trust_env=False,
            ).status_code
            for name in ("service", "service-2")
        ]

    assert answers() == [200, 200]
    production.scene.rows("UPDATE fleet_terminal_tokens SET revoked_at = now() WHERE terminal_id = %s", terminal_id)

    wait_for(lambda: answers() == [401, 401], "a replica still believes a revoked token", seconds=1)


# --- kills -----------------------------------------------------------------------------------------------------------


def kill_each_service(production: Production, clients: ClientGroup) -> None:
    """Kills both services in turn while the clients run."""
    with clients.running():
        for name in ("service", "service-2"):
            clients.await_more_answers(200)
            with killed(production, name):
                clients.await_more_answers(200)
    print(f"{clients.count_answers()} answers while each service was killed, and these failures: {clients.failures()}")
    assert clients.count_answers() > 800


def test_requests_go_on_while_one_service_is_killed(production: Production) -> None:
    clients = ClientGroup([Reader(production.scene.signed_in("yamada"), "/api/fleet/terminals") for _ in range(8)])

    kill_each_service(production, clients)

    assert clients.failures() == {"readers": {}}


def test_no_answered_heartbeat_is_missing_when_a_service_is_killed(production: Production) -> None:
    """The proxy does not resend a heartbeat that may have reached the dead service: the terminal does."""
    clients = ClientGroup(create_terminals(production.scene, "KILLED", 8, pause=0.02))

    kill_each_service(production, clients)

    assert clients.failures()["terminals"].keys() <= {"503"}
    counting.heartbeats(production.scene, clients)


def test_an_outage_is_on_record_when_it_is_over(production: Production) -> None:
    """Both services are killed. The watchdog polls them through the same proxy and delivers the outage when they are
    back."""
    started_at = datetime.now(UTC)
    with killed(production, "service"), killed(production, "service-2"):
        wait_for(lambda: not is_live(production, "service") and not is_live(production, "service-2"), "they still run")

    def outages() -> list[dict[str, Any]]:
        with production.scene.signed_in("yamada") as http:
            availability = http.get("/api/core/probes/availability").json()
        return [outage for outage in availability["outages"] if datetime.fromisoformat(outage["end"]) > started_at]

    wait_for(outages, "the outage is not on record")
    wait_for(lambda: datetime.fromisoformat(outages()[-1]["end"]) < datetime.now(UTC), "the outage does not end")
    recorded = outages()
    lasted = sum(outage["minutes"] for outage in recorded) * 60
    print(f"on record {lasted:.1f} s: {recorded}")
    assert 1 < lasted < 30
    assert "service" in recorded[0]["down"]
