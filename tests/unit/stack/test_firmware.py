"""The command that writes the firmware maker's keys and signatures."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
from pathlib import Path

from service.fleet.firmware.rules import is_signed, signed_bytes
from stack.home import ROOT


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    command_line = [sys.executable, "-m", "stack.firmware", *map(str, arguments)]
    return subprocess.run(command_line, cwd=ROOT, capture_output=True, text=True)


def test_the_service_accepts_the_makers_signature(tmp_path: Path) -> None:
    key, image = tmp_path / "maker.key", tmp_path / "tc200.bin"
    image.write_bytes(b"firmware" * 1000)

    public = command("key", key).stdout.strip()
    signature = command("sign", "--key", key, "--version", "2.1.0", image).stdout.strip()

    assert key.stat().st_mode & 0o777 == 0o600
    digest = hashlib.sha256(image.read_bytes()).hexdigest()
    message = signed_bytes("2.1.0", image.stat().st_size, digest)
    assert is_signed(base64.b64decode(signature), message, [base64.b64decode(public)])


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    key = tmp_path / "maker.key"
    command("key", key)
    before = key.read_bytes()

    second = command("key", key)

    assert (second.returncode, second.stdout, key.read_bytes()) == (1, "", before)
    assert "File exists" in second.stderr


def test_a_file_that_is_not_a_key_signs_nothing(tmp_path: Path) -> None:
    (tmp_path / "image.bin").write_bytes(b"x")
    result = command("sign", "--key", tmp_path / "image.bin", "--version", "1", tmp_path / "image.bin")
    assert (result.returncode, result.stdout) == (1, "")
