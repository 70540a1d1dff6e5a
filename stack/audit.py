"""`python -m stack.audit`: checks the pinned versions for known vulnerabilities at OSV.

The tool (pip-audit) has its own venv, so that it is not part of what it checks. Without a network the check is skipped:
that is printed, and is no failure. A vulnerability is a failure.
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
PINNED = tuple(
    ROOT / name
    for name in ("requirements.txt", "requirements-embedded.txt", "requirements-ocr.txt", "tests/requirements.txt")
)


@dataclass(frozen=True)
class Verdict:
    """`vulnerabilities`: package, version, id and the version that fixes each; None when the check could not run."""

    package_count: int
    vulnerabilities: list[str] | None
    why: str = ""


def main() -> int:
    tool = _install_tool(ROOT / ".genba" / "audit")
    if isinstance(tool, str):
        print(f"Dependency audit NOT RUN: the tool could not be installed ({tool}).")
        return 0
    failed = False
    for pinned in PINNED:
        result = subprocess.run(
            [
                *(tool, "-m", "pip_audit", "--requirement", pinned, "--require-hashes", "--disable-pip"),
                *("--vulnerability-service", "osv", "--format", "json", "--progress-spinner", "off", "--timeout", "20"),
            ],
            capture_output=True,
            text=True,
        )
        verdict = parse_result(result.stdout, result.stderr)
        name = pinned.relative_to(ROOT)
        if verdict.vulnerabilities is None:
            print(f"Dependency audit of {name} NOT RUN: {verdict.why}")
        else:
            count = len(verdict.vulnerabilities) or "no"
            print(f"{name}: {verdict.package_count} packages, {count} known vulnerabilities")
            print("".join(f"  {line}\n" for line in verdict.vulnerabilities), end="")
            failed = failed or bool(verdict.vulnerabilities)
    return 1 if failed else 0


def parse_result(stdout: str, stderr: str) -> Verdict:
    """Reads pip-audit's JSON; without any, the last line of `stderr` is the reason."""
    try:
        packages = json.loads(stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return Verdict(0, None, (stderr.strip().splitlines() or ["no answer"])[-1][:300])
    lines = [
        f"{package['name']} {package['version']}: {vulnerability['id']}, mended in "
        f"{', '.join(vulnerability['fix_versions']) or 'no version yet'}"
        for package in packages
        for vulnerability in package.get("vulns", ())
    ]
    return Verdict(len(packages), lines)


def _install_tool(folder: Path) -> Path | str:
    """The Python of the venv, or why it could not be installed."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    environ = dict(os.environ)
    if "PIP_INDEX_URL" in environ:
        environ.setdefault("UV_DEFAULT_INDEX", environ["PIP_INDEX_URL"])
    uv = [sys.executable, "-m", "uv"]
    for command in (
        [*uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(folder)],
        [*uv, "pip", "install", "--quiet", "--require-hashes", "--python", str(python), "-r", str(TOOL)],
    ):
        result = subprocess.run(command, capture_output=True, text=True, env=environ)
        if result.returncode:
            return (result.stderr.strip().splitlines() or ["uv failed"])[-1].strip()[:300]
    return python


if __name__ == "__main__":
    sys.exit(main())
