"""The commands as a technician runs them."""

import json
import re
import signal
import socket
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from agent import __version__
from agent.__main__ import main
from agent.simulator.tc200 import SimulatedTerminal
from agent.spool import Spool
from tests.agent.doubles import CODE, TOKEN, FakeService, Reply, problem

Run = Callable[..., tuple[int, str, str]]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def enrolled(config_file: Path, service: FakeService, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["enrol", "--config", str(config_file), "--code", CODE, "--serial", "TC200-000123"]) == 0
    capsys.readouterr()
    return config_file


def test_enrol_reads_the_serial_number_from_the_terminal_and_keeps_the_token_private(
    config_file: Path, service: FakeService, tc200: SimulatedTerminal, agent: Run, tmp_path: Path
) -> None:
    status, out, err = agent("enrol", "--config", config_file, "--code", CODE)
    assert (status, err) == (0, "")
    assert "登録しました（シリアル番号 TC200-000123、端末ID 1）" in out
    assert TOKEN not in out
    assert service.enrolments == [
        {"enrolment_code": CODE, "serial_number": "TC200-000123", "store_name": "新宿店", "agent_version": __version__}
    ]
    credentials_file = tmp_path / "state/credentials.json"
    assert stat.S_IMODE(credentials_file.stat().st_mode) == 0o600
    assert json.loads(credentials_file.read_text())["token"] == TOKEN


def test_enrol_shows_the_services_own_words(
    config_file: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["enrol", "--config", str(config_file), "--code", "BAD", "--serial", "S"]) == 1
    assert "登録コードが正しくありません。" in capsys.readouterr().err
    assert not (tmp_path / "state/credentials.json").exists()


def test_enrol_without_a_terminal_says_what_to_check(config_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["enrol", "--config", str(config_file), "--code", CODE]) == 1
    assert "USBケーブルを確認するか、--serial で" in capsys.readouterr().err


def test_unsent_heartbeats_of_one_terminal_are_never_sent_as_anothers(
    enrolled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spool = Spool(tmp_path / "state/spool.db", 10)
    stream = spool.stream_id
    spool.put({})
    spool.close()
    (tmp_path / "state/firmware_version").write_text("9.9.9")
    assert main(["enrol", "--config", str(enrolled), "--code", CODE, "--serial", "OTHER"]) == 0
    assert not (tmp_path / "state/firmware_version").exists()
    assert "未送信ハートビート 1 件は、この端末のものではない" in capsys.readouterr().out
    spool = Spool(tmp_path / "state/spool.db", 10)
    assert (spool.count(), spool.stream_id == stream) == (0, False)
    spool.close()


@pytest.mark.parametrize("command", ["run", "once"])
def test_nothing_runs_before_enrolment(command: str, config_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--config", str(config_file)]) == 1
    assert "先に enrol で登録してください" in capsys.readouterr().err


def test_once_sends_everything_and_exits_0(enrolled: Path, service: FakeService, agent: Run, tmp_path: Path) -> None:
    spool = Spool(tmp_path / "state/spool.db", 10)
    spool.put({"old": 1})
    spool.close()
    status, out, err = agent("once", "--config", enrolled)
    assert (status, out) == (0, "送信しました（未送信 0 件）。\n")
    assert [body["sequence"] for body in service.heartbeats] == [1, 2]
    assert re.search(r"\d\d:\d\d:\d\d,\d+ 情報 ハートビート 2 を送信しました", err)
    assert TOKEN not in err


def test_once_exits_1_with_the_reason_and_keeps_what_is_left(enrolled: Path, service: FakeService, agent: Run) -> None:
    service.replies = [problem(503, "メンテナンス中です。")]
    status, _, err = agent("once", "--config", enrolled)
    assert status == 1
    assert "エラー: メンテナンス中です。（HTTP 503）。未送信のハートビート 1 件は保存されています。" in err
    status, _, _ = agent("once", "--config", enrolled)
    assert status == 0
    assert [body["sequence"] for body in service.heartbeats] == [1, 1, 2]


def test_once_with_a_refused_token_says_to_enrol_again(enrolled: Path, service: FakeService, agent: Run) -> None:
    service.replies = [problem(401, "トークンが取り消されました。")]
    status, _, err = agent("once", "--config", enrolled)
    assert status == 1
    assert "トークンが取り消されました。" in err
    assert "enrol で登録し直してください" in err


@pytest.mark.parametrize(
    ("number", "hanging"),
    [(signal.SIGTERM, False), (signal.SIGINT, False), (signal.SIGTERM, True)],
    ids=["SIGTERM", "SIGINT", "in the middle of a request"],
)
def test_run_stops_at_once_and_loses_nothing(
    enrolled: Path, service: FakeService, start: Start, number: signal.Signals, hanging: bool, tmp_path: Path
) -> None:
    service.replies = [Reply(200, {}, hold=True)] if hanging else [problem(500, "x")]
    process = start("run", "--config", enrolled)
    service.wait_for_heartbeats(1)
    if not hanging:
        assert process.stderr is not None
        assert any("送信できません" in line for line in process.stderr)
    process.send_signal(number)
    _, err = process.communicate(timeout=5)  # less than it waits for an answer or for the next heartbeat
    assert process.returncode == 0
    assert "停止しました。" in err
    assert TOKEN not in err
    spool = Spool(tmp_path / "state/spool.db", 10)
    waiting, count = spool.oldest(), spool.count()
    spool.close()
    if hanging:
        # No heartbeat is sent before the one that hangs; the shutdown waits in the spool behind it.
        assert waiting is not None
        assert (waiting.sequence, count) == (1, 2)
    else:
        assert [(body["sequence"], body["event"]) for body in service.heartbeats[1:]] == [
            (1, "started"),
            (2, "shutdown"),
        ]
        assert count == 0


def test_a_second_agent_and_an_enrolment_are_kept_out_while_one_runs(
    enrolled: Path,
    service: FakeService,
    start: Start,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agent.spool._LOCK_WAIT_SECONDS", 0.05)
    start("run", "--config", enrolled)
    service.wait_for_heartbeats(1)
    assert main(["enrol", "--config", str(enrolled), "--code", CODE, "--serial", "S"]) == 1
    assert "先に停止してから" in capsys.readouterr().err
    assert len(service.enrolments) == 1


def test_kill_9_in_the_middle_of_a_request_repeats_the_same_heartbeat(
    enrolled: Path, service: FakeService, start: Start, agent: Run
) -> None:
    service.replies = [Reply(200, {}, hold=True)]
    process = start("run", "--config", enrolled)
    service.wait_for_heartbeats(1)
    process.kill()
    process.wait()
    assert agent("once", "--config", enrolled)[0] == 0
    first, again, new = service.heartbeats
    assert first.pop("agent_time") < again.pop("agent_time")
    assert first == again
    assert new["sequence"] == 2


def test_plain_http_to_another_machine_is_refused_before_anything_is_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*_: object) -> None:
        pytest.fail("the agent used the network")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    path = tmp_path / "a.toml"
    path.write_text('service_url = "http://tms.example.jp"\nserial_port = "x"\n')
    assert main(["enrol", "--config", str(path), "--code", CODE, "--serial", "S"]) == 1
    assert "暗号化されない http:// のため使用できません" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "次の指定が必要です: コマンド"),
        (["enrol"], "次の指定が必要です: --code"),
        (["enrol", "--code"], "--code には値が1つ必要です"),
        (["fly"], "'fly' は使えません"),
        (["run", "--fast"], "不明な指定です: --fast"),
        (["simulate", "steady", "--interval", "x"], "1〜3600 の数で指定してください"),
        (["simulate", "storm", "--terminals", "20001"], "1〜20000 の整数で指定してください"),
        (["simulate", "storm", "--seconds", "0"], "1〜86400 の数で指定してください"),
        (["simulate", "tc200", "--error", "長" * 41], "1〜40 文字で指定してください"),
    ],
)
def test_a_wrong_command_line_is_explained_in_japanese(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(arguments)
    assert exit_info.value.code == 2
    err = capsys.readouterr().err
    assert message in err
    assert "usage" not in err


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["enrol"],
        ["run"],
        ["once"],
        ["simulate"],
        ["simulate", "tc200"],
        ["simulate", "steady"],
        *(["simulate", name] for name in ("storm", "outage", "flapping", "bad-firmware", "clock-skew", "cloned-token")),
    ],
)
def test_every_help_is_japanese_and_every_option_is_in_the_readme(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([*command, "--help"])
    text = capsys.readouterr().out
    assert text.startswith("使い方: ")
    assert not re.search(r"\b(usage|options|positional|show this)\b", text)
    readme = (Path(__file__).resolve().parents[2] / "agent/README.md").read_text(encoding="utf-8")
    options = set(re.findall(r"--[a-z-]+", text)) - {"--help", "--version"}
    assert [option for option in options if option not in readme] == []
