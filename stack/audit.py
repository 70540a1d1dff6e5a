"""`python -m stack.audit`: asks OSV whether versions that are pinned here have known vulnerabilities.

The tool that asks (pip-audit) has a venv of its own, so that it is no part of what it judges. Without the network there
is nothing to ask: that is said, and is no failure. What is found is one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from stack.home import ROOT

TOOL = ROOT / "requirements-audit.txt"
PINNED = tuple(ROOT / name for name in ("requirements.txt", "tests/requirements.txt", "requirements-ocr.txt"))


@dataclass(frozen=True)
class Verdict:
    """`found`: package, version, the vulnerability and the version that mends it; None when nobody could be asked."""

    asked: int
    found: list[str] | None
    why: str = ""


def main() -> int:
    tool = _installed(ROOT / ".genba" / "audit")
    if isinstance(tool, str):
        print(f"Dependency audit NOT RUN: the tool could not be installed ({tool}).")
        return 0
    failed = False
    for pinned in PINNED:
        asked = subprocess.run(
            [
                *(tool, "-m", "pip_audit", "--requirement", pinned, "--require-hashes", "--disable-pip"),
                *("--vulnerability-service", "osv", "--format", "json", "--progress-spinner", "off", "--timeout", "20"),
            ],
            capture_output=True,
            text=True,
        )
        verdict = judged(asked.stdout, asked.stderr)
        name = pinned.relative_to(ROOT)
        if verdict.found is None:
            print(f"Dependency audit of {name} NOT RUN: {verdict.why}")
        else:
            print(f"{name}: {verdict.asked} packages, {len(verdict.found) or 'no'} known vulnerabilities")
            print("".join(f"  {line}\n" for line in verdict.found), end="")
            failed = failed or bool(verdict.found)
    return 1 if failed else 0


def judged(said: str, complained: str) -> Verdict:
    """What pip-audit's JSON means; without any, its last words say why."""
    try:
        packages = json.loads(said)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return Verdict(0, None, (complained.strip().splitlines() or ["no answer"])[-1][:300])
    found = [
        f"{package['name']} {package['version']}: {one['id']}, mended in "
        f"{', '.join(one['fix_versions']) or 'no version yet'}"
        for package in packages
        for one in package.get("vulns", ())
    ]
    return Verdict(len(packages), found)


def _installed(place: Path) -> Path | str:
    """The venv's Python, or why there is none."""
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    environ = dict(os.environ)
    if "PIP_INDEX_URL" in environ:
        environ.setdefault("UV_DEFAULT_INDEX", environ["PIP_INDEX_URL"])
    uv = [sys.executable, "-m", "uv"]
    for command in (
        [*uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(place)],
        [*uv, "pip", "install", "--quiet", "--require-hashes", "--python", str(python), "-r", str(TOOL)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, env=environ)
        if done.returncode:
            return (done.stderr.strip().splitlines() or ["uv failed"])[-1].strip()[:300]
    return python


if __name__ == "__main__":
    sys.exit(main())
