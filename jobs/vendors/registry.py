"""The vendor of each topic."""

from __future__ import annotations

from collections.abc import Mapping

from jobs.vendors import Vendor, mail, payments, slack, sms, voice

REGISTRY: Mapping[str, Vendor] = {
    "mail": mail.VENDOR,
    "slack": slack.VENDOR,
    "sms": sms.VENDOR,
    "voice": voice.VENDOR,
    "payments": payments.VENDOR,
}
