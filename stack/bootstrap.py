"""Builds `.venv` from the hashed requirements. Standard library only: it runs before anything is installed.

`python3 stack/bootstrap.py` installs the packages of the product and the servers that it runs on one machine, `--tests`
adds those of the tests, `--ocr` those for reading statements, which every later run then includes. A second run with
unchanged requirements returns at once. The image of production is built without this script. Byte
code is compiled here: a process that may not write it (PYTHONDONTWRITEBYTECODE) would otherwise compile pandas and
Streamlit at every start.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def main() -> int:
    if sys.version_info < (3, 11):
        print(f"Genba needs Python 3.11 or newer; this is {sys.version.split()[0]}. Try: make up PYTHON=python3.12")
        return 1
    tests, ocr = "--tests" in sys.argv[1:], "--ocr" in sys.argv[1:] or any(VENV.glob("installed-*-ocr.sha256"))
    requirements = _requirements(tests, ocr)
    if any(_is_current(with_tests, ocr) for with_tests in {tests, True}) and _venv_works():
        return 0
    started_at = time.monotonic()
    if not _venv_works():
        _print_line(f"creating .venv with Python {sys.version.split()[0]}")
        shutil.rmtree(VENV, ignore_errors=True)
        if not _create_venv():
            return 1
    _print_line(f"installing {sum(map(_count, requirements))} packages (hash-checked)")
    if not _install(requirements):
        print("The packages could not be installed; the lines above say why. Check the network, then run it again.")
        return 1
    _stamp(tests, ocr).write_text(_fingerprint(requirements))
    _print_line(f"packages ready after {time.monotonic() - started_at:.0f} s")
    return 0


def _requirements(tests: bool, ocr: bool) -> list[Path]:
    extra = [ROOT / "tests" / "requirements.txt"] * tests + [ROOT / "requirements-ocr.txt"] * ocr
    return [ROOT / "requirements.txt", ROOT / "requirements-embedded.txt", *extra]


def _stamp(tests: bool, ocr: bool) -> Path:
    return VENV / f"installed-{2 if tests else 1}{'-ocr' if ocr else ''}.sha256"


def _fingerprint(requirements: list[Path]) -> str:
    digest = hashlib.sha256(sys.version.encode())
    for path in requirements:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _is_current(tests: bool, ocr: bool) -> bool:
    stamp = _stamp(tests, ocr)
    return stamp.is_file() and stamp.read_text() == _fingerprint(_requirements(tests, ocr))


def _venv_works() -> bool:
    """Whether the venv's interpreter starts and has our version."""
    if not PYTHON.exists():
        return False
    result = subprocess.run([PYTHON, "-c", "import sys; print(sys.version)"], capture_output=True, text=True)
    return result.returncode == 0 and result.stdout.strip() == sys.version.strip()


def _create_venv() -> bool:
    result = subprocess.run([sys.executable, "-m", "venv", VENV], capture_output=True, text=True)
    if result.returncode == 0:
        return True
    print(result.stdout + result.stderr)
    print(
        "The venv could not be made. On Debian and Ubuntu the module is a package of its own: "
        "apt-get install python3-venv, then run it again."
    )
    return False


def _count(path: Path) -> int:
    return sum("==" in line for line in path.read_text().splitlines())


def _install(requirements: list[Path]) -> bool:
    """uv is five times faster than pip; where it has no wheel or cannot reach the index, pip does the work."""
    files = [argument for path in requirements for argument in ("-r", str(path))]
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--require-hashes"]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment["VIRTUAL_ENV"] = str(VENV)
    if "PIP_INDEX_URL" in environment:
        environment.setdefault("UV_DEFAULT_INDEX", environment["PIP_INDEX_URL"])
    installer = subprocess.run([*pip, "-r", str(ROOT / "stack" / "installer.txt")], env=environment)
    if installer.returncode == 0:
        uv = [str(PYTHON), "-m", "uv", "pip", "install", "--quiet", "--require-hashes", "--compile-bytecode"]
        if subprocess.run([*uv, *files], env=environment).returncode == 0:
            return True
        _print_line("uv could not finish; pip takes over (slower)")
    return subprocess.run([*pip, "--compile", *files], env=environment).returncode == 0


def _print_line(text: str) -> None:
    print(f"  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
