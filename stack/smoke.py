"""`make smoke`: after a deployment, through the door that people use. Reads only: nothing is made, nothing is changed.

Without an account it sees that every door is there and closed; SMOKE_LOGIN_ID and SMOKE_PASSWORD, of a person who may
read little, let it look into each area that this person has.
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

# One list of each area, which its people may read.
READS = {
    "fleet": "/api/fleet/terminals?limit=1",
    "entries": "/api/entries/nurseries?limit=1",
    "loaners": "/api/loaners/sites?limit=1",
    "agencies": "/api/agencies/corporations?limit=1",
    "reservations": "/api/reservations/shops?limit=1",
}
# Doors that need no account, and what each shows: the dashboards' and the service's.
PAGES = {"/login": "ログイン", "/_stcore/health": "ok"}
PUBLIC = {
    "/entry-exit-login": "保育園コード",
    "/parent-card": "入退管理",
    "/guides/": "ご利用ガイド",
    "/contact": "お問い合わせ",
}
TIMEOUT_SECONDS = 15
Check = Callable[[], object]


class Wrong(Exception):
    """What was found instead, in words."""


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
        """GET, or POST of a body. Raises Wrong when nothing answers."""
        headers = {"Accept": "application/json, text/html"} | ({"Authorization": f"Bearer {token}"} if token else {})
        data = None if body is None else json.dumps(body).encode()
        if data:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(f"{self.url}{path}", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                return Answer(answer.status, answer.read().decode(errors="replace"))
        except urllib.error.HTTPError as refused:
            return Answer(refused.code, refused.read().decode(errors="replace"))
        except (OSError, HTTPException) as why:
            raise Wrong(f"does not answer: {why}") from None

    def expect(self, path: str, status: int, **how: Any) -> Answer:
        found = self.ask(path, **how)
        if found.status != status:
            raise Wrong(f"{found.status} instead of {status}: {found.text[:200]}")
        return found


def is_ok(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, HTTPException):
        return False


def smoke(url: str | None) -> int:
    """0 when all is well; each check is a line."""
    environ = environment(home())
    site = Site((url or environ["PUBLIC_BASE_URL"]).rstrip("/"))
    # `make up` without a proxy: the dashboards' door is not the service's.
    apart = not url and site.url == f"http://127.0.0.1:{environ['DASHBOARDS_PORT']}"
    service = Site(environ["SERVICE_URL"].rstrip("/")) if apart else site
    checks = {**_anonymous(site, service, environ), **_signed_in(service, environ)}
    failed = 0
    for name, check in checks.items():
        try:
            check()
            print(f"  ok      {name}", flush=True)
        except (Wrong, ValueError, KeyError) as why:
            failed += 1
            print(f"  FAILED  {name}: {' '.join(str(why).split())}", flush=True)
    where = f"{site.url} and {service.url}" if apart else site.url
    print(f"{where}: {len(checks) - failed} of {len(checks)} checks are well.")
    return 1 if failed else 0


def _anonymous(site: Site, service: Site, environ: Mapping[str, str]) -> dict[str, Check]:
    """`site` is where people come, `service` where agents, stations and assistants do: one address behind a proxy."""
    checks: dict[str, Check] = {
        "the service is alive": lambda: service.expect("/api/health/live", 200),
        "database, migrations, queue and jobs are ready": lambda: _ready(service),
        "it is the version of this folder": lambda: _version(service),
        "an unknown token is refused": lambda: service.expect("/api/auth/me", 401, token="smoke"),
        "a terminal without a token is refused": lambda: service.expect("/api/fleet/heartbeats", 401, body={}),
        "assistants need a token (MCP)": lambda: service.expect("/mcp", 401, body={}),
    }
    if environ["GENBA_MODE"] != "demo":
        demo = {"login_id": "admin", "password": "genba-demo"}
        if site is service:  # The proxy closes it; without one only this machine gets there.
            checks["figures of machines are closed to others"] = lambda: site.expect("/metrics", 404)
        checks["no demo account is there"] = lambda: service.expect("/api/auth/login", 401, body=demo)
    checks |= {f"page {path}": partial(_shows, site, path, word) for path, word in PAGES.items()}
    checks |= {f"page {path}": partial(_shows, service, path, word) for path, word in PUBLIC.items()}
    return checks | {f"{area} is there and closed": partial(service.expect, path, 401) for area, path in READS.items()}


def _signed_in(site: Site, environ: Mapping[str, str]) -> dict[str, Check]:
    login_id, password = (environ.get(name, "") for name in ("SMOKE_LOGIN_ID", "SMOKE_PASSWORD"))
    if not login_id:
        return {}

    def look() -> None:
        body = {"login_id": login_id, "password": password}
        answer = site.expect("/api/auth/login", 200, body=body).json()
        token = answer["token"]
        try:
            for area in sorted({role["area"] for role in answer["user"]["areas"]} & READS.keys()):
                if site.ask(READS[area], token=token).status not in (200, 403):
                    raise Wrong(f"{area} does not show its list")
        finally:
            site.ask("/api/auth/logout", token=token, body={})

    return {f"{login_id} signs in, reads and signs out": look}


def _ready(site: Site) -> None:
    parts = site.ask("/api/health/ready").json()["parts"]
    wrong = [f"{name}: {state}" for name, state in parts.items() if state != "ok"]
    if wrong:
        raise Wrong("; ".join(wrong))


def _version(site: Site) -> None:
    theirs = site.expect("/api/openapi.json", 200).json()["info"]["version"]
    if theirs != __version__:
        raise Wrong(f"{theirs} instead of {__version__}")


def _shows(site: Site, path: str, word: str) -> None:
    if word not in site.expect(path, 200).text:
        raise Wrong(f"the page does not say {word!r}")
