"""A real SMTP listener that keeps what it receives, newest last, as many as fit in memory comfortably."""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections import deque
from dataclasses import asdict, dataclass
from datetime import datetime
from email.message import EmailMessage
from zoneinfo import ZoneInfo

from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass(frozen=True)
class Mail:
    received_at: str
    sender: str
    recipients: list[str]
    message_id: str
    subject: str
    body: str


class Mailbox:
    def __init__(self, keep: int = 1000) -> None:
        self._mails: deque[Mail] = deque(maxlen=keep)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd's name)
        content = envelope.content or b""
        raw = content if isinstance(content, bytes) else content.encode()
        message = email.message_from_bytes(raw, EmailMessage, policy=email.policy.default)
        body = message.get_body(("plain",))
        self._mails.append(
            Mail(
                received_at=f"{datetime.now(ZoneInfo('Asia/Tokyo')):%Y/%m/%d %H:%M:%S}",
                sender=envelope.mail_from or "",
                recipients=list(envelope.rcpt_tos),
                message_id=str(message["Message-ID"] or ""),
                subject=str(message["Subject"] or ""),
                body=body.get_content().replace("\r\n", "\n") if body else "",
            )
        )
        return "250 Message accepted"

    def newest_first(self) -> list[dict[str, object]]:
        return [asdict(mail) for mail in reversed(self._mails)]


async def listen(mailbox: Mailbox, host: str, port: int) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: SMTP(mailbox, loop=loop, enable_SMTPUTF8=True), host, port)
