"""Signatures of vendors, with their own SDKs as judges."""

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

from service.reservations.signatures.rules import is_bland_signature, is_stripe_signature, is_twilio_signature

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
OLD, NEW = "whsec_old", "whsec_new"
BODY = json.dumps({"id": "evt_1", "description": "花束（お祝い）"}, ensure_ascii=False).encode()
URL = "https://genba.example/api/reservations/webhooks/twilio?effect=0a1b"
TOKEN = "twilio-token"
FIELDS = {"MessageSid": "SM1", "MessageStatus": "delivered", "To": "+819012345678", "Note": "届きました &=%"}


def stripes(secret: str, body: bytes = BODY, at: datetime = NOW) -> str:
    return str(stripe.WebhookSignature.generate_signature_header(body.decode(), secret, int(at.timestamp())))


def twilios(fields: dict[str, str], url: str = URL, token: str = TOKEN) -> str:
    return str(RequestValidator(token).compute_signature(url, fields))


def test_what_stripes_sdk_signs_is_stripes() -> None:
    assert is_stripe_signature(stripes(NEW), BODY, [NEW], NOW)


@given(st.binary().filter(lambda body: body.isascii()), st.text(min_size=1))
def test_whatever_body_and_secret_the_sdk_signs_is_stripes_and_only_under_that_secret(body: bytes, secret: str) -> None:
    signed = stripes(secret, body)

    assert is_stripe_signature(signed, body, [secret], NOW)
    assert not is_stripe_signature(signed, body, [secret + "x"], NOW)
    assert not is_stripe_signature(signed, body + b" ", [secret], NOW)


def test_while_one_secret_replaces_another_either_is_enough() -> None:
    both = f"{stripes(NEW)},{stripes(OLD).partition(',')[2]}"

    assert is_stripe_signature(both, BODY, [OLD], NOW)
    assert is_stripe_signature(both, BODY, [NEW], NOW)
    assert is_stripe_signature(stripes(OLD), BODY, [NEW, OLD], NOW)
    assert not is_stripe_signature(both, BODY, ["whsec_third"], NOW)


@pytest.mark.parametrize(("seconds", "taken"), [(-301, False), (-299, True), (299, True), (301, False)])
def test_a_signature_of_another_time_is_not_taken(seconds: int, taken: bool) -> None:
    signed = stripes(NEW, at=NOW + timedelta(seconds=seconds))

    assert is_stripe_signature(signed, BODY, [NEW], NOW) is taken


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
def test_a_header_that_is_no_signature_is_nobodys(header: str) -> None:
    assert not is_stripe_signature(header, BODY, [NEW], NOW)


def test_a_scheme_for_tests_does_not_count_as_a_signature() -> None:
    assert not is_stripe_signature(stripes(NEW).replace("v1=", "v0="), BODY, [NEW], NOW)


def test_without_a_secret_nobody_can_sign() -> None:
    empty = hmac.new(b"", f"{int(NOW.timestamp())}.".encode() + BODY, hashlib.sha256).hexdigest()

    assert not is_stripe_signature(f"t={int(NOW.timestamp())},v1={empty}", BODY, [""], NOW)
    assert not is_stripe_signature(stripes(NEW), BODY, [], NOW)
    assert not is_bland_signature(hmac.new(b"", BODY, hashlib.sha256).hexdigest(), BODY, "")
    assert not is_twilio_signature(twilios(FIELDS, token=""), URL, urlencode(FIELDS).encode(), "")


def test_what_twilios_sdk_signs_is_twilios() -> None:
    assert is_twilio_signature(twilios(FIELDS), URL, urlencode(FIELDS).encode(), TOKEN)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8"))))
def test_our_judgement_of_any_form_is_that_of_twilios_sdk(fields: dict[str, str]) -> None:
    body, signed = urlencode(fields).encode(), twilios(fields)

    assert RequestValidator(TOKEN).validate(URL, fields, signed)
    assert is_twilio_signature(signed, URL, body, TOKEN)
    assert not is_twilio_signature(twilios(fields, token="another"), URL, body, TOKEN)


@pytest.mark.parametrize("signed", [URL, URL.replace("genba.example", "genba.example:443")])
@pytest.mark.parametrize("known", [URL, URL.replace("genba.example", "genba.example:443")])
def test_twilio_may_name_the_port_or_leave_it_out(signed: str, known: str) -> None:
    assert is_twilio_signature(twilios(FIELDS, signed), known, urlencode(FIELDS).encode(), TOKEN)


def test_an_address_or_a_field_that_was_changed_is_not_twilios() -> None:
    signed, body = twilios(FIELDS), urlencode(FIELDS).encode()

    assert not is_twilio_signature(signed, URL.replace("0a1b", "0a1c"), body, TOKEN)
    assert not is_twilio_signature(signed, URL, body.replace(b"delivered", b"undelivered"), TOKEN)
    assert not is_twilio_signature(signed, URL, body + b"&More=1", TOKEN)
    assert not is_twilio_signature(signed, URL, b"\xff\xfe", TOKEN)
    assert not is_twilio_signature("\u3042", URL, body, TOKEN)


def test_bland_signs_the_bytes_and_not_what_they_mean() -> None:
    """Another layout of the same JSON has another signature: Japanese escaped, spaces after colons."""
    call = {"call_id": "c1", "summary": "店舗は予約を受けました。"}
    compact = json.dumps(call, ensure_ascii=False, separators=(",", ":")).encode()
    signed = hmac.new(b"secret", compact, hashlib.sha256).hexdigest()

    assert is_bland_signature(signed, compact, "secret")
    assert is_bland_signature(signed.upper(), compact, "secret")
    assert not is_bland_signature(signed, json.dumps(call).encode(), "secret")
    assert not is_bland_signature(signed, compact, "another")
    assert not is_bland_signature("", compact, "secret")
    assert not is_bland_signature("\u3042", compact, "secret")
