"""Clients that speak HTTP, as programs of ours and of others do: terminals, stations, forms, agencies, people at the
API, assistants, and whoever decides that a message is to go out."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

import httpx2
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from service.core.access.identity import hash_password, hash_token
from service.core.outbox import queue
from service.core.outbox.records import OutboxMessage
from service.entries.models import Nursery, Parent
from tests import factories, pictures
from tests.load.crowd import Away, Caller, Client, Scene, checked
from tests.load.reservation_world import World

LENT = {"0-4": "1.貸出中", "1-1": "山田太郎", "1-7": "2026-07-01", "1-4": "有り"}
COLLECTED = {"0-4": "2.回収後社内保管", "2-1": "2026-08-01"}
STORED = {"0-4": "3.社内にて保管中", "3-0": "3.貸出可能", "3-3-1": "倉庫A-1"}


class Terminal(Caller):
    """Sends its next heartbeat once the last one was answered, without the agent's pauses. A write is its number."""

    kind = "terminals"
    pause = 0.2

    def __init__(self, scene: Scene, terminal_id: int, token: str) -> None:
        super().__init__(scene.http(token))
        self.terminal_id, self.stream = terminal_id, str(uuid.uuid4())
        self._numbers = itertools.count(1)

    def next(self) -> int:
        return next(self._numbers)

    def send(self, write: int) -> None:
        checked(self._http.post("/api/fleet/heartbeats", json=heartbeat(write, self.stream)))


def heartbeat(sequence: int, stream: str) -> dict[str, Any]:
    return {
        **{"cpu_usage": 10, "memory_usage": 20, "disk_usage": 30, "firmware_version": "1.0.0"},
        **{"agent_version": "0.1.0", "terminal_connected": True, "error": None},
        **{"sent_at": datetime.now(UTC).isoformat(), "stream_id": stream, "sequence": sequence},
    }


def terminals(scene: Scene, name: str, count: int, pause: float = Terminal.pause) -> list[Terminal]:
    """Their serial numbers begin with the name."""
    with scene.db() as db:
        customer = factories.customer(db)
        given = [give_token(db, factories.terminal(db, customer, f"{name}-{number}").id) for number in range(count)]
    made = [Terminal(scene, terminal_id, token) for terminal_id, token in given]
    for one in made:
        one.pause = pause
    return made


def give_token(db: Session, terminal_id: int) -> tuple[int, str]:
    """The terminal, and the token that it has from now on."""
    token = f"token-{uuid.uuid4()}"
    insert = text("INSERT INTO fleet_terminal_tokens (token_hash, terminal_id) VALUES (:hash, :id)")
    db.execute(insert, {"hash": hash_token(token), "id": terminal_id})
    return terminal_id, token


class Station(Caller):
    """A nursery's door: each scan waits in the queue until the service has said what became of it, and more come
    meanwhile. A write is the queue as it stands, a list of scans."""

    kind = "stations"

    def __init__(self, scene: Scene, code: str, password: str, parents: Sequence[int]) -> None:
        session = station_session(scene, code, password)
        super().__init__(scene.http(session["token"]))
        self.nursery_id: int = session["nurseryId"]
        # In and out in turns, one parent after the other: nobody twice the same way within ten seconds.
        self._turns = ((parent, way) for way in itertools.cycle(("Entry", "Exit")) for parent in parents)
        self._queue: list[dict[str, Any]] = []

    def next(self) -> list[dict[str, Any]]:
        self._queue = []
        self._scan()
        return self._queue

    def send(self, write: list[dict[str, Any]]) -> None:
        try:
            sent = [scan | {"sentAt": datetime.now(UTC).isoformat()} for scan in write[:100]]
            if len(sent) == 1:
                checked(self._http.post("/api/entry-exit-logs", json=sent[0]))
            else:
                results = checked(self._http.post("/api/entries/station/logs", json={"scans": sent})).json()["results"]
                assert {one["status"] for one in results} <= {200, 201}, results
        except (Away, httpx2.TransportError):
            # Nobody at the door waits for a network.
            if not self.stopping.is_set() and len(write) < 100:
                self._scan()
            raise

    def _scan(self) -> None:
        parent, way = next(self._turns)
        name, now = str(uuid.uuid4()), datetime.now(UTC).isoformat()
        self._queue.append({"parentId": parent, "entryType": way, "clientEventId": name, "scannedAt": now})


def nursery(db: Session, name: str, code: str, password: str, parents: int) -> list[int]:
    """Its parents."""
    made = Nursery(name=name, code=code, station_password_hash=hash_password(password))
    db.add(made)
    db.flush()
    listed = [Parent(nursery_id=made.id, name=f"送迎 {number}") for number in range(parents)]
    db.add_all(listed)
    db.flush()
    return [parent.id for parent in listed]


def station_session(scene: Scene, code: str, password: str) -> dict[str, Any]:
    """What the service answers to a nursery's login."""
    with scene.http() as http:
        known = {"nurseryCode": code, "password": password}
        session: dict[str, Any] = checked(http.post("/api/auth/entry-exit-login", json=known)).json()
    return session


class StatusForms(Caller):
    """Tells of devices in turn that they are lent, fetched and stored. A write is what the form's page sends."""

    kind = "loaner forms"

    def __init__(self, http: httpx2.Client, numbers: Sequence[str]) -> None:
        super().__init__(http)
        self._turns = ((one, told) for told in itertools.cycle((LENT, COLLECTED, STORED)) for one in numbers)
        self._turn_now = next(self._turns)

    def next(self) -> dict[str, Any]:
        number, told = self._turn_now
        form = checked(self._http.get(f"/api/loaners/devices/{number}/status-form")).json()
        name = str(uuid.uuid4())
        answers = told | ({"1-6": f"貸出先 {name}"} if told is LENT else {})
        self._turn_now = next(self._turns)
        body = {"form": form["form"], "based_on": form["based_on"], "client_id": name, "answers": answers}
        return {"number": number, "body": body}

    def send(self, write: dict[str, Any]) -> None:
        checked(self._http.post(f"/api/loaners/devices/{write['number']}/status", json=write["body"]))


class Seller(Caller):
    """Sends a statement and then the request that it is for. A write is the request, and the name of the upload."""

    kind = "agency requests"

    def __init__(self, http: httpx2.Client, corporation_id: int) -> None:
        super().__init__(http)
        self._corporation_id = corporation_id

    def next(self) -> dict[str, Any]:
        name = str(uuid.uuid4())
        body = {"client_id": name, "corporation_id": self._corporation_id, "remarks": f"依頼 {name}"}
        return {"upload": str(uuid.uuid4()), "file": None, "body": body}

    def send(self, write: dict[str, Any]) -> None:
        if write["file"] is None:
            asked = {"purpose": "agencies.statement", "name": "明細.jpg"}
            key = {"Idempotency-Key": write["upload"]}
            stored = self._http.put("/api/core/files", params=asked, headers=key, content=pictures.picture())
            write["file"] = checked(stored).json()["id"]
        checked(self._http.post("/api/agencies/requests", json=write["body"] | {"images": [write["file"]]}))


class Desk(Caller):
    """Registers a parent, whose name may occur twice, and then writes down an address. A write has a `key` for the
    first, and for the second what to look for."""

    kind = "people at the API"
    PATH: ClassVar[str] = "/api/entries/parents"

    def __init__(self, http: httpx2.Client, nursery_id: int) -> None:
        super().__init__(http)
        self._nursery_id = nursery_id

    def next(self) -> dict[str, Any]:
        name = uuid.uuid4().hex
        return {"name": f"保護者 {name}", "key": str(uuid.uuid4()), "mail": f"{name}@example.com", "id": None}

    def send(self, write: dict[str, Any]) -> None:
        if write["id"] is None:
            new = {"nursery_id": self._nursery_id, "name": write["name"]}
            made = self._http.post(self.PATH, json=new, headers={"Idempotency-Key": write["key"]})
            write["id"] = checked(made).json()["id"]
        path = f"{self.PATH}/{write['id']}"
        known = checked(self._http.get(path)).json()
        # Whoever had no answer looks before the change is made once more.
        if known["mail"] != write["mail"]:
            checked(self._http.patch(path, json={"version": known["version"], "mail": write["mail"]}))


class Assistant(Client):
    """Asks for reservations by MCP, and in between what became of them. A write is a wish; None was only a look."""

    kind = "assistants by MCP"
    pause = 1.0

    def __init__(self, world: World, first: int, most: int) -> None:
        """Customers from number `first` on, `most` of them; one in three turns."""
        super().__init__()
        self._world = world
        self._numbers = iter(range(first, first + most))
        self._turns = itertools.count()

    def next(self) -> dict[str, str]:
        number = None if next(self._turns) % 3 else next(self._numbers, None)
        return {} if number is None else self._world.wish(number)

    def send(self, write: dict[str, str]) -> None:
        try:
            if write:
                self._world.codes.append(asyncio.run(self._world.request(write)))
            else:
                asyncio.run(self._world.call("search_services", {}))
        except Exception as error:  # whatever it is that a client makes of a service that is away
            raise Away(type(error).__name__) from error


class Decisions(Client):
    """Writes down that a mail and a post are to go out, both or neither. A write is their text."""

    kind = "messages written"

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self._scene = scene
        self.mark = f"mark{uuid.uuid4().hex[:12]}"
        self._numbers = itertools.count(1)

    def next(self) -> str:
        return f"{self.mark} {next(self._numbers)}."

    def send(self, write: str) -> None:
        mail = {"to": ["support@techcore.example"], "subject": write, "body": "本文です。"}
        post = {"channel": "#fleet-alerts", "text": write}
        same: dict[str, Any] = {"area": "fleet", "title": write}
        try:
            with self._scene.db() as db:
                if db.scalars(select(OutboxMessage.id).where(OutboxMessage.title == write)).first() is None:
                    queue.publish(db, "mail", mail, recipient="support@techcore.example", **same)
                    queue.publish(db, "slack", post, recipient="#fleet-alerts", **same)
        except DBAPIError as error:
            raise Away(type(error).__name__) from error
