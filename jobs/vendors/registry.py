"""Which vendor takes which topic."""

from __future__ import annotations

from collections.abc import Mapping

from jobs.vendors import Vendor, mail, slack

REGISTRY: Mapping[str, Vendor] = {"mail": mail.VENDOR, "slack": slack.VENDOR}
