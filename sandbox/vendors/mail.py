"""Mail: a real SMTP server that stores the mails it receives."""

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

from sandbox.faults import ActiveSwitch, Faults
from sandbox.services import SandboxServices
from sandbox.store import Message, Store
from sandbox.vendors import Card


class Mail:
    name, title = "mail", "メール"
    # RCPT: one recipient address. DATA: the mail itself.
    operations: tuple[str, ...] = ("RCPT", "DATA")

    def __init__(self, services: SandboxServices) -> None:
        self._store = services.store

    def routes(self) -> list[BaseRoute]:
        async def mails(_: Request) -> Response:
            return JSONResponse(
                [self.as_json(message) for message in self._store.newest_messages(self.name, limit=1000)]
            )

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
                *(
                    ("添付", f"{attachment['name']}（{attachment['size']:,}バイト）")
                    for attachment in mail.get("attachments", ())
                ),
            ],
        )

    def as_json(self, message: Message) -> dict[str, Any]:
        return {"id": message.id, "received_at": message.at, "repeat": message.repeat} | message.content


class SmtpHandler:
    """The handler of aiosmtpd, which defines the names of its methods."""

    def __init__(self, store: Store, faults: Faults) -> None:
        self._store, self._faults = store, faults

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        def accept(_: bool) -> tuple[str, str]:
            envelope.rcpt_tos.append(address)
            return "宛先を受け付けた", "250 OK"

        return await self._handle(server, "RCPT", {"address": address}, accept)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        mail = _parse_mail(envelope)

        def store_mail(hold: bool) -> tuple[str, str]:
            search_text = " ".join([mail["subject"], mail["body"], *mail["recipients"]])
            stored_id = self._store.add_message("mail", mail["message_id"], mail, search_text, hold=hold)
            return f"メール{stored_id}を{'預かった' if hold else '受信箱に入れた'}", "250 Message accepted"

        request = {name: mail[name] for name in ("recipients", "message_id", "subject", "body")}
        return await self._handle(server, "DATA", request, store_mail)

    async def _handle(
        self, server: SMTP, operation: str, request: dict[str, Any], work: Callable[[bool], tuple[str, str]]
    ) -> str:
        answer = await self._faults.handle_request("mail", operation, request, work, _fault_reply, str)
        if answer is None:
            cast("asyncio.Transport", server.transport).abort()
            # The session ends here: aiosmtpd treats the cancellation like a client that disconnects.
            raise asyncio.CancelledError
        return answer


def _fault_reply(fault: ActiveSwitch) -> str:
    return f"{fault.status} {fault.code or 'Refused by a fault switch'}"


def _parse_mail(envelope: Envelope) -> dict[str, Any]:
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
        "attachments": [_attachment(part) for part in message.iter_attachments()],
    }


def _attachment(part: EmailMessage) -> dict[str, Any]:
    content = part.get_payload(decode=True)
    data = content if isinstance(content, bytes) else b""
    digest = hashlib.sha256(data).hexdigest()
    return {"name": part.get_filename() or "", "type": part.get_content_type(), "size": len(data), "sha256": digest}


async def start_smtp_server(store: Store, faults: Faults, host: str, port: int) -> asyncio.Server:
    loop, handler = asyncio.get_running_loop(), SmtpHandler(store, faults)
    return await loop.create_server(lambda: SMTP(handler, loop=loop, enable_SMTPUTF8=True), host, port)
