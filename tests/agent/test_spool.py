"""The spool: what is written stays until it is acknowledged."""

import sqlite3
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.spool import MAX_REJECTED, Spool, SpoolBusy, SpoolError

WRITER = """
import sys
from pathlib import Path
from agent.spool import Spool
spool = Spool(Path(sys.argv[1]), 100_000)
print(spool.stream_id, flush=True)
while True:
    print(spool.put({"n": 1})[0], flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.db"


def sequences(spool: Spool) -> list[int]:
    result = []
    while waiting := spool.oldest():
        result.append(waiting.sequence)
        spool.acknowledged(waiting.sequence)
    return result


def test_sequences_rise_from_one_and_the_oldest_comes_first(path: Path) -> None:
    spool = Spool(path, 10)
    assert [spool.put({"n": n}) for n in range(3)] == [(1, 0), (2, 0), (3, 0)]
    waiting = spool.oldest()
    assert waiting is not None
    assert waiting.body == {"n": 0, "stream_id": spool.stream_id, "sequence": 1}
    assert sequences(spool) == [1, 2, 3]
    spool.close()


def test_a_restart_keeps_the_stream_and_never_reuses_a_sequence(path: Path) -> None:
    spool = Spool(path, 10)
    stream = spool.stream_id
    spool.put({})
    assert sequences(spool) == [1]
    spool.close()
    spool = Spool(path, 10)
    assert spool.stream_id == stream
    assert uuid.UUID(stream).version == 4
    assert spool.put({}) == (2, 0)
    spool.close()


def test_what_was_spooled_survives_kill_9(path: Path, start: Callable[..., "subprocess.Popen[str]"]) -> None:
    process = start(path, code=WRITER)
    assert process.stdout is not None
    stream = process.stdout.readline().strip()
    printed = [int(process.stdout.readline()) for _ in range(50)]
    process.kill()
    printed += [int(line) for line in process.stdout.read().splitlines() if line]
    process.wait()
    spool = Spool(path, 100_000)
    assert spool.stream_id == stream
    assert spool.set_aside is None
    next_sequence = spool.put({})[0]
    stored = sequences(spool)
    spool.close()
    assert stored == list(range(1, next_sequence + 1))
    assert next_sequence > printed[-1]


def test_beyond_the_limit_the_oldest_is_dropped_and_counted(path: Path) -> None:
    spool = Spool(path, 3)
    assert [spool.put({})[1] for _ in range(5)] == [0, 0, 0, 1, 1]
    assert spool.count() == 3
    assert sequences(spool) == [3, 4, 5]
    spool.close()


def test_a_smaller_limit_after_a_restart_is_kept_too(path: Path) -> None:
    spool = Spool(path, 10)
    for _ in range(10):
        spool.put({})
    spool.close()
    spool = Spool(path, 4)
    assert spool.put({}) == (11, 7)
    spool.close()


def test_a_failed_put_keeps_nothing_and_uses_no_sequence(path: Path) -> None:
    spool = Spool(path, 10)
    with pytest.raises(TypeError):
        spool.put({"not": object()})
    assert spool.count() == 0
    assert spool.put({}) == (1, 0)
    spool.close()


def test_a_full_disk_is_an_error_that_keeps_nothing_and_uses_no_sequence(path: Path) -> None:
    spool = Spool(path, 10)
    (pages,) = spool._db.execute("PRAGMA page_count").fetchone()
    spool._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        spool.put({"padding": "x" * 9000})
    assert spool.count() == 0
    assert spool.put({}) == (1, 0)
    spool.close()


def test_rejected_heartbeats_are_kept_with_their_reason_and_bounded(path: Path) -> None:
    spool = Spool(path, 1000)
    for _ in range(MAX_REJECTED + 5):
        sequence, _ = spool.put({})
        spool.reject(sequence, f"理由 {sequence}")
    assert spool.count() == 0
    rejected = spool.rejected()
    spool.close()
    assert len(rejected) == MAX_REJECTED
    assert rejected[0] == (6, "理由 6")


def test_a_second_agent_is_kept_out_while_the_first_runs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.spool._LOCK_WAIT_SECONDS", 0.05)
    first = Spool(path, 10)
    with pytest.raises(SpoolBusy, match="別のエージェントが動作中"):
        Spool(path, 10)
    first.close()
    Spool(path, 10).close()


@pytest.mark.parametrize("damage", [b"this is no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_spool_is_set_aside_and_a_new_stream_begins(path: Path, damage: bytes) -> None:
    path.write_bytes(damage)
    spool = Spool(path, 10)
    assert spool.set_aside is not None
    assert spool.set_aside.read_bytes() == damage
    assert spool.put({}) == (1, 0)
    spool.close()


def test_damage_in_the_middle_of_the_file_is_noticed_at_the_start(path: Path) -> None:
    spool = Spool(path, 1000)
    stream = spool.stream_id
    for _ in range(300):
        spool.put({"padding": "x" * 100})
    spool.close()
    content = bytearray(path.read_bytes())
    content[8192:20000] = b"\xa5" * (20000 - 8192)
    path.write_bytes(content)
    spool = Spool(path, 10)
    assert spool.set_aside is not None
    assert spool.stream_id != stream
    spool.close()


def test_a_spool_that_cannot_be_opened_says_so_and_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match="開けません"):
        Spool(tmp_path / "no" / "such" / "folder.db", 10)
    (tmp_path / "folder").mkdir()
    with pytest.raises(SpoolError, match="開けません"):
        Spool(tmp_path / "folder", 10)
    assert (tmp_path / "folder").is_dir()


def test_every_commit_is_synced_to_disk(path: Path) -> None:
    spool = Spool(path, 10)
    assert spool._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert spool._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    spool.close()
    assert sqlite3.connect(path).execute("SELECT count(*) FROM stream").fetchone() == (1,)
