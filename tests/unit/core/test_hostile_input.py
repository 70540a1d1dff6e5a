"""Fuzz tests of every parser of untrusted input (strangers, vendors, a cable): it returns a value or raises its own
error within MAX_SECONDS, and never an exception of a library.

CSV, Excel and cells: also test_sheets.py. The line of the TC-200: tests/agent/test_tc200.py. A firmware command:
tests/agent/update/test_update.py. Signatures: tests/unit/reservations/test_signatures.py. Every route:
tests/api/openapi.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import tarfile
import time
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from agent import tc200
from dashboards.addresses import safe_next
from service.core.database import paging
from service.core.files import pictures
from service.core.files.content import recognise
from service.core.http import addresses, hosts
from service.core.http.problem_responses import field_errors
from service.core.imports.kinds import Field, kinds
from service.core.problems import Invalid, Problem
from service.core.purposes import FileKind, Purpose
from service.core.reports import markdown
from service.core.values import phones
from service.core.values.times import parse_month
from service.entries.logs.rules import parse_parent_id
from service.entries.logs.schemas import LogQuery
from service.entries.station import rules as station
from service.fleet.schemas import Heartbeat
from service.reservations.assistants import mcp
from service.reservations.assistants import rules as assistants
from service.reservations.inbox import rules as inbox
from service.reservations.inbox import signatures
from service.reservations.state_machine.states import Answer
from service.reservations.vendor_events import transcripts
from stack import attachments
from tests.pictures import picture, workbook

DEEP = b"[" * 200_000
MAX_SECONDS = 2.0
NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
# Values that often break parsers: digits of other scripts, invisible characters, surrogates, limits of ranges.
ODD = st.sampled_from(
    [
        "٣",
        "９",
        "²",
        "½",
        "\x00",
        "\u202e",
        "\ud800",
        "１９９９/１２/３１",
        "9" * 5000,
        "-1",
        "1e400",
        "NaN",
        "=1+1",
        "0001-01-01",
    ]
)
TEXT = st.text(max_size=60) | ODD | st.lists(ODD, max_size=3).map("".join)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=6,
)


def parse_log_period(text: str) -> object:
    return LogQuery.model_validate({"from": text, "to": text})  # a ValidationError is a ValueError


def seconds_since(started_at: float) -> float:
    return time.process_time() - started_at


# Call details with the expected keys, so that generated values get past the first checks.
CALL = st.fixed_dictionaries(
    {},
    optional={
        "call_id": TEXT,
        "status": st.sampled_from(["completed", "busy", "voicemail"]) | JSON,
        "completed": st.booleans() | JSON,
        "answered_by": TEXT | JSON,
        "call_length": JSON,
        "analysis": st.fixed_dictionaries(
            {}, optional={"answer": TEXT, "quote": TEXT, "confirmed_time": TEXT | JSON, "staff_name": JSON}
        )
        | JSON,
        "transcripts": st.lists(st.fixed_dictionaries({}, optional={"user": JSON, "text": JSON}) | JSON, max_size=3)
        | JSON,
        "concatenated_transcript": TEXT | JSON,
        "variables": st.fixed_dictionaries({}, optional={"metadata": JSON}) | JSON,
        "summary": JSON,
    },
)


@given(
    st.binary(max_size=200)
    | JSON.map(lambda value: json.dumps(value).encode())
    | CALL.map(lambda call: json.dumps(call).encode()),
    TEXT,
)
@example(DEEP, "")
@example(b'{"id":' + b"9" * 5000 + b"}", "")
@example(b"a=" + b"&a=" * 5000, "")
def test_a_vendors_body_is_read_or_unreadable(body: bytes, effect: str) -> None:
    for parse in (
        inbox.parse_stripe_webhook,
        inbox.parse_bland_webhook,
        lambda raw: inbox.parse_twilio_webhook(raw, effect),
    ):
        with contextlib.suppress(inbox.Unreadable):
            event = parse(body)
            assert event.kind.isprintable()
            # A job reads the stored body again.
            read_again = {
                "stripe": inbox.read_stripe_event,
                "bland": inbox.read_call_event,
                "twilio": inbox.read_sms_event,
            }[event.provider]
            read_again(event.body)


@given(CALL)
def test_a_calls_details_give_a_reading_or_none(details: dict[str, Any]) -> None:
    reading = transcripts.read_call(details, NOW)
    assert reading is None or reading.answer in Answer


@given(TEXT, st.binary(max_size=100), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="[]")))
def test_a_signature_is_right_or_wrong(header: str, body: bytes, url: str) -> None:
    assert not signatures.is_stripe_signature(header, body, ["secret"], NOW)
    assert not signatures.is_twilio_signature(header, f"https://genba.example.jp/{url}", body, "secret")
    assert not signatures.is_bland_signature(header, body, "secret")


@given(TEXT)
@example(base64.urlsafe_b64encode(DEEP).decode())
@example(base64.urlsafe_b64encode(b"[" * 1400).decode())
@example(base64.urlsafe_b64encode(b"[" + b"9" * 5000 + b"]").decode())
def test_a_query_parameter_is_parsed_or_refused_with_a_message(text: str) -> None:
    with contextlib.suppress(Invalid):
        paging.read_cursor(text, object, int)
    for parse in (parse_month, parse_log_period, phones.e164, date.fromisoformat):
        with contextlib.suppress(ValueError):
            parse(text)
    phones.searched_digits(text)
    with contextlib.suppress(ValueError, Problem):
        assistants.parse_time(text)
    assert isinstance(hosts.is_allowed_host(text.encode("utf-8", "replace")), bool)
    assert addresses._verified_address(text, text) is None
    assert safe_next(text).startswith("/")
    assert parse_parent_id(text) is None or parse_parent_id(text) == int(text)
    assert station.decode_token(b"k" * 32, text) is None


@given(JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=100))
@example(DEEP)
def test_a_heartbeat_is_valid_or_a_validation_error(body: bytes) -> None:
    with contextlib.suppress(ValidationError):
        Heartbeat.model_validate_json(body)


TOOLS = {tool.name: tool.fn_metadata.arg_model for tool in mcp.Tools(lambda: "").listed()}
ARGUMENTS = sorted({name for model in TOOLS.values() for name in model.model_fields})


@given(st.dictionaries(st.sampled_from(ARGUMENTS) | TEXT, JSON, max_size=6))
def test_arguments_of_an_assistant_are_valid_or_named_in_the_errors(arguments: dict[str, Any]) -> None:
    for model in TOOLS.values():
        try:
            model.model_validate(arguments)
        except ValidationError as error:
            errors = field_errors([dict(detail) for detail in error.errors(include_url=False, include_input=False)])
            json.dumps(errors).encode()


CELLS: list[tuple[str, Field]] = [(key, field) for key, kind in kinds().items() for field in kind.fields]


@pytest.mark.parametrize(("kind", "field"), CELLS, ids=[f"{key} {field.name}" for key, field in CELLS])
def test_a_cell_is_a_value_or_refused_with_a_message(kind: str, field: Field) -> None:
    """The cells of every file import of every area."""

    @settings(max_examples=settings().max_examples // 4)
    @given(TEXT.filter(bool))
    def check_any_text(text: str) -> None:
        started_at = time.process_time()
        with contextlib.suppress(ValueError):
            value = field.read(text)
            assert isinstance(field.show(value), str)
        assert seconds_since(started_at) < MAX_SECONDS

    check_any_text()


ANYTHING = Purpose(
    "fleet.anything", frozenset(FileKind) - {FileKind.BINARY}, "fleet:photo:update", "fleet:terminal:read"
)
VALID_FILES = [picture("JPEG", (64, 40), gps=True), picture("PNG", (64, 40)), picture("WEBP", (64, 40)), workbook()]
# Pillow reads it, and warns that the EXIF header announces more entries than there are.
EXIF_BEGINS = VALID_FILES[0].index(b"Exif\0\0") + 14
TORN_EXIF = VALID_FILES[0][:EXIF_BEGINS] + b"\xff\xff" + VALID_FILES[0][EXIF_BEGINS + 2 :]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A valid file with bytes changed, removed or inserted, or its end missing."""
    content = bytearray(draw(st.sampled_from(VALID_FILES)))
    for _ in range(draw(st.integers(1, 6))):
        position = draw(st.integers(0, len(content)))
        match draw(st.integers(0, 3)):
            case 0:
                content[position : position + 1] = bytes([draw(st.integers(0, 255))])
            case 1:
                content[position : position + draw(st.integers(1, 20))] = b""
            case 2:
                content[position:position] = draw(st.binary(max_size=20))
            case _:
                content[position + 1 :] = b""
    return bytes(content)


@settings(max_examples=settings().max_examples * 2)
@given(damaged() | st.binary(max_size=200))
@example(TORN_EXIF)
def test_a_file_is_recognised_or_refused_with_a_message(content: bytes) -> None:
    started_at = time.process_time()
    with contextlib.suppress(Problem):
        spool = io.BytesIO(content)
        kind = recognise(spool, ANYTHING)
        if kind.is_image:
            inspected = pictures.inspect_picture(kind, spool, ANYTHING, io.BytesIO())
            assert inspected.width * inspected.height <= ANYTHING.max_pixels
    assert seconds_since(started_at) < MAX_SECONDS


def tar(name: str, kind: bytes, link: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname, member.size = kind, link, 4 if kind == tarfile.REGTYPE else 0
        archive.addfile(member, io.BytesIO(b"evil"))
    return buffer.getvalue()


NAMES = st.sampled_from(["../up", "/etc/evil", "a/../../up", "ok", "a/b", ".", "", "..", "a\\..\\b"])
KINDS = st.sampled_from(
    [tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
)


@given(st.builds(tar, NAMES, KINDS, NAMES) | st.binary(max_size=600))
@example(tar("ok", tarfile.REGTYPE, ""))
def test_an_archive_writes_nothing_outside_of_the_folder(content: bytes) -> None:
    with TemporaryDirectory() as parent:
        folder = Path(parent, "files")
        with contextlib.suppress(RuntimeError, OSError):
            attachments.unpack({"FILES_URL": f"file://{folder}"}, {"count": 1, "bytes": 4}, io.BytesIO(content))
        written = [path for path in Path(parent).rglob("*") if path != folder]
        assert all(path.is_relative_to(folder) and not path.is_symlink() for path in written)
        assert not any(path.is_fifo() or path.is_char_device() for path in written)


@given(TEXT | st.text("#-*_`[](){}<>|!\\\n 「」：", max_size=80))
@example("[" * 5000)
@example("> " * 300 + "x")
@example("*a_" * 2000)
def test_a_text_in_markdown_gives_sections_or_an_error_message(text: str) -> None:
    started_at = time.process_time()
    with contextlib.suppress(ValueError):
        markdown.sections(text)
    assert seconds_since(started_at) < MAX_SECONDS


@given(st.binary(max_size=600))
@example(b"<" * 100_000)
@example(b"<0001 STAT OK" + b" a=b" * 20_000)
def test_a_line_of_the_terminal_is_decoded_or_a_terminal_error(raw: bytes) -> None:
    started_at = time.process_time()
    with contextlib.suppress(tc200.TerminalError):
        tc200.decode(raw)
    assert seconds_since(started_at) < MAX_SECONDS
