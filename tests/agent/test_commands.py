"""Commands: accepted once, run next to the heartbeats, reported until the service acknowledges."""

import hashlib
import io
import json
import random
import threading
import zipfile
from pathlib import Path

import pytest

from agent import __version__, command_book, command_report, logs
from agent.backoff import Backoff
from agent.command import Command, read_commands
from agent.command_book import Book
from agent.commands import bundle, worker
from agent.simulator.tc200 import SimulatedTerminal
from agent.state import load_credentials
from tests.agent.bench import Bench
from tests.agent.desk import CommandService
from tests.agent.doubles import TOKEN, Reply, problem

CHECKS = ["service", "clock", "disk", "memory", "serial_port", "terminal", "terminal_state", "spool", "agent"]


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (command_report, worker):
        monkeypatch.setattr(module, "Backoff", lambda *_: Backoff(base=0.01, cap=0.02))
    monkeypatch.setattr("agent.commands.rotate.Backoff", lambda *_: Backoff(base=0.01, cap=0.02))
    monkeypatch.setattr("agent.commands.bundle.Backoff", lambda *_: Backoff(base=0.01, cap=0.02))


@pytest.mark.parametrize(
    "payload",
    [None, {}, "x", [None, 5, {}], [{"id": "1", "name": "diagnose"}], [{"id": True, "name": "x"}], [{"id": 1}]],
)
def test_what_is_no_command_is_skipped(payload: object) -> None:
    assert read_commands(payload) == ()


def test_commands_come_with_or_without_arguments() -> None:
    rows = [{"id": 1, "name": "diagnose"}, {"id": 2, "name": "x", "arguments": {"a": 1}}]
    assert read_commands(rows) == (Command(1, "diagnose", {}), Command(2, "x", {"a": 1}))


def test_diagnose_names_every_check_and_finds_a_healthy_pc_healthy(
    bench: Bench, command_service: CommandService, tc200: SimulatedTerminal
) -> None:
    bench.context.recent.clock_skew = -3.0
    final_report = bench.run_command(17, "diagnose")
    checks = {row["name"]: row for row in final_report["result"]["checks"]}
    assert final_report["state"] == "done"
    assert list(checks) == CHECKS
    assert all(isinstance(row["ok"], bool) and row["detail"] for row in checks.values())
    assert [name for name in CHECKS if not checks[name]["ok"] and name not in ("disk", "memory")] == []
    assert "往復" in checks["service"]["detail"]
    assert "3.0 秒遅れて" in checks["clock"]["detail"]
    assert "TC200-000123" in checks["terminal"]["detail"]
    assert [row["state"] for row in command_service.reports[17]] == ["accepted", "running", "done"]


def test_diagnose_says_what_is_wrong_when_the_cable_is_out(bench: Bench) -> None:
    bench.context.recent.clock_skew = 600.0
    bench.spool.put({})
    checks = {row["name"]: row for row in bench.run_command(1, "diagnose")["result"]["checks"]}
    assert [name for name in CHECKS if not checks[name]["ok"] and name not in ("disk", "memory")] == [
        *("clock", "serial_port", "terminal", "terminal_state")
    ]
    assert "USBケーブル" in checks["serial_port"]["detail"]
    assert "未送信 1 件" in checks["spool"]["detail"]


def test_the_terminals_own_error_is_in_the_diagnosis(bench: Bench, tc200: SimulatedTerminal) -> None:
    tc200.toggle_error()
    checks = {row["name"]: row for row in bench.run_command(1, "diagnose")["result"]["checks"]}
    assert checks["terminal"]["ok"]
    assert checks["terminal_state"] == {
        "name": "terminal_state",
        "ok": False,
        "detail": "カードリーダー応答なし（E01）",
    }


def test_the_bundle_has_everything_but_a_secret(bench: Bench, command_service: CommandService, tmp_path: Path) -> None:
    next_token = bench.context.tokens.prepare()
    (tmp_path / logs.FILE_NAME).write_text(f"前の行\n誤って {TOKEN} と {next_token}\n")
    bench.context.recent.readings.append({"cpu_usage": 12.5})
    bench.spool.put({"n": 1})
    final_report = bench.run_command(3, "send_bundle")
    content = command_service.bundles[3]
    assert final_report["result"] == {"bytes": len(content)}
    archive = zipfile.ZipFile(io.BytesIO(content))
    texts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert set(texts) == {
        *("log.txt", "settings.json", "spool.json", "readings.json"),
        *("commands.json", "versions.json", "serial_ports.json"),
    }
    assert not any(TOKEN in text or next_token in text for text in texts.values())
    assert texts["log.txt"] == "前の行\n誤って *** と ***\n"
    assert json.loads(texts["settings.json"])["service_url"] == command_service.url
    assert json.loads(texts["spool.json"])["waiting"] == 1
    assert json.loads(texts["readings.json"]) == [{"cpu_usage": 12.5}]
    assert json.loads(texts["versions.json"])["agent"] == __version__


def test_a_huge_log_still_makes_a_bundle_of_the_size_allowed(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = random.Random(1).randbytes(2_000_000).hex().encode()
    (tmp_path / logs.FILE_NAME).write_bytes(noise)
    monkeypatch.setattr(bundle, "MAX_BUNDLE_BYTES", 500_000)
    assert 100_000 < len(bundle.make(bench.context)) <= 500_000


def test_the_log_rotates_is_private_and_its_tail_spans_the_files(tmp_path: Path) -> None:
    logger = logs.log
    before = list(logger.handlers)
    logs.to_files(tmp_path, 1)
    (added,) = [handler for handler in logger.handlers if handler not in before]
    try:
        for number in range(200):
            logger.warning("行 %d", number)
    finally:
        logger.removeHandler(added)
        added.close()
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["agent.log", "agent.log.1", "agent.log.2", "agent.log.3"]
    assert all(file.stat().st_size <= 1000 and file.stat().st_mode & 0o777 == 0o600 for file in files)
    lines = logs.tail(tmp_path, 2000).splitlines()
    assert lines[-1].endswith("行 199")
    assert [int(line.rsplit(" ", 1)[1]) for line in lines[1:]] == list(range(200 - len(lines) + 1, 200))


def test_an_unknown_command_is_reported_as_such(bench: Bench) -> None:
    final_report = bench.run_command(5, "make_coffee")
    assert (final_report["state"], final_report["result"]["code"]) == ("failed", "unknown_command")


def test_a_command_is_done_once_however_often_it_is_repeated(bench: Bench, command_service: CommandService) -> None:
    command_service.order(7, "diagnose")
    bench.take()
    bench.take()
    bench.run_to_end(7)
    bench.restart()
    bench.take()
    bench.start()
    bench.run_command(8, "diagnose")
    assert [row["state"] for row in command_service.reports[7]].count("accepted") == 1
    # When a command is repeated after its end, the final report is sent again and nothing runs again.
    assert {row["state"] for row in command_service.reports[7][2:]} == {"done"}


def test_a_final_report_that_failed_is_sent_after_a_restart(
    bench: Bench, command_service: CommandService, monkeypatch: pytest.MonkeyPatch
) -> None:
    command_service.order(7, "make_coffee")
    command_service.report_replies.extend([Reply(200), *[problem(503, "停止中")] * 1000])
    bench.take()
    bench.start()
    while bench.context.book.wait(lambda entry: entry.report is not None, 0.05) is None:
        pass
    bench.restart()
    command_service.report_replies.clear()
    assert bench.run_to_end(7)["result"]["code"] == "unknown_command"
    assert [row["state"] for row in command_service.reports[7]] == ["accepted", "failed"]


def test_a_cancelled_command_is_not_done(bench: Bench, command_service: CommandService) -> None:
    command_service.stop_at = "accepted"
    final_report = bench.run_command(1, "send_bundle")
    assert (final_report["state"], final_report["result"]["code"]) == ("failed", "cancelled")
    assert command_service.bundles == {}


def test_a_command_of_another_terminal_ends_quietly(bench: Bench, command_service: CommandService) -> None:
    bench.context.book.take([Command(99, "diagnose", {})])
    bench.run_command(100, "diagnose")
    bench.end()
    assert [row["delivered"] for row in Book(bench.settings.state_dir).figures() if row["id"] == 99] == [True]
    bench._open()


def test_a_command_that_breaks_is_reported_and_the_lane_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> dict[str, object]:
        raise RuntimeError("boom")

    monkeypatch.setattr(worker, "HANDLERS", {**worker.HANDLERS, "send_bundle": broken})
    assert bench.run_command(1, "send_bundle")["result"] == {"code": "internal_error"}
    assert bench.run_command(2, "diagnose")["state"] == "done"
    assert "boom" in caplog.text


def test_a_new_command_under_an_old_number_is_a_new_command(tmp_path: Path) -> None:
    command_book = Book(tmp_path)
    command_book.take([Command(1, "diagnose", {})])
    command_book.finish(1, {"state": "done"})
    command_book.delivered(1)
    command_book.take([Command(1, "rotate_token", {})])
    entry = Book(tmp_path).wait(lambda _: True, 0)
    assert entry is not None
    assert (entry.name, entry.report) == ("rotate_token", None)


def test_the_book_stays_small_and_a_damaged_one_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_book, "MAX_ENTRIES", 5)
    stored = Book(tmp_path)
    for number in range(1, 9):
        stored.take([Command(number, "diagnose", {})])
        stored.finish(number, {})
        stored.delivered(number)
    assert [row["id"] for row in Book(tmp_path).figures()] == [4, 5, 6, 7, 8]
    (tmp_path / command_book.FILE_NAME).write_text('[{"id": 1}]')
    assert Book(tmp_path).figures() == []


def test_a_full_disk_takes_no_command_and_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stored = Book(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(command_book, "write_private", full)
        stored.take([Command(1, "diagnose", {})])
    assert stored.wait(lambda _: True, 0) is None
    assert "空き容量" in caplog.text
    stored.take([Command(1, "diagnose", {})])
    assert stored.wait(lambda _: True, 0) is not None


@pytest.mark.parametrize("faults", [[], ["before"], ["after"], ["before", "after"]], ids=str)
def test_a_rotated_token_is_the_only_one_whatever_answer_is_lost(
    bench: Bench, command_service: CommandService, tmp_path: Path, faults: list[str]
) -> None:
    command_service.token_faults.extend(faults)
    old = command_service.valid_token_hash
    assert bench.run_command(4, "rotate_token")["state"] == "done"
    credentials = load_credentials(tmp_path)
    assert credentials is not None
    assert command_service.valid_token_hash != old
    assert (credentials.token != TOKEN, credentials.next_token) == (True, None)
    assert command_service.report_tokens[-1] == f"Bearer {credentials.token}"
    assert len(credentials.token) >= 43
    # The next command uses the new token only.
    assert bench.run_command(5, "diagnose")["state"] == "done"


def test_a_refused_rotation_keeps_the_current_token_and_the_next_one(
    bench: Bench, command_service: CommandService, tmp_path: Path
) -> None:
    command_service.token_faults.append("refused")
    final_report = bench.run_command(4, "rotate_token")
    credentials = load_credentials(tmp_path)
    assert final_report["state"] == "failed"
    assert "いまは変更できません。" in final_report["message"]
    assert credentials is not None
    assert credentials.token == TOKEN
    assert credentials.next_token
    assert bench.run_command(5, "diagnose")["state"] == "done"


def test_a_rotation_killed_after_the_service_took_it_ends_after_the_restart(
    bench: Bench, command_service: CommandService, tmp_path: Path
) -> None:
    """The agent died between the PUT and its answer: the file has both tokens, the service knows the next one only."""
    command_service.valid_token_hash = hashlib.sha256(bench.context.tokens.prepare().encode()).hexdigest()
    bench.end()
    before = load_credentials(tmp_path)
    assert before is not None
    bench.credentials = before
    bench._open()
    assert bench.run_command(4, "rotate_token")["state"] == "done"
    after = load_credentials(tmp_path)
    assert after is not None
    assert after.next_token is None
    assert hashlib.sha256(after.token.encode()).hexdigest() == command_service.valid_token_hash


def test_progress_is_reported_at_new_steps_and_otherwise_every_five_seconds(
    bench: Bench, command_service: CommandService
) -> None:
    command_service.order(1, "x")
    progress = command_report.Progress(
        command_report.CommandClient(bench.settings, bench.context.tokens), 1, threading.Event()
    )
    for percent in range(50):
        progress.update("downloading", percent)
    progress.update("verifying")
    progress.desk.close()
    assert [(row["step"], row["percent"]) for row in command_service.reports[1]] == [
        ("downloading", 0),
        ("verifying", None),
    ]


def test_progress_that_cannot_be_reported_does_not_block_the_work(
    bench: Bench, command_service: CommandService
) -> None:
    command_service.order(1, "x")
    command_service.report_replies.append(problem(503, "混雑", {"Retry-After": "60"}))
    progress = command_report.Progress(
        command_report.CommandClient(bench.settings, bench.context.tokens), 1, threading.Event()
    )
    for step in ("downloading", "verifying", "installing"):
        progress.update(step)
    progress.desk.close()
    assert 1 not in command_service.reports
    assert len(command_service.report_tokens) == 1
