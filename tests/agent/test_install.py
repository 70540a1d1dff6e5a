"""The files that a technician installs: the commands in them exist, and the unit is hardened as promised."""

import re
import subprocess
from pathlib import Path
from shutil import which

import pytest

from agent.arguments import parse

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "agent/install/genba-agent.service"
SCRIPT = ROOT / "agent/install/install-windows.ps1"


def unit() -> dict[str, list[str]]:
    rows = re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE)
    return {key: [value for name, value in rows if name == key] for key, _ in rows}


def test_the_unit_starts_a_command_that_exists_as_a_user_without_rights() -> None:
    (command,) = unit()["ExecStart"]
    assert parse(command.split(" -m agent ")[1].split()).command == "run"
    assert unit()["User"] == ["genba-agent"]
    assert unit()["Restart"] == ["always"]
    for setting in ("NoNewPrivileges", "ProtectHome", "MemoryDenyWriteExecute", "RestrictSUIDSGID", "LockPersonality"):
        assert unit()[setting] == ["yes"]
    assert unit()["CapabilityBoundingSet"] == [""]
    assert unit()["ProtectSystem"] == ["strict"]
    assert unit()["DeviceAllow"] == ["char-ttyACM rw", "char-ttyUSB rw"]


def test_systemd_itself_understands_the_unit(tmp_path: Path) -> None:
    verifier = which("systemd-analyze")
    if verifier is None:
        pytest.skip("no systemd here")
    copy = tmp_path / UNIT.name
    copy.write_text(re.sub(r"^(ExecStart=)\S+", r"\1/bin/true", UNIT.read_text(), flags=re.MULTILINE))
    result = subprocess.run([verifier, "verify", "--man=no", str(copy)], capture_output=True, text=True, timeout=30)
    assert [line for line in result.stderr.splitlines() if UNIT.name in line] == []


def test_the_windows_script_runs_commands_that_exist_and_installs_what_the_readme_names() -> None:
    text = SCRIPT.read_text()
    readme = (ROOT / "agent/README.md").read_text()
    (task,) = re.findall(r'-Argument "-m agent (.+?)"', text)
    assert parse(re.sub(r'`"\$Config`', "x.toml", task).replace('"', "").split()).command == "run"
    assert '"-m", "agent", "enrol", "--config", $Config, "--code", $Code' in text
    (installed,) = re.findall(r'"install", "--quiet", (.+?)\)', text)
    names = re.findall(r'"(\w+)"', installed)
    assert f"pip install {' '.join(names)}`" in readme
    assert set(re.findall(r"^    \[\w+\] \$(\w+)", text, re.MULTILINE)) == {"Code", "Remove", "Python"}
    assert text.isascii()


def test_the_scripts_brackets_are_closed() -> None:
    text = re.sub(r'"[^"\n]*"|<#.*?#>|#[^\n]*', "", SCRIPT.read_text(), flags=re.DOTALL)
    for opening, closing in ("()", "{}", "[]"):
        assert text.count(opening) == text.count(closing)
