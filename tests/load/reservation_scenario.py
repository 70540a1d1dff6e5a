"""Customers, shops and vendors of reservations in a running product: requests by MCP, payments, and the stored
result."""

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
from service.reservations.models import Assistant, Plan, Reservation, Service, Shop, ShopService
from tests.load.load_clients import RunningProduct

SERVICE, PLAN, PRICE = "proof", "m", 5500
# Settings of a stack for it: vendors that take no time, and an assistant with a high limit.
ENVIRON = {"SANDBOX_PACE": "0", "RESERVATIONS_REQUESTS_PER_SHARED_ASSISTANT": "100000"}


@dataclass
class Scenario:
    """A running product with `shops` that always answer, and an assistant that calls its MCP tools."""

    product: RunningProduct
    token: str
    assistant: int
    starts_at: str
    codes: list[str] = field(default_factory=list)

    def request_arguments(self, number: int) -> dict[str, str]:
        """The arguments of a request. Sent again, they are the same request."""
        return {
            "client_request_id": str(uuid4()),
            "service": SERVICE,
            "plan": PLAN,
            "starts_at": self.starts_at,
            "customer_name": f"証明 {number}",
            "phone": f"090-7{number // 1000:03}-{number % 1000:04}",
        }

    async def request(self, arguments: dict[str, str]) -> str:
        """Returns the reservation's number."""
        return str((await self.call("request_reservation", arguments))["reservation_id"])

    async def call(self, tool: str, arguments: dict[str, str]) -> dict[str, Any]:
        """Calls a tool with a new MCP client. Raises RuntimeError for a refusal, and the client's own errors when there
        is no answer."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=20, trust_env=False, verify=self.product.trusted) as http,
            Client(streamable_http_client(f"{self.product.service}/mcp", http_client=http)) as client,
        ):
            result = await client.call_tool(tool, arguments)
        if isinstance(result, CallToolResult) and not result.is_error and result.structured_content:
            return dict(result.structured_content)
        raise RuntimeError(str(result))

    def reservations(self) -> list[Reservation]:
        with self.product.db() as db:
            query = select(Reservation).where(Reservation.assistant_id == self.assistant).order_by(Reservation.id)
            rows = list(db.scalars(query))
        return rows

    def pay(self, session: str) -> bool:
        return bool(self.product.stack.control("stripe/pay", {"session_id": session})["paid"])


def create_scenario(product: RunningProduct, shops: int) -> Scenario:
    token = f"token-{uuid4()}"
    with product.db() as db:
        service = Service(code=SERVICE, name="証明の花束", description="", position=99)
        db.add(service)
        db.flush()
        db.add(Plan(service_id=service.id, code=PLAN, name="M", price=PRICE, position=0))
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
            db.add(ShopService(shop_id=shop.id, service_id=service.id, position=number + 1))
        assistant = Assistant(name="証明", token_hash=hash_token(token), is_shared=True, greeted_at=app_now(db))
        db.add(assistant)
        db.flush()
        start_date = (app_now(db) + timedelta(days=20)).astimezone(TOKYO).date()
    return Scenario(product, token, assistant.id, f"{start_date}T14:00:00")
