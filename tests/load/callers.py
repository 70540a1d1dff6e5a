"""Load clients that use HTTP as real programs do: terminals, stations, forms, agencies, users of the API, assistants,
and the publisher of outbox messages."""

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
from tests.load.load_clients import Client, HttpClient, RunningProduct, Unavailable, check_response
from tests.load.reservation_scenario import Scenario

LENT = {"0-4": "1.貸出中", "1-1": "山田太郎", "1-7": "2026-07-01", "1-4": "有り"}
COLLECTED = {"0-4": "2.回収後社内保管", "2-1": "2026-08-01"}
STORED = {"0-4": "3.社内にて保管中", "3-0": "3.貸出可能", "3-3-1": "倉庫A-1"}


class Terminal(HttpClient):
    """Sends the next heartbeat after each answer, without the agent's pauses. A write is its sequence number."""

    kind = "terminals"
    pause = 0.2

    def __init__(self, product: RunningProduct, terminal_id: int, token: str) -> None:
        super().__init__(product.http(token))
        self.terminal_id, self.stream = terminal_id, str(uuid.uuid4())
        self._numbers = itertools.count(1)

    def next(self) -> int:
        return next(self._numbers)

    def send(self, write: int) -> None:
        check_response(self._http.post("/api/fleet/heartbeats", json=heartbeat(write, self.stream)))


def heartbeat(sequence: int, stream: str) -> dict[str, Any]:
    return {
        **{"cpu_usage": 10, "memory_usage": 20, "disk_usage": 30, "firmware_version": "1.0.0"},
        **{"agent_version": "0.1.0", "terminal_connected": True, "error": None},
        **{"sent_at": datetime.now(UTC).isoformat(), "stream_id": stream, "sequence": sequence},
    }


def create_terminals(product: RunningProduct, name: str, count: int, pause: float = Terminal.pause) -> list[Terminal]:
    """Creates terminals whose serial numbers begin with the name."""
    with product.db() as db:
        customer = factories.customer(db)
        tokens = [issue_token(db, factories.terminal(db, customer, f"{name}-{number}").id) for number in range(count)]
    clients = [Terminal(product, terminal_id, token) for terminal_id, token in tokens]
    for client in clients:
        client.pause = pause
    return clients


def issue_token(db: Session, terminal_id: int) -> tuple[int, str]:
    """Gives the terminal a new token and returns both."""
    token = f"token-{uuid.uuid4()}"
    insert = text("INSERT INTO fleet_terminal_tokens (token_hash, terminal_id) VALUES (:hash, :id)")
    db.execute(insert, {"hash": hash_token(token), "id": terminal_id})
    return terminal_id, token


class Station(HttpClient):
    """A nursery's station: each scan waits in the queue until the service has answered it, while new scans come. A
    write is the current queue, a list of scans."""

    kind = "stations"

    def __init__(self, product: RunningProduct, code: str, password: str, parents: Sequence[int]) -> None:
        session = station_session(product, code, password)
        super().__init__(product.http(session["token"]))
        self.nursery_id: int = session["nurseryId"]
        # Entry and exit in turns, one parent after the other, so that no parent repeats a scan within ten seconds.
        self._turns = ((parent, way) for way in itertools.cycle(("Entry", "Exit")) for parent in parents)
        self._queue: list[dict[str, Any]] = []

    def next(self) -> list[dict[str, Any]]:
        self._queue = []
        self._scan()
        return self._queue

    def send(self, write: list[dict[str, Any]]) -> None:
        try:
            scans = [scan | {"sentAt": datetime.now(UTC).isoformat()} for scan in write[:100]]
            if len(scans) == 1:
                check_response(self._http.post("/api/entry-exit-logs", json=scans[0]))
            else:
                results = check_response(self._http.post("/api/entries/station/logs", json={"scans": scans})).json()[
                    "results"
                ]
                assert {result["status"] for result in results} <= {200, 201}, results
        except (Unavailable, httpx2.TransportError):
            # Parents scan without waiting for the network.
            if not self.stopping.is_set() and len(write) < 100:
                self._scan()
            raise

    def _scan(self) -> None:
        parent, entry_type = next(self._turns)
        event_id, now = str(uuid.uuid4()), datetime.now(UTC).isoformat()
        self._queue.append({"parentId": parent, "entryType": entry_type, "clientEventId": event_id, "scannedAt": now})


def create_nursery(db: Session, name: str, code: str, password: str, parents: int) -> list[int]:
    """Creates a nursery and returns the ids of its parents."""
    created = Nursery(name=name, code=code, station_password_hash=hash_password(password))
    db.add(created)
    db.flush()
    created_parents = [Parent(nursery_id=created.id, name=f"送迎 {number}") for number in range(parents)]
    db.add_all(created_parents)
    db.flush()
    return [parent.id for parent in created_parents]


def station_session(product: RunningProduct, code: str, password: str) -> dict[str, Any]:
    """Logs a nursery's station in and returns the service's answer."""
    with product.http() as http:
        credentials = {"nurseryCode": code, "password": password}
        session: dict[str, Any] = check_response(http.post("/api/auth/entry-exit-login", json=credentials)).json()
    return session


class StatusForms(HttpClient):
    """Reports devices in turn as lent, collected and stored. A write is the body that the form's page sends."""

    kind = "loaner forms"

    def __init__(self, http: httpx2.Client, numbers: Sequence[str]) -> None:
        super().__init__(http)
        self._turns = (
            (number, answers) for answers in itertools.cycle((LENT, COLLECTED, STORED)) for number in numbers
        )
        self._current_turn = next(self._turns)

    def next(self) -> dict[str, Any]:
        number, new_answers = self._current_turn
        form = check_response(self._http.get(f"/api/loaners/devices/{number}/status-form")).json()
        client_id = str(uuid.uuid4())
        answers = new_answers | ({"1-6": f"貸出先 {client_id}"} if new_answers is LENT else {})
        self._current_turn = next(self._turns)
        body = {"form": form["form"], "based_on": form["based_on"], "client_id": client_id, "answers": answers}
        return {"number": number, "body": body}

    def send(self, write: dict[str, Any]) -> None:
        check_response(self._http.post(f"/api/loaners/devices/{write['number']}/status", json=write["body"]))


class Seller(HttpClient):
    """Uploads a statement and then sends its request. A write is the request, with the key of the upload."""

    kind = "agency requests"

    def __init__(self, http: httpx2.Client, corporation_id: int) -> None:
        super().__init__(http)
        self._corporation_id = corporation_id

    def next(self) -> dict[str, Any]:
        client_id = str(uuid.uuid4())
        body = {"client_id": client_id, "corporation_id": self._corporation_id, "remarks": f"依頼 {client_id}"}
        return {"upload": str(uuid.uuid4()), "file": None, "body": body}

    def send(self, write: dict[str, Any]) -> None:
        if write["file"] is None:
            parameters = {"purpose": "agencies.statement", "name": "明細.jpg"}
            key = {"Idempotency-Key": write["upload"]}
            stored = self._http.put("/api/core/files", params=parameters, headers=key, content=pictures.picture())
            write["file"] = check_response(stored).json()["id"]
        check_response(self._http.post("/api/agencies/requests", json=write["body"] | {"images": [write["file"]]}))


class ApiUser(HttpClient):
    """Registers a parent, whose name need not be unique, and then edits the mail address. A write has the idempotency
    `key` of the registration, and the address to check before the edit."""

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
            body = {"nursery_id": self._nursery_id, "name": write["name"]}
            response = self._http.post(self.PATH, json=body, headers={"Idempotency-Key": write["key"]})
            write["id"] = check_response(response).json()["id"]
        path = f"{self.PATH}/{write['id']}"
        parent = check_response(self._http.get(path)).json()
        # After a missing answer the client reads the parent before it edits again.
        if parent["mail"] != write["mail"]:
            check_response(self._http.patch(path, json={"version": parent["version"], "mail": write["mail"]}))


class Assistant(Client):
    """Requests reservations by MCP, and in between lists the services. A write is a request; {} is only the list."""

    kind = "assistants by MCP"
    pause = 1.0

    def __init__(self, scenario: Scenario, first: int, max_customers: int) -> None:
        """Customers from number `first` on, at most `most` of them; one request in every three turns."""
        super().__init__()
        self._scenario = scenario
        self._numbers = iter(range(first, first + max_customers))
        self._turns = itertools.count()

    def next(self) -> dict[str, str]:
        number = None if next(self._turns) % 3 else next(self._numbers, None)
        return {} if number is None else self._scenario.request_arguments(number)

    def send(self, write: dict[str, str]) -> None:
        try:
            if write:
                self._scenario.codes.append(asyncio.run(self._scenario.request(write)))
            else:
                asyncio.run(self._scenario.call("search_services", {}))
        except Exception as error:  # an MCP client raises many types of error for an unavailable service
            raise Unavailable(type(error).__name__) from error


class MessagePublisher(Client):
    """Publishes a mail and a post in one transaction, so both are sent or neither. A write is their text."""

    kind = "messages written"

    def __init__(self, product: RunningProduct) -> None:
        super().__init__()
        self._product = product
        self.mark = f"mark{uuid.uuid4().hex[:12]}"
        self._numbers = itertools.count(1)

    def next(self) -> str:
        return f"{self.mark} {next(self._numbers)}."

    def send(self, write: str) -> None:
        mail = {"to": ["support@techcore.example"], "subject": write, "body": "本文です。"}
        post = {"channel": "#fleet-alerts", "text": write}
        common: dict[str, Any] = {"area": "fleet", "title": write}
        try:
            with self._product.db() as db:
                if db.scalars(select(OutboxMessage.id).where(OutboxMessage.title == write)).first() is None:
                    queue.publish(db, "mail", mail, recipient="support@techcore.example", **common)
                    queue.publish(db, "slack", post, recipient="#fleet-alerts", **common)
        except DBAPIError as error:
            raise Unavailable(type(error).__name__) from error
