"""`make smoke`: a check after a deployment, over the public URLs. It only reads.

Without an account it checks that every route exists and requires a login. With SMOKE_LOGIN_ID and SMOKE_PASSWORD, of a
user with few permissions, it reads one list of each of the user's areas.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from typing import Any

from service import __version__
from stack.home import home
from stack.programs import environment

# One list of each area that its users may read.
READS = {
    "fleet": "/api/fleet/terminals?limit=1",
    "entries": "/api/entries/nurseries?limit=1",
    "loaners": "/api/loaners/sites?limit=1",
    "agencies": "/api/agencies/corporations?limit=1",
    "reservations": "/api/reservations/shops?limit=1",
}
# Public routes and a text that each shows: the dashboards' and the service's.
PAGES = {"/login": "ログイン", "/_stcore/health": "ok"}
PUBLIC = {
    "/entry-exit-login": "保育園コード",
    "/parent-card": "入退管理",
    "/guides/": "ご利用ガイド",
    "/contact": "お問い合わせ",
}
TIMEOUT_SECONDS = 15
Check = Callable[[], object]


class CheckFailed(Exception):
    """The check failed; the message says what was found instead."""


@dataclass
class Answer:
    status: int
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Site:
    url: str

    def ask(self, path: str, *, token: str = "", body: Mapping[str, Any] | None = None) -> Answer:
        """GET, or POST of a body. Raises CheckFailed when there is no answer."""
        headers = {"Accept": "application/json, text/html"} | ({"Authorization": f"Bearer {token}"} if token else {})
        data = None if body is None else json.dumps(body).encode()
        if data:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(f"{self.url}{path}", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
                return Answer(response.status, response.read().decode(errors="replace"))
        except urllib.error.HTTPError as error_response:
            return Answer(error_response.code, error_response.read().decode(errors="replace"))
        except (OSError, HTTPException) as error:
            raise CheckFailed(f"does not answer: {error}") from None

    def expect(self, path: str, status: int, **options: Any) -> Answer:
        answer = self.ask(path, **options)
        if answer.status != status:
            raise CheckFailed(f"{answer.status} instead of {status}: {answer.text[:200]}")
        return answer


def is_ok(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, HTTPException):
        return False


def smoke(url: str | None) -> int:
    """0 when all checks pass; prints a line per check."""
    environ = environment(home())
    site = Site((url or environ["PUBLIC_BASE_URL"]).rstrip("/"))
    # `make up` without a proxy: dashboards and service have different URLs.
    is_separate = not url and site.url == f"http://127.0.0.1:{environ['DASHBOARDS_PORT']}"
    service = Site(environ["SERVICE_URL"].rstrip("/")) if is_separate else site
    checks = {**_checks_without_login(site, service, environ), **_checks_with_login(service, environ)}
    failed = 0
    for name, check in checks.items():
        try:
            check()
            print(f"  ok      {name}", flush=True)
        except (CheckFailed, ValueError, KeyError) as error:
            failed += 1
            print(f"  FAILED  {name}: {' '.join(str(error).split())}", flush=True)
    urls = f"{site.url} and {service.url}" if is_separate else site.url
    print(f"{urls}: {len(checks) - failed} of {len(checks)} checks are well.")
    return 1 if failed else 0


def _checks_without_login(site: Site, service: Site, environ: Mapping[str, str]) -> dict[str, Check]:
    """`site` is the URL for users, `service` that for agents, stations and assistants: the same behind a proxy."""
    checks: dict[str, Check] = {
        "the service is alive": lambda: service.expect("/api/health/live", 200),
        "database, migrations, queue and jobs are ready": lambda: _check_ready(service),
        "it is the version of this folder": lambda: _check_version(service),
        "an unknown token is refused": lambda: service.expect("/api/auth/me", 401, token="smoke"),
        "a terminal without a token is refused": lambda: service.expect("/api/fleet/heartbeats", 401, body={}),
        "assistants need a token (MCP)": lambda: service.expect("/mcp", 401, body={}),
    }
    if environ["GENBA_MODE"] != "demo":
        credentials = {"login_id": "admin", "password": "genba-demo"}
        if site is service:  # The proxy blocks it; without a proxy only this machine reaches it.
            checks["figures of machines are closed to others"] = lambda: site.expect("/metrics", 404)
        checks["no demo account is there"] = lambda: service.expect("/api/auth/login", 401, body=credentials)
    checks |= {f"page {path}": partial(_check_text, site, path, text) for path, text in PAGES.items()}
    checks |= {f"page {path}": partial(_check_text, service, path, text) for path, text in PUBLIC.items()}
    return checks | {f"{area} is there and closed": partial(service.expect, path, 401) for area, path in READS.items()}


def _checks_with_login(site: Site, environ: Mapping[str, str]) -> dict[str, Check]:
    login_id, password = (environ.get(name, "") for name in ("SMOKE_LOGIN_ID", "SMOKE_PASSWORD"))
    if not login_id:
        return {}

    def check_login() -> None:
        body = {"login_id": login_id, "password": password}
        answer = site.expect("/api/auth/login", 200, body=body).json()
        token = answer["token"]
        try:
            for area in sorted({role["area"] for role in answer["user"]["areas"]} & READS.keys()):
                if site.ask(READS[area], token=token).status not in (200, 403):
                    raise CheckFailed(f"{area} does not show its list")
        finally:
            site.ask("/api/auth/logout", token=token, body={})

    return {f"{login_id} signs in, reads and signs out": check_login}


def _check_ready(site: Site) -> None:
    parts = site.ask("/api/health/ready").json()["parts"]
    problems = [f"{name}: {state}" for name, state in parts.items() if state != "ok"]
    if problems:
        raise CheckFailed("; ".join(problems))


def _check_version(site: Site) -> None:
    deployed_version = site.expect("/api/openapi.json", 200).json()["info"]["version"]
    if deployed_version != __version__:
        raise CheckFailed(f"{deployed_version} instead of {__version__}")


def _check_text(site: Site, path: str, text: str) -> None:
    if text not in site.expect(path, 200).text:
        raise CheckFailed(f"the page does not say {text!r}")
