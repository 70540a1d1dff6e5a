"""The token and the small facts that are stored between runs."""

import os
import stat
from pathlib import Path

import pytest

from agent.state import (
    Credentials,
    StateError,
    load_credentials,
    load_firmware_version,
    make_state_dir,
    save_credentials,
    save_firmware_version,
)

CREDENTIALS = Credentials(7, "TC200-1", "token-text")


def test_the_token_file_is_for_its_owner_only_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_state_dir(tmp_path / "state")
        save_credentials(tmp_path / "state", CREDENTIALS)
        save_credentials(tmp_path / "state", CREDENTIALS)
    finally:
        os.umask(before)
    (file,) = (tmp_path / "state").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert load_credentials(tmp_path / "state") == CREDENTIALS


def test_a_token_never_shows_in_a_repr() -> None:
    assert "token-text" not in repr(CREDENTIALS)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"terminal_id": 1, "serial_number": "a", "token": "改行\\n"}', "\0"])
def test_a_damaged_token_file_asks_for_enrolment(tmp_path: Path, text: str) -> None:
    (tmp_path / "credentials.json").write_text(text, encoding="utf-8")
    with pytest.raises(StateError, match="enrol で登録し直して"):
        load_credentials(tmp_path)


def test_a_failed_save_leaves_the_old_token_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_credentials(tmp_path, CREDENTIALS)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StateError, match="空き容量"):
        save_credentials(tmp_path, Credentials(8, "x", "other"))
    assert load_credentials(tmp_path) == CREDENTIALS
    assert len(list(tmp_path.iterdir())) == 1


def test_the_firmware_version_is_unknown_until_a_terminal_reports_it(tmp_path: Path) -> None:
    assert load_firmware_version(tmp_path) == "unknown"
    save_firmware_version(tmp_path, "2.3.4")
    assert load_firmware_version(tmp_path) == "2.3.4"
