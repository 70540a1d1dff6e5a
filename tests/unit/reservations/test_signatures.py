"""Signatures of vendors, checked against their own SDKs."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from service.reservations.inbox.signatures import is_bland_signature, is_stripe_signature, is_twilio_signature

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
OLD, NEW = "whsec_old", "whsec_new"
BODY = json.dumps({"id": "evt_1", "description": "花束（お祝い）"}, ensure_ascii=False).encode()
URL = "https://genba.example/api/reservations/webhooks/twilio?effect=0a1b"
TOKEN = "twilio-token"
FIELDS = {"MessageSid": "SM1", "MessageStatus": "delivered", "To": "+819012345678", "Note": "届きました &=%"}


def stripe_signature(secret: str, body: bytes = BODY, at: datetime = NOW) -> str:
    return str(stripe.WebhookSignature.generate_signature_header(body.decode(), secret, int(at.timestamp())))


def twilio_signature(fields: dict[str, str], url: str = URL, token: str = TOKEN) -> str:
    return str(RequestValidator(token).compute_signature(url, fields))


def test_a_signature_of_the_stripe_sdk_is_valid() -> None:
    assert is_stripe_signature(stripe_signature(NEW), BODY, [NEW], NOW)


@given(st.binary().filter(lambda body: body.isascii()), st.text(min_size=1))
def test_any_body_and_secret_are_valid_only_together(body: bytes, secret: str) -> None:
    header = stripe_signature(secret, body)

    assert is_stripe_signature(header, body, [secret], NOW)
    assert not is_stripe_signature(header, body, [secret + "x"], NOW)
    assert not is_stripe_signature(header, body + b" ", [secret], NOW)


def test_during_a_rotation_either_secret_is_enough() -> None:
    both = f"{stripe_signature(NEW)},{stripe_signature(OLD).partition(',')[2]}"

    assert is_stripe_signature(both, BODY, [OLD], NOW)
    assert is_stripe_signature(both, BODY, [NEW], NOW)
    assert is_stripe_signature(stripe_signature(OLD), BODY, [NEW, OLD], NOW)
    assert not is_stripe_signature(both, BODY, ["whsec_third"], NOW)


@pytest.mark.parametrize(("seconds", "valid"), [(-301, False), (-299, True), (299, True), (301, False)])
def test_a_signature_is_valid_for_five_minutes(seconds: int, valid: bool) -> None:
    header = stripe_signature(NEW, at=NOW + timedelta(seconds=seconds))

    assert is_stripe_signature(header, BODY, [NEW], NOW) is valid


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=",
        "v1=00",
        "t=1,t=2,v1=00",
        f"t={int(NOW.timestamp())}",
        f"t={int(NOW.timestamp())},v1=",
        f"t={int(NOW.timestamp())},v0={'0' * 64}",
        f"t=+{int(NOW.timestamp())},v1=00",
        "t=²²²,v1=00",
        f"t={'9' * 400},v1=00",
        f"t={int(NOW.timestamp())},v1=\u3042",
    ],
)
def test_a_malformed_header_is_not_a_signature(header: str) -> None:
    assert not is_stripe_signature(header, BODY, [NEW], NOW)


def test_the_test_scheme_v0_is_not_a_signature() -> None:
    assert not is_stripe_signature(stripe_signature(NEW).replace("v1=", "v0="), BODY, [NEW], NOW)


def test_without_a_secret_no_signature_is_valid() -> None:
    signed_with_empty_secret = hmac.new(b"", f"{int(NOW.timestamp())}.".encode() + BODY, hashlib.sha256).hexdigest()

    assert not is_stripe_signature(f"t={int(NOW.timestamp())},v1={signed_with_empty_secret}", BODY, [""], NOW)
    assert not is_stripe_signature(stripe_signature(NEW), BODY, [], NOW)
    assert not is_bland_signature(hmac.new(b"", BODY, hashlib.sha256).hexdigest(), BODY, "")
    assert not is_twilio_signature(twilio_signature(FIELDS, token=""), URL, urlencode(FIELDS).encode(), "")


def test_a_signature_of_the_twilio_sdk_is_valid() -> None:
    assert is_twilio_signature(twilio_signature(FIELDS), URL, urlencode(FIELDS).encode(), TOKEN)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8"))))
def test_any_form_is_judged_as_by_the_twilio_sdk(fields: dict[str, str]) -> None:
    body, signature = urlencode(fields).encode(), twilio_signature(fields)

    assert RequestValidator(TOKEN).validate(URL, fields, signature)
    assert is_twilio_signature(signature, URL, body, TOKEN)
    assert not is_twilio_signature(twilio_signature(fields, token="another"), URL, body, TOKEN)


@pytest.mark.parametrize("signed_url", [URL, URL.replace("genba.example", "genba.example:443")])
@pytest.mark.parametrize("own_url", [URL, URL.replace("genba.example", "genba.example:443")])
def test_twilio_may_name_the_port_or_leave_it_out(signed_url: str, own_url: str) -> None:
    assert is_twilio_signature(twilio_signature(FIELDS, signed_url), own_url, urlencode(FIELDS).encode(), TOKEN)


def test_a_changed_url_or_field_invalidates_the_signature() -> None:
    signature, body = twilio_signature(FIELDS), urlencode(FIELDS).encode()

    assert not is_twilio_signature(signature, URL.replace("0a1b", "0a1c"), body, TOKEN)
    assert not is_twilio_signature(signature, URL, body.replace(b"delivered", b"undelivered"), TOKEN)
    assert not is_twilio_signature(signature, URL, body + b"&More=1", TOKEN)
    assert not is_twilio_signature(signature, URL, b"\xff\xfe", TOKEN)
    assert not is_twilio_signature("\u3042", URL, body, TOKEN)


def test_bland_signs_the_bytes_and_not_the_json_value() -> None:
    """The same JSON in another format (escaped Japanese, spaces after colons) has another signature."""
    call = {"call_id": "c1", "summary": "店舗は予約を受けました。"}
    compact = json.dumps(call, ensure_ascii=False, separators=(",", ":")).encode()
    signature = hmac.new(b"secret", compact, hashlib.sha256).hexdigest()

    assert is_bland_signature(signature, compact, "secret")
    assert is_bland_signature(signature.upper(), compact, "secret")
    assert not is_bland_signature(signature, json.dumps(call).encode(), "secret")
    assert not is_bland_signature(signature, compact, "another")
    assert not is_bland_signature("", compact, "secret")
    assert not is_bland_signature("\u3042", compact, "secret")
