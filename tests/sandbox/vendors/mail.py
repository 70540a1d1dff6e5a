"""Mail: a real SMTP listener that keeps what it receives."""

from __future__ import annotations

import asyncio
import email
import email.policy
import hashlib
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.smtp import SMTP, Envelope, Session
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tests.sandbox.faults import Faults, Set
from tests.sandbox.house import House
from tests.sandbox.store import Message, Store
from tests.sandbox.vendors import Card


class Mail:
    name, title = "mail", "メール"
    # RCPT: each address. DATA: the mail itself.
    doors: tuple[str, ...] = ("RCPT", "DATA")

    def __init__(self, house: House) -> None:
        self._store = house.store

    def routes(self) -> list[BaseRoute]:
        async def mails(_: Request) -> Response:
            return JSONResponse([self.as_json(message) for message in self._store.newest(self.name, limit=1000)])

        return [Route("/mails", mails)]

    def card(self, message: Message) -> Card:
        mail = message.content
        return Card(
            title=mail["subject"] or "（件名なし）",
            where="、".join(mail["recipients"]),
            preview=mail["body"],
            text=mail["body"],
            facts=[
                ("宛先", "、".join(mail["recipients"])),
                ("差出人", mail["sender"]),
                ("Message-ID", mail["message_id"]),
                *(("添付", f"{one['name']}（{one['size']:,}バイト）") for one in mail.get("attachments", ())),
            ],
        )

    def as_json(self, message: Message) -> dict[str, Any]:
        return {"id": message.id, "received_at": message.at, "repeat": message.repeat} | message.content


class Listener:
    """aiosmtpd's handler; the names of its methods are aiosmtpd's."""

    def __init__(self, store: Store, faults: Faults) -> None:
        self._store, self._faults = store, faults

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        def accept(_: bool) -> tuple[str, str]:
            envelope.rcpt_tos.append(address)
            return "宛先を受け付けた", "250 OK"

        return await self._answer(server, "RCPT", {"address": address}, accept)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        mail = _read(envelope)

        def keep(hold: bool) -> tuple[str, str]:
            words = " ".join([mail["subject"], mail["body"], *mail["recipients"]])
            kept = self._store.add("mail", mail["message_id"], mail, words, hold=hold)
            return f"メール{kept}を{'預かった' if hold else '受信箱に入れた'}", "250 Message accepted"

        request = {name: mail[name] for name in ("recipients", "message_id", "subject", "body")}
        return await self._answer(server, "DATA", request, keep)

    async def _answer(
        self, server: SMTP, door: str, request: dict[str, Any], work: Callable[[bool], tuple[str, str]]
    ) -> str:
        answer = await self._faults.passing("mail", door, request, work, _refusal, str)
        if answer is None:
            cast("asyncio.Transport", server.transport).abort()
            # The session ends here: aiosmtpd takes the cancellation for the client's going away.
            raise asyncio.CancelledError
        return answer


def _refusal(fault: Set) -> str:
    return f"{fault.status} {fault.code or 'Refused by a fault switch'}"


def _read(envelope: Envelope) -> dict[str, Any]:
    content = envelope.content or b""
    raw = content if isinstance(content, bytes) else content.encode()
    message = email.message_from_bytes(raw, EmailMessage, policy=email.policy.default)
    body = message.get_body(("plain",))
    return {
        "sender": envelope.mail_from or "",
        "recipients": list(envelope.rcpt_tos),
        "message_id": str(message["Message-ID"] or ""),
        "subject": str(message["Subject"] or ""),
        "body": body.get_content().replace("\r\n", "\n") if body else "",
        "attachments": [_attached(part) for part in message.iter_attachments()],
    }


def _attached(part: EmailMessage) -> dict[str, Any]:
    content = part.get_payload(decode=True)
    held = content if isinstance(content, bytes) else b""
    digest = hashlib.sha256(held).hexdigest()
    return {"name": part.get_filename() or "", "type": part.get_content_type(), "size": len(held), "sha256": digest}


async def listen(store: Store, faults: Faults, host: str, port: int) -> asyncio.Server:
    loop, listener = asyncio.get_running_loop(), Listener(store, faults)
    return await loop.create_server(lambda: SMTP(listener, loop=loop, enable_SMTPUTF8=True), host, port)
