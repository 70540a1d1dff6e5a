"""Reads every list and block of the fleet's pages, with the pages' own requests, over 20,000 terminals with a year of
data."""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tests.load.rows import percentile

REPEATS = 20
DEEP_PAGE = 100
# Printed files and exports are long work, with rows of their own.
EXCLUDED = (".pdf", ".csv", ".xlsx", "/agent/")


@dataclass(frozen=True)
class AnswerTime:
    """Milliseconds to the last byte. `request`: the route and its query."""

    request: str
    p50: float
    p95: float
    worst: float


class ApiReader:
    """One keep-alive connection, as a page's session has it."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def __call__(self, path: str, body: object = None, **query: Any) -> Any:
        """Raises SystemExit for any status but 200."""
        target = path + (f"?{urlencode(query)}" if query else "")
        content = json.dumps(body) if body is not None else None
        self._connection.request("POST" if content else "GET", target, content, self._headers)
        response = self._connection.getresponse()
        data = response.read()
        if response.status != 200:
            raise SystemExit(f"{target} answered {response.status} {data[:300]!r}; nothing was measured")
        return json.loads(data)


def measure_answers(port: int, token: str) -> list[AnswerTime]:
    """The slowest first. Raises SystemExit when a route of the fleet is missing."""
    read_api = ApiReader(port, token)
    requests = _requests(read_api)
    _check_routes(read_api, {route for route, _, _ in requests})
    return sorted((_measure(read_api, *request) for request in requests), key=lambda result: -result.p95)


def _measure(read_api: ApiReader, route: str, path: str, query: dict[str, Any]) -> AnswerTime:
    body = query.pop("body", None)
    times = []
    for _ in range(REPEATS):
        started_at = time.perf_counter()
        read_api(path, body, **query)
        times.append((time.perf_counter() - started_at) * 1000)
    shown_query = {name: "…" if name == "cursor" else value for name, value in query.items()}
    return AnswerTime(
        " ".join([route, *(f"{name}={value}" for name, value in shown_query.items())]),
        percentile(times, 50),
        percentile(times, 95),
        max(times),
    )


def _requests(read_api: ApiReader) -> list[tuple[str, str, dict[str, Any]]]:
    """Route, path and query: lists in their default order, in other orders, searched, filtered, and on their hundredth
    page."""
    base = "/api/fleet"
    terminal = read_api(f"{base}/terminals", q="LOAD-0000000")["items"][0]
    keys = {
        "terminal_id": terminal["id"],
        "customer_id": terminal["customer_id"],
        "incident_id": read_api(f"{base}/incidents")["items"][0]["id"],
        "maintenance_id": read_api(f"{base}/maintenances")["items"][0]["id"],
        "rollout_id": read_api(f"{base}/rollouts")["items"][0]["id"],
        "report_id": read_api(f"{base}/reports/monthly")["items"][0]["id"],
    }
    firmware = read_api(f"{base}/firmwares")["items"][0]["id"]
    month = read_api(f"{base}/reports/monthly/overview")["month"]
    all_targets: dict[str, list[str]] = {"customer_ids": [], "tags": [], "versions": []}

    def deep(path: str, **query: Any) -> dict[str, Any]:
        for _ in range(DEEP_PAGE):
            cursor = read_api(f"{base}{path}", limit=100, **query)["next_cursor"]
            if cursor is None:
                break
            query["cursor"] = cursor
        return query

    queries_by_route: dict[str, list[dict[str, Any]]] = {
        "/summary": [{}],
        "/terminals": [
            {},
            {"sort": "-last_heartbeat_at"},
            {"sort": "customer_name"},
            {"sort": "-firmware_version"},
            {"sort": "installed_date", "limit": 100},
            {"q": "店"},
            {"q": "レジ3番", "sort": "store_name"},
            {"q": "ありません"},
            {"tag": "直営", "sort": "store_name"},
            {"firmware_version": "20.1.0"},
            {"status": "online"},
            {"archived": "true"},
            {"customer_id": keys["customer_id"]},
            deep("/terminals", sort="customer_name"),
        ],
        "/terminals/choices": [{}],
        "/terminals/{terminal_id}": [{}],
        "/terminals/{terminal_id}/metrics": [{"hours": hours} for hours in (24, 168, 720, 8760)],
        "/terminals/{terminal_id}/timeline": [{}, {"limit": 100}, deep(f"/terminals/{terminal['id']}/timeline")],
        "/terminals/{terminal_id}/hours": [{}],
        "/terminals/{terminal_id}/photos": [{}],
        "/terminals/{terminal_id}/token": [{}],
        "/terminals/{terminal_id}/commands": [{}],
        "/terminals/{terminal_id}/devices": [{}],
        "/customers/choices": [{}],
        "/customers": [
            {},
            {"sort": "-trouble"},
            {"sort": "-terminals"},
            {"q": "客4"},
            {"sort": "created_at"},
            deep("/customers", sort="-trouble"),
        ],
        "/customers/{customer_id}": [{}],
        "/customers/{customer_id}/hours": [{}],
        "/alerts": [{}, {"state": "all"}, deep("/alerts", state="all")],
        "/incidents": [
            {},
            {"limit": 100},
            {"sort": "-opened_at"},
            {"sort": "-impact"},
            {"q": "店"},
            {"state": "all", "sort": "-impact"},
            {"state": "resolved"},
            {"state": "resolved", "sort": "-resolved_at"},
            {"state": "resolved", "sort": "opened_at", "limit": 100},
            {"state": "resolved", "q": "店1"},
            {"state": "resolved", "customer_id": keys["customer_id"]},
            {"state": "resolved", "terminal_id": keys["terminal_id"]},
            {"state": "resolved", "alert_type": "error"},
            deep("/incidents", state="resolved", sort="-resolved_at"),
        ],
        "/incidents/counts": [{}],
        "/incidents/responders": [{}],
        "/incidents/{incident_id}": [{}],
        "/maintenances": [
            {},
            {"phase": "now"},
            {"phase": "next"},
            {"phase": "past", "sort": "-ends_at"},
            {"terminal_id": keys["terminal_id"]},
            {"customer_id": keys["customer_id"]},
            deep("/maintenances"),
        ],
        "/maintenances/{maintenance_id}": [{}],
        "/enrolment-codes": [{}],
        "/firmwares": [{}],
        "/rollouts": [{}, {"state": "finished"}],
        "/rollouts/overview": [{}],
        "/rollouts/choices": [{}],
        "/rollouts/{rollout_id}": [{}],
        "/rollouts/{rollout_id}/tasks": [{}, {"state": "failed"}, deep(f"/rollouts/{keys['rollout_id']}/tasks")],
        "/rollouts/preview": [{"body": {"firmware_id": firmware, "targets": all_targets, "waves": [5, 25, 100]}}],
        "/reports/monthly": [
            {},
            {"month": month},
            {"month": month, "sort": "uptime", "q": "客4"},
            {"sort": "-month"},
            {"state": "draft"},
            deep("/reports/monthly", sort="uptime"),
        ],
        "/reports/monthly/overview": [{}, {"month": month}],
        "/reports/monthly/{report_id}": [{}],
    }
    return [
        (route, base + route.format(**keys), query) for route, queries in queries_by_route.items() for query in queries
    ]


def _check_routes(read_api: ApiReader, measured: set[str]) -> None:
    documented = read_api("/api/openapi.json")["paths"]
    routes = {
        path.removeprefix("/api/fleet")
        for path, methods in documented.items()
        if path.startswith("/api/fleet/") and "get" in methods
    }
    if missing := sorted(route for route in routes - measured if not any(part in route for part in EXCLUDED)):
        raise SystemExit(f"never asked: {', '.join(missing)}")


def table_lines(times: list[AnswerTime], count: int = 15) -> list[str]:
    return [
        f"| answer over 20,000 terminals and a year, the slowest of {len(times)} | p50 ms | p95 ms | worst ms |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {result.request} | {result.p50:.0f} | {result.p95:.0f} | {result.worst:.0f} |"
            for result in times[:count]
        ),
    ]
