"""Row `idempotency` of `make bench`: the extra cost of a POST with an `Idempotency-Key`, and the cost of its replay.

The same new customers, with and without a key, in short turns on one connection: other load on the machine affects both
alike, and the ratio of one run is the claim.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable

import httpx2

from service.core.http.idempotency import HEADER, REPLAYED_HEADER
from tests.load.environment import BenchEnvironment, RunningService
from tests.load.rows import Claim, RowResult, Run, median_run

TURNS, POSTS_PER_TURN = 15, 50
WITHOUT, WITH, REPLAY = "without a key", "with a key", "the same again"


def claims(environment: BenchEnvironment) -> RowResult:
    headers = {"Authorization": f"Bearer {environment.create_session_token('admin')}"}
    runs: dict[str, list[Run]] = {WITHOUT: [], WITH: [], REPLAY: []}
    with (
        environment.running_service() as service,
        httpx2.Client(base_url=service.url, headers=headers, timeout=30, trust_env=False) as http,
    ):
        for turn in range(TURNS + 1):
            names = [f"{turn} {number}" for number in range(POSTS_PER_TURN)]
            without_keys = dict.fromkeys(names, "")
            with_keys = {f"{name} named": str(uuid.uuid4()) for name in names}
            posts = ((WITHOUT, without_keys, False), (WITH, with_keys, False), (REPLAY, with_keys, True))
            for variant, keys, is_replay in posts:
                run = _run_turn(service, http, keys.items(), is_replay=is_replay)
                if turn:  # the first turn warms up
                    runs[variant].append(run)
    micros = {variant: median_run(value).cpu_micros for variant, value in runs.items()}
    cost_ratio = micros[WITH] / micros[WITHOUT]
    lines = ["| one POST (a new customer) | CPU-µs each | against none |", "| --- | ---: | ---: |"]
    lines += [f"| {variant} | {value:,.0f} | {value / micros[WITHOUT]:.2f}× |" for variant, value in micros.items()]
    return lines, [
        Claim(
            "a POST with a key costs at most a third more CPU than without", f"{cost_ratio:.2f}×", cost_ratio <= 4 / 3
        ),
        Claim("its repeat costs less than doing it", f"{micros[REPLAY]:,.0f} CPU-µs", micros[REPLAY] < micros[WITHOUT]),
    ]


def _run_turn(
    service: RunningService, http: httpx2.Client, posts: Iterable[tuple[str, str]], *, is_replay: bool
) -> Run:
    meter = service.meter()
    for name, key in posts:
        response = http.post(
            "/api/fleet/customers",
            json={
                "company_name": f"顧客 {name}",
                "contact_person": "田中 花子",
                "contact_email": "h.tanaka@example.jp",
                "contact_phone": "06-1234-5678",
            },
            headers={HEADER: key} if key else {},
        )
        if response.status_code != 201 or (REPLAYED_HEADER in response.headers) != is_replay:
            raise SystemExit(f"answered {response.status_code} {response.text}; nothing was measured")
    return meter.stop(POSTS_PER_TURN)
