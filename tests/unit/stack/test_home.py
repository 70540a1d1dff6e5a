"""The folder with the data of one clone."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from stack.__main__ import reset
from stack.home import Home
from tests.stack import temporary_folder


def test_a_home_is_created_with_its_parents() -> None:
    with temporary_folder() as folder:
        home = Home(folder / "not" / "there" / "yet")

        home.prepare()

        assert home.logs.is_dir()
        assert (home.path / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_nothing_in_a_home_is_open_to_other_accounts_also_what_was_left_open() -> None:
    with temporary_folder() as folder:
        home = Home(folder / "home")
        home.prepare()
        (home.path / "files").mkdir(mode=0o755)
        (home.path / "sandbox.sqlite").touch(mode=0o644)
        home.logs.chmod(0o755)

        home.prepare()

        assert [entry.name for entry in home.path.iterdir() if entry.stat().st_mode & 0o077] == []
        # As root, PostgreSQL's account goes through it.
        assert home.path.stat().st_mode & 0o066 == 0


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("keep me")

    with pytest.raises(PermissionError, match="holds something else"):
        Home(tmp_path).prepare()

    assert [file.name for file in tmp_path.iterdir()] == ["precious.txt"]


def test_a_new_secret_is_added_and_the_others_are_kept(tmp_path: Path) -> None:
    first = Home(tmp_path).secrets()
    older = {name: value for name, value in first.items() if name != "watchdog"}
    (tmp_path / "secrets.json").write_text(json.dumps(older))

    later = Home(tmp_path).secrets()

    assert older.items() <= later.items()
    assert len(later["watchdog"]) > 32
    assert later == Home(tmp_path).secrets()
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("typed", "stays"), [("no", True), ("", True), ("yes", False)])
def test_data_is_deleted_only_after_a_yes(typed: str, stays: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    with temporary_folder() as folder:
        home = Home(folder / "home")
        home.prepare()
        monkeypatch.delenv("FORCE", raising=False)
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{typed}\n"))

        assert reset(home) == (1 if stays else 0)

        assert home.path.exists() is stays
