"""The download of a firmware: cut connections, busy answers, wrong files."""

from __future__ import annotations

import hashlib

import pytest

from agent.firmware import download
from tests.agent.bench import Bench
from tests.agent.desk import CommandService
from tests.agent.doubles import Reply, problem
from tests.agent.update.conftest import FILE, NEW, OLD, PlugIn


def test_a_cut_download_goes_on_where_it_was_cut(
    bench: Bench, command_service: CommandService, plug_in: PlugIn
) -> None:
    terminal = plug_in()
    command_service.cut_after.extend([3000, 0, 2500])
    command_service.order_update(1, NEW, FILE)
    assert bench.run_to_end(1)["state"] == "done"
    sha256 = hashlib.sha256(FILE).hexdigest()
    ranges = [headers.get("Range") for headers in command_service.downloads]
    assert ranges == [None, "bytes=3000-", "bytes=3000-", "bytes=5500-"]
    assert {headers.get("If-Range") for headers in command_service.downloads[1:]} == {f'"{sha256}"'}
    assert terminal.firmware.version == NEW


def test_a_download_goes_on_after_a_restart_of_the_agent(
    bench: Bench, command_service: CommandService, plug_in: PlugIn
) -> None:
    plug_in()
    command_service.cut_after.append(4000)
    command_service.download_replies.clear()
    command_service.order_update(1, NEW, FILE)
    bench.take()
    original_get = command_service.get

    def cut_then_gone(path: str, headers: dict[str, str]) -> Reply:
        return (
            original_get(path, headers)
            if not command_service.downloads
            else problem(503, "停止中", {"Retry-After": "1"})
        )

    command_service.get = cut_then_gone  # type: ignore[method-assign,assignment]
    bench.start()
    part = bench.settings.state_dir / "firmware" / f"{hashlib.sha256(FILE).hexdigest()}.part"
    while not part.exists() or part.stat().st_size < 4000:
        pass
    bench.restart()
    command_service.get = original_get  # type: ignore[method-assign]
    assert bench.run_to_end(1)["state"] == "done"
    assert command_service.downloads[-1]["Range"] == "bytes=4000-"


def test_busy_answers_are_waited_out_and_never_counted_as_failures(
    bench: Bench, command_service: CommandService, plug_in: PlugIn
) -> None:
    plug_in()
    command_service.download_replies.extend(
        [problem(429, "x", {"Retry-After": "0"}), problem(503, "x"), Reply(None)] * 4
    )
    command_service.order_update(1, NEW, FILE)
    assert bench.run_to_end(1)["state"] == "done"
    assert len(command_service.downloads) == 13


def test_a_wrong_range_and_a_part_that_is_too_long_begin_anew(
    bench: Bench, command_service: CommandService, plug_in: PlugIn
) -> None:
    plug_in()
    command_service.cut_after.append(3000)
    command_service.order_update(1, NEW, FILE)
    original_get = command_service.get

    def answer_wrongly(path: str, headers: dict[str, str]) -> Reply:
        if len(command_service.downloads) == 1:
            command_service.downloads.append(dict(headers))
            return Reply(206, FILE[100:], {"Content-Range": "bytes 100-8999/9000"})
        if len(command_service.downloads) == 2:
            command_service.downloads.append(dict(headers))
            return problem(416, "範囲外です。")
        return original_get(path, headers)

    command_service.get = answer_wrongly  # type: ignore[method-assign,assignment]
    assert bench.run_to_end(1)["state"] == "done"
    assert "Range" not in command_service.downloads[-1]


def test_a_file_that_is_not_the_signed_one_is_refused_after_one_clean_try_more(
    bench: Bench, command_service: CommandService, plug_in: PlugIn
) -> None:
    terminal = plug_in()
    command_service.order_update(1, NEW, FILE)
    command_service.files[1001] = FILE[::-1]
    final_report = bench.run_to_end(1)
    assert (final_report["state"], final_report["result"]["code"]) == ("failed", "bad_checksum")
    assert len(command_service.downloads) == 2
    assert terminal.firmware.version == OLD


def test_a_file_longer_than_signed_fills_no_disk(
    bench: Bench, command_service: CommandService, plug_in: PlugIn
) -> None:
    plug_in()
    command_service.order_update(1, NEW, FILE)
    command_service.files[1001] = FILE + b"x" * 5_000_000
    assert bench.run_to_end(1)["state"] == "done"


def test_damage_on_the_disk_costs_one_download_more(
    bench: Bench, command_service: CommandService, plug_in: PlugIn
) -> None:
    plug_in()
    arguments = command_service.order_update(1, NEW, FILE)
    bench.take()
    folder = bench.settings.state_dir / "firmware"
    folder.mkdir()
    (folder / "update.json").write_text('{"command_id": 1}')
    (folder / f"{arguments['sha256']}.part").write_bytes(b"z" * 5000)
    assert bench.run_to_end(1)["state"] == "done"
    assert [headers.get("Range") for headers in command_service.downloads] == ["bytes=5000-", None]


def test_a_withdrawn_file_a_refusal_and_a_full_disk_end_the_update(
    bench: Bench, command_service: CommandService, plug_in: PlugIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = plug_in()
    command_service.order_update(1, NEW, FILE)
    command_service.files.clear()
    assert bench.run_to_end(1)["result"]["code"] == "cancelled"
    command_service.order_update(2, NEW, FILE)
    command_service.download_replies.append(problem(403, "許可されていません。"))
    assert bench.run_to_end(2)["result"]["code"] == "download_failed"
    monkeypatch.setattr(download, "SPARE_BYTES", 2**60)
    command_service.order_update(3, NEW, FILE)
    assert bench.run_to_end(3)["result"]["code"] == "no_space"
    assert terminal.firmware.version == OLD
