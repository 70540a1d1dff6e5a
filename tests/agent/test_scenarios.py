"""Simulated fleets with failures, and how they run the service's commands."""

import random
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from agent.__main__ import main
from agent.arguments import parse
from agent.simulator import scenarios
from agent.simulator.absences import Flapping, Outage
from agent.simulator.fleet import FleetFile
from tests.agent.desk import CommandService
from tests.agent.doubles import CODE

INTERVAL = 0.3
FILE = random.Random(3).randbytes(600_000)
RunScenario = Callable[..., dict[str, list[dict[str, Any]]]]


@pytest.fixture
def run_scenario(command_service: CommandService, tmp_path: Path) -> RunScenario:
    """Runs a scenario against the service for some seconds; returns the heartbeats by stream."""

    def run(scenario: str, seconds: float, *more: object) -> dict[str, list[dict[str, Any]]]:
        common = ["--service-url", command_service.url, "--code", CODE, "--state-dir", str(tmp_path / "sim")]
        options = parse(["simulate", scenario, *common, "--seconds", str(seconds), *map(str, more)])
        # The command line refuses so short an interval.
        options.interval = INTERVAL
        assert scenarios.run_from_options(options) == 0
        streams = defaultdict(list)
        for body in command_service.heartbeats:
            streams[body["stream_id"]].append(body)
        return streams

    return run


def test_a_simulated_terminal_runs_every_command(
    run_scenario: RunScenario, command_service: CommandService, tmp_path: Path
) -> None:
    for number, name in enumerate(("diagnose", "send_bundle", "rotate_token", "make_coffee"), 1):
        command_service.order(number, name)
    command_service.order_update(5, "2.0.0", FILE)
    command_service.token_faults.append("after")
    (heartbeats,) = run_scenario(
        "steady", 4.0, "--terminals", 1, "--silent", 0, "--erroring", 0, "--update-seconds", 0.2
    ).values()
    assert {number: report["state"] for number, report in command_service.final_reports.items()} == {
        **{1: "done", 2: "done", 3: "done", 4: "failed", 5: "done"}
    }
    assert [row["name"] for row in command_service.final_reports[1]["result"]["checks"]][:2] == ["service", "clock"]
    assert command_service.bundles[2][:2] == b"PK"
    assert command_service.steps(5) == ["downloading", "verifying", "installing", "restarting", "confirming"]
    # The token rotation may make a range request fail; it is repeated with the new token.
    pieces = list(dict.fromkeys(headers["Range"] for headers in command_service.downloads))
    assert pieces == ["bytes=0-262143", "bytes=262144-524287", "bytes=524288-599999"]
    assert (heartbeats[0]["firmware_version"], heartbeats[-1]["firmware_version"]) == ("1.0.0", "2.0.0")
    file = FleetFile(tmp_path / "sim")
    (terminal,) = file.load().values()
    file.close([])
    assert (terminal.firmware_version, terminal.next_token) == ("2.0.0", None)
    assert command_service._is_valid(f"Bearer {terminal.token}")


def test_an_accepted_command_is_done_after_a_restart_without_being_sent_again(
    run_scenario: RunScenario, command_service: CommandService
) -> None:
    quiet = ["--terminals", 1, "--silent", 0, "--erroring", 0]
    command_service.order_update(1, "2.0.0", FILE[:1000])
    run_scenario("steady", 1.0, *quiet, "--update-seconds", 60)
    assert command_service.steps(1)[-1] == "verifying"

    (heartbeats,) = run_scenario("steady", 2.0, *quiet, "--update-seconds", 0.2).values()

    assert command_service.final_reports[1]["state"] == "done"
    assert heartbeats[-1]["firmware_version"] == "2.0.0"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("device_refused", {"code": "device_refused", "rolled_back": False}),
        ("wrong_version_after_restart", {"code": "wrong_version_after_restart", "rolled_back": True}),
        ("errors", {"version": "2.0.0"}),
        ("silent", None),
    ],
)
def test_bad_firmware_fails_in_the_way_asked_for(
    run_scenario: RunScenario, command_service: CommandService, kind: str, expected: dict[str, Any] | None
) -> None:
    command_service.order_update(1, "2.0.0", FILE[:1000])
    more = ["--update-failures", 1, "--update-failure-kinds", kind, "--update-seconds", 0.2]
    (heartbeats,) = run_scenario("bad-firmware", 2.0, "--terminals", 1, *more).values()
    assert command_service.final_reports.get(1, {}).get("result") == expected
    if kind == "silent":
        assert command_service.steps(1)[-1] == "restarting"
        assert len(heartbeats) - command_service.reports[1][-1]["heartbeats"] <= 1  # one may be in progress
    assert (heartbeats[-1]["error"] is not None) == (kind == "errors")
    assert heartbeats[-1]["firmware_version"] == ("2.0.0" if kind == "errors" else "1.0.0")


def test_a_site_falls_silent_together_and_comes_back_with_what_it_spooled(run_scenario: RunScenario) -> None:
    more = ["--terminals", 3, "--down", 2, "--after", 0.4, "--lasting", 1.4, "--within", 0.1]
    streams = run_scenario("outage", 3.2, *more).values()
    for beats in streams:
        assert [body["sequence"] for body in beats] == list(range(1, len(beats) + 1))
    # The time from reading to sending a heartbeat: only the site's heartbeats were late.
    late = [max(delay(body) for body in beats) > 0.9 for beats in streams]
    assert Counter(late) == {True: 2, False: 1}


def delay(body: dict[str, Any]) -> float:
    return (datetime.fromisoformat(body["agent_time"]) - datetime.fromisoformat(body["sent_at"])).total_seconds()


def test_an_outage_has_a_beginning_and_an_end_and_a_site() -> None:
    outage = Outage(2, after=10, lasting=20, within=5)
    assert [outage.until(place, 15) is None for place in (0, 1, 2)] == [False, False, True]
    assert [outage.until(0, elapsed) is None for elapsed in (9.9, 10, 29.9, 30)] == [True, False, False, True]
    back = outage.until(0, 15)
    assert back is not None
    assert 30 <= back <= 35


def test_flapping_terminals_are_away_for_their_share_of_the_time() -> None:
    flapping = Flapping(2, up=30, down=10)
    away = [sum(flapping.until(place, second) is not None for second in range(400)) for place in range(3)]
    assert away == [100, 100, 0]
    assert flapping.until(0, 35) == 40


def test_wrong_clocks_and_cloned_tokens_are_seen_on_the_wire(
    run_scenario: RunScenario, command_service: CommandService
) -> None:
    streams = run_scenario("clock-skew", 0.4, "--terminals", 2, "--skewed", 1, "--skew-seconds", -1200)
    now = max(datetime.fromisoformat(body["agent_time"]) for body in command_service.heartbeats)
    behind = [
        (now - datetime.fromisoformat(beats[0]["agent_time"])).total_seconds() > 1000 for beats in streams.values()
    ]
    assert Counter(behind) == {True: 1, False: 1}
    command_service.heartbeats.clear()
    streams = run_scenario("cloned-token", 0.5, "--terminals", 2, "--cloned", 1)
    assert len(streams) == 3
    assert len(command_service.enrolments) == 2


def test_each_site_has_a_network_of_its_own(run_scenario: RunScenario, command_service: CommandService) -> None:
    run_scenario("steady", 0.5, "--terminals", 4, "--silent", 0, "--forwarded-for", "60.1.0.0/16", "--site-size", 2)
    addresses = Counter(address for address in command_service.addresses if address)
    assert set(addresses) == {"60.1.0.1", "60.1.0.2", "60.1.1.1", "60.1.1.2"}


def test_a_network_too_small_for_the_sites_is_refused(
    command_service: CommandService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = [
        "--service-url",
        command_service.url,
        "--code",
        CODE,
        "--state-dir",
        str(tmp_path / "sim"),
        "--terminals",
        "3",
    ]
    assert main(["simulate", "steady", *common, "--forwarded-for", "60.1.0.0/24"]) == 1
    assert "3 か所分の /24 がありません" in capsys.readouterr().err
    for wrong in (["--forwarded-for", "x"], ["--update-failure-kinds", "boredom"], ["--update-failures", "2"]):
        with pytest.raises(SystemExit):
            main(["simulate", "steady", *common, *wrong])
