"""Mail over SMTP. A mail server cannot be queried for earlier mails; instead, a repeat has the same Message-ID."""

from __future__ import annotations

import smtplib
import ssl
import threading
import uuid
from email.header import Header
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, parseaddr
from typing import Any

import structlog

from jobs.vendors import MOST_SECONDS, OutcomeUnknown, PermanentFailure, Sent, Unknown, Vendor, VendorFailure
from jobs.vendors.wire import abort_after, request_header
from service.core.database.clock import real_now
from service.core.database.session import SYSTEM, transaction
from service.core.files import records
from service.core.files.storage import storage
from service.core.outbox.records import Claimed
from service.core.problems import NotFound, Unavailable
from service.core.settings import settings
from service.core.values.texts import visible
from service.core.values.times import TOKYO

# For each step of the SMTP dialog. A mail to many recipients has many steps; all together end after `MOST_SECONDS`.
TIMEOUT_SECONDS = 10
# Of all files of a mail together; checked also before a message is created. The worker needs three times their size of
# memory.
MOST_ATTACHED = 15 * 1024 * 1024

log = structlog.get_logger()


def send(message: Claimed) -> Sent:
    """Sends the payload's `to`, `subject`, `body` and optional `attachments` (ids of attached files, read now). Returns
    the Message-ID, which contains the outbox key, and the recipients whom the server has refused.

    Raises:
        PermanentFailure: an attachment is deleted or too large, or the server permanently refuses the mail or every
            address (5xx).
        OutcomeUnknown: the mail was transmitted but the server's response did not arrive.
        VendorFailure: any other failure.
    """
    config, mail = settings(), _build_mail(message)
    step, late = "connecting", threading.Event()
    try:
        with (
            smtplib.SMTP(config.smtp_host, config.smtp_port, timeout=TIMEOUT_SECONDS) as server,
            abort_after(lambda: server.sock, MOST_SECONDS, late),
        ):
            if config.smtp_starttls:
                server.starttls(context=ssl.create_default_context())
            if config.smtp_username:
                server.login(config.smtp_username, config.smtp_password.get_secret_value())
            step = "handing over"
            refused = server.send_message(mail)
            step = "done"
    except (OSError, smtplib.SMTPException) as error:
        # An error after the mail was accepted does not matter.
        if step != "done":
            if late.is_set():
                raise OutcomeUnknown(
                    f"メールサーバーとのやり取りが{MOST_SECONDS}秒以内に終わりませんでした。"
                ) from error
            raise _failure(error, step) from error
    return Sent(str(mail["Message-ID"]), refused={address: _refused(code) for address, (code, _) in refused.items()})


def _refused(code: int) -> str:
    return f"宛先を拒否されました（{code}）"


def _failure(error: OSError | smtplib.SMTPException, step: str) -> VendorFailure:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _ in error.recipients.values()]
        kind = PermanentFailure if all(code >= 500 for code in codes) else VendorFailure
        return kind(_refused(codes[0]))
    if isinstance(error, smtplib.SMTPResponseException):
        kind = PermanentFailure if error.smtp_code >= 500 else VendorFailure
        return kind(f"メールサーバーが拒否しました（{error.smtp_code}）")
    if step == "handing over":
        return OutcomeUnknown("メールサーバーの応答が途中で途切れました。届いたかどうかは分かりません。")
    return VendorFailure(f"メールサーバーに送信できません（{type(error).__name__}）")


class _Folding(EmailPolicy):
    """Python's own folding loses the space at which it breaks a long subject that is not ASCII."""

    def fold_binary(self, name: str, value: Any) -> bytes:
        if name.lower() != "subject":
            return super().fold_binary(name, value)
        folded = Header(str(value), "utf-8", header_name=name).encode(linesep=self.linesep)
        return f"{name}: {folded}{self.linesep}".encode("ascii")


_KEEP_SPACES = _Folding()


def _build_mail(message: Claimed) -> EmailMessage:
    sender, payload = settings().mail_from, message.payload
    mail = EmailMessage(policy=_KEEP_SPACES)
    mail["From"] = sender
    mail["To"] = ", ".join(payload["to"])
    mail["Subject"] = " ".join(visible(payload["subject"]).split())
    mail["Date"] = format_datetime(real_now().astimezone(TOKYO))
    domain = parseaddr(sender)[1].rpartition("@")[2] or "localhost"
    mail["Message-ID"] = f"<{message.key}@{domain}>"
    for name, value in request_header().items():
        mail[name] = value
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(visible(payload["body"]))
    attached = 0
    for file_id in payload.get("attachments", ()):
        attached += _attach(mail, uuid.UUID(file_id), MOST_ATTACHED - attached)
    return mail


def _attach(mail: EmailMessage, file_id: uuid.UUID, most: int) -> int:
    """Returns the file's size. Raises PermanentFailure when it is more than `most`."""
    try:
        with transaction(SYSTEM) as db:
            file = records.get_attached(db, file_id)
            name, kind, size, key = file.name, file.content_type, file.size, file.storage_key
        if size > most:
            limit = f"{MOST_ATTACHED // 1024**2}MB"
            raise PermanentFailure(f"添付ファイル（「{name}」など）が合計で{limit}を超えるため、送信しませんでした。")
        content = bytes(storage().open(key).read())
    except NotFound:
        raise PermanentFailure("添付ファイルがすでにないため、送信しませんでした。") from None
    except Unavailable as unavailable:
        raise VendorFailure(unavailable.detail) from None
    main, _, sub = kind.partition("/")
    mail.add_attachment(content, maintype=main, subtype=sub, filename=name)
    return size


def _reconcile(_: Claimed) -> Unknown:
    return Unknown()


VENDOR = Vendor(send, _reconcile, when_unknown="send")
