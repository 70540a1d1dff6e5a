"""The simulator against a real HTTP server."""

import json
import os
import signal
import stat
import subprocess
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.__main__ import main
from agent.backoff import Backoff
from agent.simulator import SimulatorError
from agent.simulator.fleet import SEQUENCE_JUMP, FleetFile, choose_stores
from agent.simulator.scenario import FleetOptions, run
from agent.simulator.storm import Storm
from agent.tc200 import Terminal, TerminalError
from tests.agent.doubles import CODE, FakeService, problem

Run = Callable[..., tuple[int, str, str]]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def fleet(service: FakeService, tmp_path: Path) -> list[str]:
    return ["--service-url", service.url, "--code", CODE, "--state-dir", str(tmp_path / "sim")]


def ask_until_it_fails(line: Terminal) -> None:
    while True:
        line.status()


def test_the_simulated_tc200_runs_until_stopped_and_follows_its_signals(start: Start, tmp_path: Path) -> None:
    link = tmp_path / "ttyTC200"
    process = start("simulate", "tc200", "--link", link, "--serial", "S-1", "--firmware", "9.8", "--error", "用紙切れ")
    assert process.stdout is not None
    assert "S-1" in process.stdout.readline()
    with Terminal(str(link), 2) as line:
        assert (line.info().serial_number, line.info().firmware_version) == ("S-1", "9.8")
        assert line.status().text == "用紙切れ"
        process.send_signal(signal.SIGUSR1)
        assert line.status().code is None
        process.send_signal(signal.SIGUSR2)
        with pytest.raises(TerminalError):
            ask_until_it_fails(line)
    assert not link.is_symlink()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=5) == 0


def test_steady_plays_well_erroring_and_silent_terminals(
    fleet: list[str], service: FakeService, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--terminals", "4", "--interval", "1", "--seconds", "2", "--silent", "1", "--erroring", "1"]
    assert main(["simulate", "steady", *fleet, *arguments]) == 0
    streams = defaultdict(list)
    for body in service.heartbeats:
        streams[body["stream_id"]].append(body)
    assert len(streams) == 4
    assert sorted(body["serial_number"] for body in service.enrolments) == [f"SIM-00000{n}" for n in (1, 2, 3, 4)]
    counts = sorted(len(bodies) for bodies in streams.values())
    assert counts[0] == 1
    assert all(count in (2, 3) for count in counts[1:])
    errors = Counter(bodies[0]["error"] for bodies in streams.values())
    assert errors == {None: 3, "カードリーダー応答なし": 1}
    for bodies in streams.values():
        assert [body["sequence"] for body in bodies] == list(range(1, len(bodies) + 1))
    for body in service.heartbeats:
        assert all(0 <= body[key] <= 90 for key in ("cpu_usage", "memory_usage", "disk_usage"))
    assert "応答の数 200: " in capsys.readouterr().out


def test_storm_brings_every_terminal_back_each_on_a_connection_of_its_own(
    fleet: list[str], service: FakeService, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.simulator.client.Backoff", lambda rng=None: Backoff(rng, base=0.01))
    service.replies = [problem(503, "混雑", {"Retry-After": "0"}) for _ in range(5)]
    assert main(["simulate", "storm", *fleet, "--terminals", "40", "--within", "0.3"]) == 0
    out = capsys.readouterr().out
    assert "応答 200: 40 件" in out
    assert "応答 503: 5 件" in out
    assert "再送: 5 回" in out
    assert "p99" in out
    assert "復帰: 40 / 40 台" in out
    # 45 heartbeats and 40 enrolments, none of which shared a connection.
    assert service.connections == 85


def test_storm_gives_up_at_its_time_limit_with_1(
    service: FakeService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service.repeat_last = True
    service.replies = [problem(503, "混雑", {"Retry-After": "600"})]
    options = FleetOptions(service.url, CODE, tmp_path, 2, "SIM", None)
    assert run(options, Storm(0.05), keep_alive=False, seconds=0.3) == 1
    assert "復帰: 0 / 2 台" in capsys.readouterr().out


def test_a_restart_carries_on_with_the_same_tokens_streams_and_sequences(
    fleet: list[str], service: FakeService, tmp_path: Path
) -> None:
    arguments = ["simulate", "storm", *fleet, "--terminals", "3", "--within", "0.1"]
    assert main(arguments) == 0
    assert main(arguments) == 0
    assert len(service.enrolments) == 3
    assert len({body["stream_id"] for body in service.heartbeats}) == 3
    assert sorted(body["sequence"] for body in service.heartbeats) == [1, 1, 1, 2, 2, 2]
    assert stat.S_IMODE((tmp_path / "sim/fleet.db").stat().st_mode) == 0o600


def test_after_kill_9_the_sequences_still_rise(
    fleet: list[str], service: FakeService, start: Start, tmp_path: Path
) -> None:
    process = start("simulate", "steady", *fleet, "--terminals", "2", "--interval", "1", "--silent", "0")
    service.wait_for_heartbeats(2)
    process.kill()
    process.wait()
    before = len(service.heartbeats)
    assert main(["simulate", "storm", *fleet, "--terminals", "2", "--within", "0.1"]) == 0
    assert len(service.enrolments) == 2
    assert all(body["sequence"] > SEQUENCE_JUMP for body in service.heartbeats[before:])


def test_sigterm_ends_steady_cleanly_and_its_sequences_are_kept(
    fleet: list[str], service: FakeService, start: Start, tmp_path: Path
) -> None:
    process = start(
        "simulate", "steady", *fleet, "--terminals", "1", "--interval", "1", "--erroring", "0", "--silent", "0"
    )
    service.wait_for_heartbeats(1)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=5)
    assert (process.returncode, err) == (0, "")
    assert "停止しました。" in out
    file = FleetFile(tmp_path / "sim")
    (terminal,) = file.load().values()
    file.close([])
    assert 1 <= terminal.sequence < SEQUENCE_JUMP


def test_two_simulations_never_share_a_state_folder(
    fleet: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.simulator.fleet._LOCK_WAIT_SECONDS", 0.05)
    file = FleetFile(tmp_path / "sim")
    assert main(["simulate", "storm", *fleet]) == 1
    file.close([])
    assert "別のシミュレーションが使用中" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["https://tms.example.jp", "http://tms.example.jp", "https://192.168.0.2", "x"])
@pytest.mark.parametrize("scenario", ["steady", "storm"])
def test_a_simulation_speaks_only_to_this_machine(
    url: str, scenario: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--service-url", url, "--code", CODE, "--state-dir", str(tmp_path / "sim")]
    assert main(["simulate", scenario, *arguments]) == 1
    assert "エラー: " in capsys.readouterr().err
    assert not os.path.exists(tmp_path / "sim")


def test_a_refused_enrolment_ends_the_simulation_with_the_services_words(
    fleet: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    fleet[fleet.index(CODE)] = "BAD"
    assert main(["simulate", "steady", *fleet]) == 1
    assert "登録コードが正しくありません。" in capsys.readouterr().err


def test_a_stores_file_names_the_terminals_and_numbers_fill_up(tmp_path: Path) -> None:
    path = tmp_path / "stores.json"
    path.write_text(
        json.dumps([{"serial_number": "A", "store_name": "新宿店"}, {"serial_number": "B"}]), encoding="utf-8"
    )
    stores = choose_stores(3, "X", path)
    assert [(store.serial_number, store.store_name) for store in stores] == [
        ("A", "新宿店"),
        ("B", None),
        ("X-000001", "模擬店舗 1番"),
    ]
    assert len(choose_stores(None, "X", path)) == 2
    assert len(choose_stores(1, "X", path)) == 1


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "[1]", '[{"name": "x"}]', '[{"serial_number": "A"}, {"serial_number": "A"}]']
)
def test_an_unusable_stores_file_is_refused_in_japanese(tmp_path: Path, text: str) -> None:
    path = tmp_path / "stores.json"
    path.write_text(text)
    with pytest.raises(SimulatorError, match=r"JSON|重複"):
        choose_stores(None, "SIM", path)
    with pytest.raises(SimulatorError, match="読めません"):
        choose_stores(None, "SIM", tmp_path / "none.json")
