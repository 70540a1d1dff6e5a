"""Secrets are masked in the audit log."""

from __future__ import annotations

from service.core.audit import MASK, masked


def test_secrets_are_masked_at_any_depth() -> None:
    values = {
        "name": "山田",
        "password": "p",
        "station_password": "p",
        "enrolment_code_id": 7,
        "card": {"card_number": "4242", "security_code": None, "expires": "12/30"},
        "tokens": ["a", "b"],
    }

    assert masked(values) == {
        "name": "山田",
        "password": MASK,
        "station_password": MASK,
        "enrolment_code_id": 7,
        "card": {"card_number": MASK, "security_code": None, "expires": "12/30"},
        "tokens": [MASK, MASK],
    }


def test_none_stays_none() -> None:
    assert masked(None) is None
