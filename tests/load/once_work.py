"""Row `once` of `make bench`: what a POST costs more when it names itself (`Idempotency-Key`), and its repeat.

The same new customers, with and without a key, in short turns on one connection: what else the machine does falls on
both alike, and the ratio of one run is the claim.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable

import httpx2

from service.core.http.idempotency import HEADER, REPLAYED_HEADER
from tests.load.ground import Ground, Served
from tests.load.rows import Goal, Part, Run, median_of

TURNS, IN_A_TURN = 15, 50
WITHOUT, WITH, AGAIN = "without a key", "with a key", "the same again"


def claims(made: Ground) -> Part:
    headers = {"Authorization": f"Bearer {made.sign_in('admin')}"}
    runs: dict[str, list[Run]] = {WITHOUT: [], WITH: [], AGAIN: []}
    with (
        made.serving() as served,
        httpx2.Client(base_url=served.url, headers=headers, timeout=30, trust_env=False) as http,
    ):
        for turn in range(TURNS + 1):
            names = [f"{turn} {number}" for number in range(IN_A_TURN)]
            unnamed = dict.fromkeys(names, "")
            named = {f"{name} named": str(uuid.uuid4()) for name in names}
            posts = ((WITHOUT, unnamed, False), (WITH, named, False), (AGAIN, named, True))
            for what, keys, repeated in posts:
                run = _turn(served, http, keys.items(), repeated=repeated)
                if turn:  # the first one warms up
                    runs[what].append(run)
    micros = {what: median_of(found).cpu_micros for what, found in runs.items()}
    dearer = micros[WITH] / micros[WITHOUT]
    lines = ["| one POST (a new customer) | CPU-µs each | against none |", "| --- | ---: | ---: |"]
    lines += [f"| {what} | {found:,.0f} | {found / micros[WITHOUT]:.2f}× |" for what, found in micros.items()]
    return lines, [
        Goal("a POST with a key costs at most a third more CPU than without", f"{dearer:.2f}×", dearer <= 4 / 3),
        Goal("its repeat costs less than doing it", f"{micros[AGAIN]:,.0f} CPU-µs", micros[AGAIN] < micros[WITHOUT]),
    ]


def _turn(served: Served, http: httpx2.Client, posts: Iterable[tuple[str, str]], *, repeated: bool) -> Run:
    meter = served.meter()
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
        if answer.status_code != 201 or (REPLAYED_HEADER in answer.headers) != repeated:
            raise SystemExit(f"answered {answer.status_code} {answer.text}; nothing was measured")
    return meter.stopped(IN_A_TURN)
