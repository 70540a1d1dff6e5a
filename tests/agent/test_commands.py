"""Commands: taken once, done beside the heartbeats, reported until the service knows."""

import hashlib
import io
import json
import random
import threading
import zipfile
from pathlib import Path

import pytest

from agent import __version__, logs
from agent.backoff import Backoff
from agent.commands import Command, book, bundle, read_commands, report, worker
from agent.commands.book import Book
from agent.simulator.tc200 import SimulatedTerminal
from agent.state import load_credentials
from tests.agent.bench import Bench
from tests.agent.desk import CommandService
from tests.agent.doubles import TOKEN, Reply, problem

CHECKS = ["service", "clock", "disk", "memory", "serial_port", "terminal", "terminal_state", "spool", "agent"]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (report, worker):
        monkeypatch.setattr(module, "Backoff", lambda *_: Backoff(base=0.01, cap=0.02))
    monkeypatch.setattr("agent.commands.rotate.Backoff", lambda *_: Backoff(base=0.01, cap=0.02))
    monkeypatch.setattr("agent.commands.bundle.Backoff", lambda *_: Backoff(base=0.01, cap=0.02))


@pytest.mark.parametrize(
    "listed",
    [None, {}, "x", [None, 5, {}], [{"id": "1", "name": "diagnose"}], [{"id": True, "name": "x"}], [{"id": 1}]],
)
def test_what_is_no_command_is_skipped(listed: object) -> None:
    assert read_commands(listed) == ()


def test_commands_come_with_or_without_arguments() -> None:
    rows = [{"id": 1, "name": "diagnose"}, {"id": 2, "name": "x", "arguments": {"a": 1}}]
    assert read_commands(rows) == (Command(1, "diagnose", {}), Command(2, "x", {"a": 1}))


def test_diagnose_names_every_check_and_finds_a_healthy_pc_healthy(
    bench: Bench, desk: CommandService, tc200: SimulatedTerminal
) -> None:
    bench.context.recent.clock_skew = -3.0
    end = bench.do(17, "diagnose")
    checks = {row["name"]: row for row in end["result"]["checks"]}
    assert end["state"] == "done"
    assert list(checks) == CHECKS
    assert all(isinstance(row["ok"], bool) and row["detail"] for row in checks.values())
    assert [name for name in CHECKS if not checks[name]["ok"] and name not in ("disk", "memory")] == []
    assert "往復" in checks["service"]["detail"]
    assert "3.0 秒遅れて" in checks["clock"]["detail"]
    assert "TC200-000123" in checks["terminal"]["detail"]
    assert [row["state"] for row in desk.reports[17]] == ["accepted", "running", "done"]


def test_diagnose_says_what_is_wrong_when_the_cable_is_out(bench: Bench) -> None:
    bench.context.recent.clock_skew = 600.0
    bench.spool.put({})
    checks = {row["name"]: row for row in bench.do(1, "diagnose")["result"]["checks"]}
    assert [name for name in CHECKS if not checks[name]["ok"] and name not in ("disk", "memory")] == [
        *("clock", "serial_port", "terminal", "terminal_state")
    ]
    assert "USBケーブル" in checks["serial_port"]["detail"]
    assert "未送信 1 件" in checks["spool"]["detail"]


def test_the_terminals_own_error_is_in_the_diagnosis(bench: Bench, tc200: SimulatedTerminal) -> None:
    tc200.toggle_error()
    checks = {row["name"]: row for row in bench.do(1, "diagnose")["result"]["checks"]}
    assert checks["terminal"]["ok"]
    assert checks["terminal_state"] == {
        "name": "terminal_state",
        "ok": False,
        "detail": "カードリーダー応答なし（E01）",
    }


def test_the_bundle_has_everything_but_a_secret(bench: Bench, desk: CommandService, tmp_path: Path) -> None:
    next_token = bench.context.tokens.prepare()
    (tmp_path / logs.FILE_NAME).write_text(f"前の行\n誤って {TOKEN} と {next_token}\n")
    bench.context.recent.readings.append({"cpu_usage": 12.5})
    bench.spool.put({"n": 1})
    end = bench.do(3, "send_bundle")
    content = desk.bundles[3]
    assert end["result"] == {"bytes": len(content)}
    archive = zipfile.ZipFile(io.BytesIO(content))
    texts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert set(texts) == {
        *("log.txt", "settings.json", "spool.json", "readings.json"),
        *("commands.json", "versions.json", "serial_ports.json"),
    }
    assert not any(TOKEN in text or next_token in text for text in texts.values())
    assert texts["log.txt"] == "前の行\n誤って *** と ***\n"
    assert json.loads(texts["settings.json"])["service_url"] == desk.url
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
    end = bench.do(5, "make_coffee")
    assert (end["state"], end["result"]["code"]) == ("failed", "unknown_command")


def test_a_command_is_done_once_however_often_it_is_repeated(bench: Bench, desk: CommandService) -> None:
    desk.order(7, "diagnose")
    bench.take()
    bench.take()
    bench.done(7)
    bench.restart()
    bench.take()
    bench.start()
    bench.do(8, "diagnose")
    assert [row["state"] for row in desk.reports[7]].count("accepted") == 1
    # Asked for again after its end, the end is told again and nothing is done again.
    assert {row["state"] for row in desk.reports[7][2:]} == {"done"}


def test_an_end_that_could_not_be_told_is_told_after_a_restart(
    bench: Bench, desk: CommandService, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.order(7, "make_coffee")
    desk.report_replies.extend([Reply(200), *[problem(503, "停止中")] * 1000])
    bench.take()
    bench.start()
    while bench.context.book.wait(lambda entry: entry.report is not None, 0.05) is None:
        pass
    bench.restart()
    desk.report_replies.clear()
    assert bench.done(7)["result"]["code"] == "unknown_command"
    assert [row["state"] for row in desk.reports[7]] == ["accepted", "failed"]


def test_a_cancelled_command_is_not_done(bench: Bench, desk: CommandService) -> None:
    desk.stop_at = "accepted"
    end = bench.do(1, "send_bundle")
    assert (end["state"], end["result"]["code"]) == ("failed", "cancelled")
    assert desk.bundles == {}


def test_somebody_elses_command_ends_quietly(bench: Bench, desk: CommandService) -> None:
    bench.context.book.take([Command(99, "diagnose", {})])
    bench.do(100, "diagnose")
    bench.end()
    assert [row["delivered"] for row in Book(bench.settings.state_dir).figures() if row["id"] == 99] == [True]
    bench._open()


def test_a_command_that_breaks_is_reported_and_the_lane_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> dict[str, object]:
        raise RuntimeError("boom")

    monkeypatch.setattr(worker, "HANDLERS", {**worker.HANDLERS, "send_bundle": broken})
    assert bench.do(1, "send_bundle")["result"] == {"code": "internal_error"}
    assert bench.do(2, "diagnose")["state"] == "done"
    assert "boom" in caplog.text


def test_a_new_command_under_an_old_number_is_a_new_command(tmp_path: Path) -> None:
    kept = Book(tmp_path)
    kept.take([Command(1, "diagnose", {})])
    kept.finish(1, {"state": "done"})
    kept.delivered(1)
    kept.take([Command(1, "rotate_token", {})])
    entry = Book(tmp_path).wait(lambda _: True, 0)
    assert entry is not None
    assert (entry.name, entry.report) == ("rotate_token", None)


def test_the_book_stays_small_and_a_damaged_one_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "KEPT", 5)
    kept = Book(tmp_path)
    for number in range(1, 9):
        kept.take([Command(number, "diagnose", {})])
        kept.finish(number, {})
        kept.delivered(number)
    assert [row["id"] for row in Book(tmp_path).figures()] == [4, 5, 6, 7, 8]
    (tmp_path / book.FILE_NAME).write_text('[{"id": 1}]')
    assert Book(tmp_path).figures() == []


def test_a_full_disk_takes_no_command_and_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Book(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(book, "write_private", full)
        kept.take([Command(1, "diagnose", {})])
    assert kept.wait(lambda _: True, 0) is None
    assert "空き容量" in caplog.text
    kept.take([Command(1, "diagnose", {})])
    assert kept.wait(lambda _: True, 0) is not None


@pytest.mark.parametrize("faults", [[], ["before"], ["after"], ["before", "after"]], ids=str)
def test_a_rotated_token_is_the_only_one_whatever_answer_is_lost(
    bench: Bench, desk: CommandService, tmp_path: Path, faults: list[str]
) -> None:
    desk.token_faults.extend(faults)
    old = desk.valid
    assert bench.do(4, "rotate_token")["state"] == "done"
    kept = load_credentials(tmp_path)
    assert kept is not None
    assert desk.valid != old
    assert (kept.token != TOKEN, kept.next_token) == (True, None)
    assert desk.report_tokens[-1] == f"Bearer {kept.token}"
    assert len(kept.token) >= 43
    # The next command goes with the new token alone.
    assert bench.do(5, "diagnose")["state"] == "done"


def test_a_refused_rotation_keeps_the_present_token_and_the_next_one_beside_it(
    bench: Bench, desk: CommandService, tmp_path: Path
) -> None:
    desk.token_faults.append("refused")
    end = bench.do(4, "rotate_token")
    kept = load_credentials(tmp_path)
    assert end["state"] == "failed"
    assert "いまは変更できません。" in end["message"]
    assert kept is not None
    assert kept.token == TOKEN
    assert kept.next_token
    assert bench.do(5, "diagnose")["state"] == "done"


def test_a_rotation_killed_after_the_service_took_it_ends_after_the_restart(
    bench: Bench, desk: CommandService, tmp_path: Path
) -> None:
    """Died between the PUT and its answer: the file has both tokens, the service knows the next one only."""
    desk.valid = hashlib.sha256(bench.context.tokens.prepare().encode()).hexdigest()
    bench.end()
    found = load_credentials(tmp_path)
    assert found is not None
    bench.credentials = found
    bench._open()
    assert bench.do(4, "rotate_token")["state"] == "done"
    kept = load_credentials(tmp_path)
    assert kept is not None
    assert kept.next_token is None
    assert hashlib.sha256(kept.token.encode()).hexdigest() == desk.valid


def test_progress_is_told_at_new_steps_and_else_all_five_seconds(bench: Bench, desk: CommandService) -> None:
    desk.order(1, "x")
    progress = report.Progress(report.CommandClient(bench.settings, bench.context.tokens), 1, threading.Event())
    for percent in range(50):
        progress.tell("downloading", percent)
    progress.tell("verifying")
    progress.desk.close()
    assert [(row["step"], row["percent"]) for row in desk.reports[1]] == [("downloading", 0), ("verifying", None)]


def test_progress_that_cannot_be_told_does_not_hold_up_the_work(bench: Bench, desk: CommandService) -> None:
    desk.order(1, "x")
    desk.report_replies.append(problem(503, "混雑", {"Retry-After": "60"}))
    progress = report.Progress(report.CommandClient(bench.settings, bench.context.tokens), 1, threading.Event())
    for step in ("downloading", "verifying", "installing"):
        progress.tell(step)
    progress.desk.close()
    assert 1 not in desk.reports
    assert len(desk.report_tokens) == 1
