"""Row `once` of `make bench`: what a POST costs more when it names itself (`Idempotency-Key`), and its repeat.

The same new customers, with and without a key, in short turns on one connection: what else the machine does falls on
both alike, and the ratio of one run is the claim.
"""

from __future__ import annotations

import statistics
import subprocess
import uuid
from collections.abc import Iterable

import httpx2
import psycopg

from service.core.once import HEADER, REPEATED
from tests.load.claims import Goal, Part
from tests.load.ground import Ground, open_session
from tests.sight import seeing_all

TURNS, IN_A_TURN = 15, 50
WITHOUT, WITH, AGAIN = "without a key", "with a key", "the same again"


def claims(made: Ground) -> Part:
    with psycopg.connect(seeing_all(made.environ["DATABASE_OWNER_URL"]), autocommit=True) as owner:
        headers = {"Authorization": f"Bearer {open_session(owner, 'poster', 'admin')}"}
    micros: dict[str, list[float]] = {WITHOUT: [], WITH: [], AGAIN: []}
    with (
        made.serving("service.main:app") as (port, process),
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30, trust_env=False) as http,
    ):
        for turn in range(TURNS + 1):
            names = [f"{turn} {number}" for number in range(IN_A_TURN)]
            keys: list[str | None] = [str(uuid.uuid4()) for _ in names]
            named = [f"{name} named" for name in names]
            spent = {
                WITHOUT: _turn(made, process, http, zip(names, [None] * IN_A_TURN, strict=True), repeated=False),
                WITH: _turn(made, process, http, zip(named, keys, strict=True), repeated=False),
                AGAIN: _turn(made, process, http, zip(named, keys, strict=True), repeated=True),
            }
            if turn:  # the first one warms up
                for name, found in spent.items():
                    micros[name].append(found)
    middle = {name: statistics.median(found) for name, found in micros.items()}
    dearer = middle[WITH] / middle[WITHOUT]
    lines = ["| one POST (a new customer) | CPU-µs each | against none |", "| --- | ---: | ---: |"]
    lines += [f"| {name} | {found:,.0f} | {found / middle[WITHOUT]:.2f}× |" for name, found in middle.items()]
    return lines, [
        Goal("a POST with a key costs at most a third more CPU than without", f"{dearer:.2f}×", dearer <= 4 / 3),
        Goal("its repeat costs less than doing it", f"{middle[AGAIN]:,.0f} CPU-µs", middle[AGAIN] < middle[WITHOUT]),
    ]


def _turn(
    made: Ground,
    process: subprocess.Popen[bytes],
    http: httpx2.Client,
    posts: Iterable[tuple[str, str | None]],
    *,
    repeated: bool,
) -> float:
    before = made.cpu_seconds(process)
    for name, key in posts:
        answer = http.post(
            "/api/fleet/customers",
            json={
                "company_name": f"顧客 {name}",
                "contact_person": "田中 花子",
                "contact_email": "h.tanaka@example.jp",
                "contact_phone": "06-1234-5678",
            },
            headers={HEADER: key} if key else {},
        )
        if answer.status_code != 201 or (REPEATED in answer.headers) != repeated:
            raise SystemExit(f"answered {answer.status_code} {answer.text}; nothing was measured")
    return (made.cpu_seconds(process) - before) / IN_A_TURN * 1e6
