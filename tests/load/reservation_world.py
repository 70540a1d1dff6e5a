"""Customers, shops and vendors of reservations in a whole product: who asks by MCP, who pays, and what came of it."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import time as clock
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.orm import Session

from service.core.clock import app_now
from service.core.db import sqlalchemy_url
from service.core.identity import hash_token
from service.core.times import TOKYO
from service.reservations.assistants.models import Assistant
from service.reservations.flow.models import Reservation
from service.reservations.services.models import Plan, Service
from service.reservations.shops.models import Shop, ShopService
from tests.sight import seeing_all
from tests.stack import Stack

SERVICE, PLAN, PRICE = "proof", "m", 5500
# What a stack needs beside: vendors that take no time, and an assistant who speaks for many.
ENVIRON = {"SANDBOX_PACE": "0", "RESERVATIONS_REQUESTS_PER_SHARED_ASSISTANT": "100000"}


@dataclass
class World:
    """`shops` that always answer, and an assistant who asks at the door of a running stack."""

    stack: Stack
    engine: Engine
    token: str
    assistant: int
    starts_at: str
    service: str
    trusted: ssl.SSLContext | bool = True
    codes: list[str] = field(default_factory=list)

    @contextmanager
    def db(self) -> Iterator[Session]:
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    def ask(self, count: int, at_once: int, seconds: float = 0) -> None:
        """So many customers, at most so many at once, spread over so long. Whoever gets no answer asks again for the
        same, as assistants do."""
        asyncio.run(self._ask(count, at_once, seconds))

    async def _ask(self, count: int, at_once: int, seconds: float) -> None:
        numbers, begun = iter(range(count)), time.monotonic()

        async def one() -> None:
            for number in numbers:
                await asyncio.sleep(max(0.0, begun + seconds * number / count - time.monotonic()))
                self.codes.append(await self._wish(number))

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(one())

    async def _wish(self, number: int) -> str:
        wish, until = self.wish(number), time.monotonic() + 60
        while True:
            try:
                return await self.request(wish)
            except Exception as error:  # whatever it is that a client makes of a service that is away
                trouble = error
            assert time.monotonic() < until, f"nobody took the request: {trouble}"
            await asyncio.sleep(0.5)

    def wish(self, number: int) -> dict[str, str]:
        """Sent again, it is the same request."""
        return {
            "client_request_id": str(uuid4()),
            "service": SERVICE,
            "plan": PLAN,
            "starts_at": self.starts_at,
            "customer_name": f"証明 {number}",
            "phone": f"090-7{number // 1000:03}-{number % 1000:04}",
        }

    async def request(self, wish: dict[str, str]) -> str:
        """The reservation's number."""
        return str((await self.call("request_reservation", wish))["reservation_id"])

    async def call(self, tool: str, arguments: dict[str, str]) -> dict[str, Any]:
        """By a client of its own. Raises RuntimeError for a refusal, and whatever that client makes of no answer."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=20, trust_env=False, verify=self.trusted) as http,
            Client(streamable_http_client(f"{self.service}/mcp", http_client=http)) as client,
        ):
            said = await client.call_tool(tool, arguments)
        if isinstance(said, CallToolResult) and not said.is_error and said.structured_content:
            return dict(said.structured_content)
        raise RuntimeError(str(said))

    def reservations(self) -> list[Reservation]:
        with self.db() as db:
            mine = select(Reservation).where(Reservation.assistant_id == self.assistant).order_by(Reservation.id)
            found = list(db.scalars(mine))
        return found

    def pay(self, session: str) -> bool:
        return bool(self.control("stripe/pay", {"session_id": session})["paid"])

    def control(self, path: str, given: Any = None) -> Any:
        """The sandbox: asked, or told."""
        body = None if given is None else json.dumps(given).encode()
        wanted = urllib.request.Request(
            f"{self.stack.sandbox}/_control/{path}", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(wanted, timeout=30) as answer:
            return json.load(answer)


@contextmanager
def opened(stack: Stack, shops: int, service: str = "", trusted: ssl.SSLContext | bool = True) -> Iterator[World]:
    """`service`: where assistants find it, when not at its own port."""
    engine = create_engine(sqlalchemy_url(seeing_all(stack.database)), pool_pre_ping=True)
    token = f"token-{uuid4()}"
    with Session(engine, expire_on_commit=False) as db, db.begin():
        bouquet = Service(code=SERVICE, name="証明の花束", description="", position=99)
        db.add(bouquet)
        db.flush()
        db.add(Plan(service_id=bouquet.id, code=PLAN, name="M", price=PRICE, position=0))
        for number in range(shops):
            shop = Shop(
                code=f"P{number:03}",
                name=f"証明の店 {number}",
                phone=f"+8139{number:07}",
                mail=f"shop{number}@proof.example",
                opens_at=clock(0, 0),
                closes_at=clock(23, 59, 59),
            )
            db.add(shop)
            db.flush()
            db.add(ShopService(shop_id=shop.id, service_id=bouquet.id, position=number + 1))
        assistant = Assistant(name="証明", token_hash=hash_token(token), is_shared=True, greeted_at=app_now(db))
        db.add(assistant)
        db.flush()
        day = (app_now(db) + timedelta(days=20)).astimezone(TOKYO).date()
        made = World(stack, engine, token, assistant.id, f"{day}T14:00:00", service or stack.service, trusted)
    yield made
    engine.dispose()
