"""Secrets may be in files: for the service, its areas, the dashboards and the programs of the stack."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stack.home import ROOT
from stack.secrets import with_secrets
from stack.watchdog import settings as watchdog_settings

KEY = "abcdefghijklmnopqrstuvwxyz-0123456789"
CARD_KEYS = "k1:" + "A" * 43 + "="
READ = """
from dashboards.settings import settings as dashboards
from service.agencies.settings import settings as agencies
from service.core.settings import from_environment, settings

core = settings()
print(core.secret_key.get_secret_value(), core.database_url.get_secret_value(), from_environment("DATABASE_OWNER_URL"))
print(dashboards().secret_key.get_secret_value(), agencies().card_keys.get_secret_value())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, value in {
        "secret_key": KEY,
        "database_url": "postgresql://from-a-file",
        "database_owner_url": "postgresql://owner",
        "agencies_card_keys": CARD_KEYS,
        "watchdog_token": "of-the-file",
        "smtp_password": "",
    }.items():
        (tmp_path / name).write_text(f"{value}\n")
    return tmp_path


def read(folder: Path, **variables: str) -> list[str]:
    product_settings = ("SECRET", "DATABASE_", "AGENCIES_", "GENBA_")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(product_settings)}
    environ |= {"SECRETS_FOLDER": str(folder)} | variables
    result = subprocess.run([sys.executable, "-c", READ], cwd=ROOT, env=environ, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def test_secrets_that_are_not_in_the_environment_are_read_from_files(folder: Path) -> None:
    assert read(folder) == [KEY, "postgresql://from-a-file", "postgresql://owner", KEY, CARD_KEYS]


def test_the_environment_takes_precedence_over_files(folder: Path) -> None:
    assert read(folder, DATABASE_URL="postgresql://from-outside")[1] == "postgresql://from-outside"


def test_the_watchdog_reads_its_token_from_a_file(folder: Path) -> None:
    environ = with_secrets({"SECRETS_FOLDER": str(folder), "WATCHDOG_TOKEN": "", "SLACK_BOT_TOKEN": "xoxb"})

    assert (environ["WATCHDOG_TOKEN"], environ["SLACK_BOT_TOKEN"]) == ("of-the-file", "xoxb")
    assert "SMTP_PASSWORD" not in environ
    assert watchdog_settings(environ).token == "of-the-file"


def test_a_missing_folder_of_secrets_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="SECRETS_FOLDER"):
        with_secrets({"SECRETS_FOLDER": str(tmp_path / "none")})
