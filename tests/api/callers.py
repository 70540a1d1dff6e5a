"""The callers of a running service: one user in each role of each area, and each machine."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
import schemathesis
from schemathesis.core.result import Ok

from service.agencies.models import Agency
from service.core.access.identity import hash_token, new_token, open_session
from service.core.areas import AREAS, areas
from service.core.settings import settings
from service.entries.models import Nursery
from service.fleet.models import TerminalToken
from tests import factories, people
from tests.conftest import Service

ADMIN = "admin"
CODE = "FUZZ01"
# Routes that take the token of a machine: a terminal, a station, or our own programs.
TERMINALS = ("/api/fleet/heartbeats", "/api/fleet/agent/")
STATIONS = ("/api/entries/station/", "/api/auth/heartbeat")
PROGRAMS = ("POST /api/core/backups", "POST /api/core/probes")


@dataclass(frozen=True)
class Caller:
    """A caller with a token; `permissions` are those of a user."""

    name: str
    token: str
    area: str = ""
    permissions: frozenset[str] = frozenset()

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


Operation = schemathesis.APIOperation[Any, Any, Any, Any]


def openapi_operations(document: dict[str, Any]) -> list[Operation]:
    operations = []
    for result in schemathesis.openapi.from_dict(document).get_all_operations():
        assert isinstance(result, Ok), result.err()
        operations.append(result.ok())
    return operations


def permission(operation: Operation) -> str | None:
    value: str | None = operation.definition.raw.get("x-permission")
    return value


def area(operation: Operation) -> str | None:
    """The area of a route; None for core. Paths that the customers' documents prescribe do not name the area; their
    permission does."""
    names = {(permission(operation) or "").partition(":")[0], *operation.path.split("/")[2:3]}
    return next((name for name in AREAS if name in names), None)


class Callers:
    """`administrators` by area, and `others`: one user for each other role, bound to a tenant that exists."""

    def __init__(self, service: Service) -> None:
        self._service = service
        _raise_id_sequences(service)
        with service.committed() as db:
            self._nursery = Nursery(name="さくら保育園", code=CODE, station_password_hash=people.cheap_password_hash())
            agency = Agency(name="株式会社AAA代理店", code=CODE)
            db.add_all([self._nursery, agency])
            db.flush()
            tenants = {"agency": agency.id, "nursery": self._nursery.id}
            callers = []
            for area_name in AREAS:
                for role_name, role in areas()[area_name].roles.items():
                    name = f"{area_name}-{role_name}"
                    tenant = tenants[role.scope] if role.scope else None
                    user = people.create_user(db, f"fuzz-{name}", tenant, **{area_name: role_name})
                    token, _ = open_session(db, user, "testclient", timedelta(hours=1))
                    callers.append(Caller(name, token, area_name, role.permissions))
        self.administrators = {caller.area: caller for caller in callers if caller.name.endswith(f"-{ADMIN}")}
        self.others = [caller for caller in callers if caller not in self.administrators.values()]

    def for_operation(self, operation: Operation) -> list[Caller]:
        """The callers whose route it is, the administrator first; a machine where the route takes its token."""
        if operation.path.startswith(TERMINALS):
            return [self._terminal()]
        if operation.path.startswith(STATIONS) or operation.label == "POST /api/entry-exit-logs":
            return [self._station()]
        if operation.label in PROGRAMS:
            return [Caller("programs", settings().watchdog_token.get_secret_value())]
        own_area = area(operation)
        return [
            self.administrators[own_area or AREAS[0]],
            *(caller for caller in self.others if own_area in (None, caller.area)),
        ]

    def _terminal(self) -> Caller:
        """A new terminal each time: another test may revoke the token of an existing one."""
        token = new_token()
        with self._service.committed() as db:
            db.add(TerminalToken(token_hash=hash_token(token), terminal_id=factories.terminal(db).id))
        return Caller("terminal", token)

    def _station(self) -> Caller:
        """A new session each time, as in `_terminal`: a station may sign itself out."""
        with self._service.http() as http:
            answer = http.post("/api/auth/entry-exit-login", json={"nurseryCode": CODE, "password": people.PASSWORD})
        return Caller("station", answer.json()["token"])


def _raise_id_sequences(service: Service) -> None:
    """Generated ids are small or round numbers. An administrator that generates the id of a caller or of its tenant
    may deactivate it, and every later request of that caller would be a 401."""
    with psycopg.connect(service.owner_url, autocommit=True) as owner:
        for table in ("users", "agencies_agencies", "entries_nurseries"):
            start = 10**12 + secrets.randbelow(10**12)
            owner.execute(f"ALTER TABLE {table} ALTER COLUMN id RESTART WITH {start}")
