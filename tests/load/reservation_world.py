"""Customers, shops and vendors of reservations in a whole product: who asks by MCP, who pays, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import time as clock
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult
from sqlalchemy import select

from service.core.access.identity import hash_token
from service.core.database.clock import app_now
from service.core.values.times import TOKYO
from service.reservations.assistants.models import Assistant
from service.reservations.flow.models import Reservation
from service.reservations.services.models import Plan, Service
from service.reservations.shops.models import Shop, ShopService
from tests.load.crowd import Scene

SERVICE, PLAN, PRICE = "proof", "m", 5500
# What a stack needs beside: vendors that take no time, and an assistant who speaks for many.
ENVIRON = {"SANDBOX_PACE": "0", "RESERVATIONS_REQUESTS_PER_SHARED_ASSISTANT": "100000"}


@dataclass
class World:
    """`shops` that always answer, and an assistant who asks at the door of a running product."""

    scene: Scene
    token: str
    assistant: int
    starts_at: str
    codes: list[str] = field(default_factory=list)

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
            httpx2.AsyncClient(headers=headers, timeout=20, trust_env=False, verify=self.scene.trusted) as http,
            Client(streamable_http_client(f"{self.scene.service}/mcp", http_client=http)) as client,
        ):
            said = await client.call_tool(tool, arguments)
        if isinstance(said, CallToolResult) and not said.is_error and said.structured_content:
            return dict(said.structured_content)
        raise RuntimeError(str(said))

    def reservations(self) -> list[Reservation]:
        with self.scene.db() as db:
            mine = select(Reservation).where(Reservation.assistant_id == self.assistant).order_by(Reservation.id)
            found = list(db.scalars(mine))
        return found

    def pay(self, session: str) -> bool:
        return bool(self.scene.stack.control("stripe/pay", {"session_id": session})["paid"])


def opened(scene: Scene, shops: int) -> World:
    token = f"token-{uuid4()}"
    with scene.db() as db:
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
    return World(scene, token, assistant.id, f"{day}T14:00:00")
