"""Mail over SMTP."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

import structlog

from jobs.vendors.failures import PermanentFailure, VendorFailure
from service.core.clock import real_now
from service.core.outbox import Claimed
from service.core.settings import settings
from service.core.times import TOKYO

# For each step of the conversation; all of them together stay under the outbox's lease.
TIMEOUT_SECONDS = 10

log = structlog.get_logger()


def send(message: Claimed) -> None:
    """Sends the payload's `to`, `subject`, `body`. The Message-ID is made of the outbox key, so that a mail sent twice
    (the answer was lost) is recognised as one.

    Raises:
        PermanentFailure: the server refuses the mail or every address for good (5xx).
        VendorFailure: anything else that went wrong.
    """
    config, payload = settings(), message.payload
    mail = EmailMessage()
    mail["From"] = config.mail_from
    mail["To"] = ", ".join(payload["to"])
    mail["Subject"] = " ".join(payload["subject"].split())
    mail["Date"] = format_datetime(real_now().astimezone(TOKYO))
    domain = parseaddr(config.mail_from)[1].rpartition("@")[2] or "localhost"
    mail["Message-ID"] = f"<{message.key}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(payload["body"])
    try:
        with smtplib.SMTP(config.smtp_host, config.smtp_port, timeout=TIMEOUT_SECONDS) as server:
            if config.smtp_starttls:
                server.starttls(context=ssl.create_default_context())
            if config.smtp_username:
                server.login(config.smtp_username, config.smtp_password.get_secret_value())
            refused = server.send_message(mail)
            if refused:
                log.warning("some recipients refused", key=str(message.key), count=len(refused))
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        kind = PermanentFailure if all(code >= 500 for code in codes) else VendorFailure
        raise kind(f"宛先を拒否されました（{codes[0]}）") from error
    except smtplib.SMTPResponseException as error:
        kind = PermanentFailure if error.smtp_code >= 500 else VendorFailure
        raise kind(f"メールサーバーが拒否しました（{error.smtp_code}）") from error
    except (OSError, smtplib.SMTPException) as error:
        raise VendorFailure(f"メールサーバーに送信できません（{type(error).__name__}）") from error
