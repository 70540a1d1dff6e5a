"""Who asks at the doors of a running service: somebody in each role of each area, and each machine."""

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
# Doors whose key is a machine's token: a terminal's, a station's, our own programs'.
TERMINALS = ("/api/fleet/heartbeats", "/api/fleet/agent/")
STATIONS = ("/api/entries/station/", "/api/auth/heartbeat")
PROGRAMS = ("POST /api/core/backups", "POST /api/core/probes")


@dataclass(frozen=True)
class Caller:
    """Who asks with a token; `held` are a person's permissions."""

    name: str
    token: str
    area: str = ""
    held: frozenset[str] = frozenset()

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


Operation = schemathesis.APIOperation[Any, Any, Any, Any]


def drawn(document: dict[str, Any]) -> list[Operation]:
    found = []
    for one in schemathesis.openapi.from_dict(document).get_all_operations():
        assert isinstance(one, Ok), one.err()
        found.append(one.ok())
    return found


def permission(operation: Operation) -> str | None:
    found: str | None = operation.definition.raw.get("x-permission")
    return found


def area(operation: Operation) -> str | None:
    """Whose door it is; None for the floor's. The documents' own paths have no area in them, their permissions do."""
    named = {(permission(operation) or "").partition(":")[0], *operation.path.split("/")[2:3]}
    return next((one for one in AREAS if one in named), None)


class Everybody:
    """`administrators` by area, and `others`: one person for each other role, bound to a tenant that exists."""

    def __init__(self, service: Service) -> None:
        self._service = service
        _out_of_chances_way(service)
        with service.committed() as db:
            self._nursery = Nursery(name="さくら保育園", code=CODE, station_password_hash=people.cheaply_hashed())
            agency = Agency(name="株式会社AAA代理店", code=CODE)
            db.add_all([self._nursery, agency])
            db.flush()
            tenants = {"agency": agency.id, "nursery": self._nursery.id}
            found = []
            for area_name in AREAS:
                for role_name, role in areas()[area_name].roles.items():
                    name = f"{area_name}-{role_name}"
                    tenant = tenants[role.scope] if role.scope else None
                    person = people.person(db, f"fuzz-{name}", tenant, **{area_name: role_name})
                    token, _ = open_session(db, person, "testclient", timedelta(hours=1))
                    found.append(Caller(name, token, area_name, role.permissions))
        self.administrators = {one.area: one for one in found if one.name.endswith(f"-{ADMIN}")}
        self.others = [one for one in found if one not in self.administrators.values()]

    def at(self, operation: Operation) -> list[Caller]:
        """Who is at home at this door, the administrator first; a machine where it is one's."""
        if operation.path.startswith(TERMINALS):
            return [self._terminal()]
        if operation.path.startswith(STATIONS) or operation.label == "POST /api/entry-exit-logs":
            return [self._station()]
        if operation.label in PROGRAMS:
            return [Caller("programs", settings().watchdog_token.get_secret_value())]
        own = area(operation)
        return [self.administrators[own or AREAS[0]], *(one for one in self.others if own in (None, one.area))]

    def _terminal(self) -> Caller:
        """Of its own each time: whatever else is tried may end another one's."""
        token = new_token()
        with self._service.committed() as db:
            db.add(TerminalToken(token_hash=hash_token(token), terminal_id=factories.terminal(db).id))
        return Caller("terminal", token)

    def _station(self) -> Caller:
        """As `_terminal`: it may log itself out."""
        with self._service.http() as http:
            answer = http.post("/api/auth/entry-exit-login", json={"nurseryCode": CODE, "password": people.PASSWORD})
        return Caller("station", answer.json()["token"])


def _out_of_chances_way(service: Service) -> None:
    """What is drawn are small numbers and round ones. An administrator who draws a person's or a tenant's may well
    deactivate it, and whoever asks next would be a stranger."""
    with psycopg.connect(service.owner_url, autocommit=True) as owner:
        for table in ("users", "agencies_agencies", "entries_nurseries"):
            start = 10**12 + secrets.randbelow(10**12)
            owner.execute(f"ALTER TABLE {table} ALTER COLUMN id RESTART WITH {start}")
