"""The serial line, clean and dirty, on a real pty."""

import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import tc200
from agent.simulator import SimulatorError
from agent.simulator.tc200 import SimulatedTerminal
from agent.tc200 import Line, Status, Terminal, TerminalError, checksum, decode, encode
from tests.agent.doubles import FakeSerialLine

MakeLine = Callable[[Callable[[bytes], bytes | None]], FakeSerialLine]
TIMEOUT = 0.2
# Far more than the timeout on any machine: a call that takes longer hangs.
ENDLESS_SECONDS = 30
INFO = {"serial": "TC200-000123", "model": "TC-200", "firmware": "2.3.4", "protocol": "1"}


def valid_answer(raw: bytes) -> bytes:
    request = decode(raw)
    values = INFO if request.command == "INFO" else {"state": "ok"}
    return encode(Line("<", request.number, request.command, "OK", values))


def test_the_checksum_is_the_one_in_the_readme() -> None:
    assert checksum(b"123456789") == 0x29B1


def test_the_readmes_examples_are_valid_lines() -> None:
    readme = (Path(__file__).resolve().parents[2] / "agent/README.md").read_text(encoding="utf-8")
    examples = re.findall(r"^[<>]\d{4} .*$", readme, re.MULTILINE)
    assert len(examples) == 12
    for example in examples:
        assert encode(decode(example.encode() + b"\r\n")) == example.encode() + b"\r\n"


@settings(max_examples=40)
@given(
    st.integers(0, 9999),
    st.dictionaries(st.from_regex(r"[a-z0-9_]{1,16}", fullmatch=True), st.text(max_size=8), max_size=4),
)
def test_any_text_travels_unharmed(number: int, values: dict[str, str]) -> None:
    values = {key: value.encode("utf-8", "ignore").decode() for key, value in values.items()}
    raw = encode(Line("<", number, "STATUS", "OK", values))
    assert raw.isascii()
    assert decode(raw) == Line("<", number, "STATUS", "OK", values)


def test_a_line_may_be_as_long_as_a_terminal_reads() -> None:
    empty = len(encode(Line(">", 1, "SET", "", {"x": ""})))
    longest = "a" * (tc200.MAX_LINE_BYTES - empty)
    assert len(encode(Line(">", 1, "SET", "", {"x": longest}))) == tc200.MAX_LINE_BYTES
    with pytest.raises(ValueError, match="512 bytes"):
        encode(Line(">", 1, "SET", "", {"x": longest + "a"}))


@given(st.binary(max_size=600))
def test_no_bytes_whatever_pass_for_a_line_or_raise_anything_unnamed(raw: bytes) -> None:
    with pytest.raises(TerminalError):
        decode(raw + b"\n")


@given(st.integers(0, 60), st.integers(1, 255))
def test_one_damaged_byte_never_goes_unnoticed(place: int, flip: int) -> None:
    raw = bytearray(encode(Line("<", 17, "INFO", "OK", INFO)))
    raw[place] ^= flip
    with pytest.raises(TerminalError):
        decode(bytes(raw))


def test_the_simulated_terminal_says_who_and_how_it_is(tc200: SimulatedTerminal, tmp_path: Path) -> None:
    with Terminal(str(tmp_path / "tc200"), 2) as line:
        info = line.info()
        assert (info.serial_number, info.model, info.firmware_version) == ("TC200-000123", "TC-200", "2.3.4")
        assert line.status() == Status(None, None)
        tc200.toggle_error()
        assert line.status() == Status("E01", "カードリーダー応答なし")


def test_noise_and_half_lines_before_the_answer_do_no_harm(fake_line: MakeLine) -> None:
    line = fake_line(lambda raw: b"\xff\x00~~\r\n<0001 INF\n" + raw + b"x" * 900 + b"\n" + valid_answer(raw))
    with Terminal(line.port, 2) as terminal:
        assert terminal.info().firmware_version == "2.3.4"
    assert len(line.requests) == 1


def test_what_was_on_the_line_before_the_request_is_not_taken_for_the_answer(fake_line: MakeLine) -> None:
    answers: list[bytes] = []

    def twice(raw: bytes) -> bytes:
        answers.append(valid_answer(raw))
        return b"".join(answers)

    line = fake_line(twice)
    with Terminal(line.port, 2) as terminal:
        assert terminal.info().serial_number == "TC200-000123"
        assert terminal.status() == Status(None, None)
        assert terminal.info().serial_number == "TC200-000123"


def test_the_second_attempt_succeeds_when_the_first_answer_was_damaged(fake_line: MakeLine) -> None:
    calls: list[bytes] = []

    def damaged_once(raw: bytes) -> bytes:
        calls.append(raw)
        return valid_answer(raw) if len(calls) > 1 else valid_answer(raw).replace(b"2.3.4", b"2.3.5")

    with Terminal(fake_line(damaged_once).port, TIMEOUT) as terminal:
        assert terminal.info().firmware_version == "2.3.4"
    assert decode(calls[0]).number != decode(calls[1]).number


def late_answer(raw: bytes) -> bytes:
    request = decode(raw)
    return encode(Line("<", (request.number + 5) % 10000, request.command, "OK", INFO))


def refuse(raw: bytes) -> bytes:
    return encode(Line("<", decode(raw).number, "INFO", "NG", {"code": "UNKNOWN_COMMAND"}))


def info_with(**changes: str) -> Callable[[bytes], bytes]:
    return lambda raw: encode(Line("<", decode(raw).number, "INFO", "OK", INFO | changes))


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda raw: b"", tc200.NoAnswer),
        (lambda raw: b"\xff\xfe\x00garbage\r\n", tc200.Garbled),
        (lambda raw: raw, tc200.WrongAnswer),
        (late_answer, tc200.WrongAnswer),
        (lambda raw: valid_answer(raw)[:20], tc200.PartialLine),
        (lambda raw: valid_answer(raw)[:-6] + b"0000\r\n", tc200.WrongChecksum),
        (lambda raw: b"A" * 2000, tc200.LineTooLong),
        (refuse, tc200.Refused),
        (info_with(protocol="2"), tc200.WrongProtocol),
        (info_with(serial=""), tc200.Garbled),
        (info_with(serial="9" * 51), tc200.Garbled),
        (lambda raw: None, tc200.Unplugged),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_every_fault_of_the_line_has_a_name_and_never_hangs(
    fake_line: MakeLine,
    answer: Callable[[bytes], bytes | None],
    name: type[TerminalError],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tc200, "ATTEMPTS", 1)
    line = fake_line(answer)
    started = monotonic()
    with Terminal(line.port, TIMEOUT) as terminal, pytest.raises(TerminalError) as fault:
        terminal.info()
    assert type(fault.value) is name
    assert "TC-200" in str(fault.value)
    assert monotonic() - started < ENDLESS_SECONDS


def test_a_line_that_never_stops_talking_is_left_at_the_timeout(
    fake_line: MakeLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tc200, "ATTEMPTS", 1)
    stop = threading.Event()
    line = fake_line(lambda raw: b"")
    descriptor = os.open(line.port, os.O_RDWR | os.O_NOCTTY)
    master = line._master

    def babble() -> None:
        os.set_blocking(master, False)
        while not stop.wait(0.001):
            try:
                os.write(master, b"blah\n" * 100)
            except BlockingIOError:
                continue

    thread = threading.Thread(target=babble)
    thread.start()
    started = monotonic()
    try:
        with Terminal(line.port, TIMEOUT) as terminal, pytest.raises(tc200.Garbled):
            terminal.info()
    finally:
        stop.set()
        thread.join()
        os.close(descriptor)
    assert monotonic() - started < ENDLESS_SECONDS


@pytest.mark.parametrize("port", ["none", ".", "file", "nul\0"])
def test_an_absent_or_impossible_port_is_named(tmp_path: Path, port: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(tc200.PortUnavailable, match="ポートを開けません"):
        Terminal(str(tmp_path / port), TIMEOUT)


def test_two_programs_never_share_the_line(tc200: SimulatedTerminal, tmp_path: Path) -> None:
    with Terminal(str(tmp_path / "tc200"), 1), pytest.raises(TerminalError, match="ポートを開けません"):
        Terminal(str(tmp_path / "tc200"), 1)


def test_words_from_the_line_carry_no_control_characters(fake_line: MakeLine) -> None:
    def answer(raw: bytes) -> bytes:
        values = {"state": "error", "code": "E\n1", "text": "紙\x1b[31m切れ" + "長" * 36}
        return encode(Line("<", decode(raw).number, "STATUS", "OK", values))

    with Terminal(fake_line(answer).port, 2) as terminal:
        status = terminal.status()
    assert status.code == "E 1"
    assert status.text is not None
    assert status.text.startswith("紙 [31m切れ")
    assert len(status.text) == tc200.MAX_TEXT_CHARACTERS


def test_the_simulated_terminal_ignores_a_damaged_request_and_answers_the_next(
    tc200: SimulatedTerminal, tmp_path: Path
) -> None:
    descriptor = os.open(tmp_path / "tc200", os.O_RDWR | os.O_NOCTTY)
    try:
        request = encode(Line(">", 41, "REBOOT", None, {}))
        os.write(descriptor, b"\xff\n" + request.replace(b"41", b"40") + b"Z" * 600 + b"\n" + request)
        answer = decode(os.read(descriptor, 512))
    finally:
        os.close(descriptor)
    assert (answer.number, answer.command, answer.result) == (41, "REBOOT", "NG")


def test_the_simulated_terminal_never_overwrites_a_file(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    with pytest.raises(SimulatorError, match="既に存在します"):
        SimulatedTerminal(tmp_path / "precious", "S", "1")
    assert (tmp_path / "precious").read_text() == "x"
