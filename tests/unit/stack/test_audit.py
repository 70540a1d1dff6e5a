"""The dependency audit reports vulnerabilities, and that it did not run when there is no network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from stack.audit import PINNED, Verdict, parse_result
from stack.home import ROOT
from tests.processes import free_port

# The output format of pip-audit.
ANSWER = {
    "dependencies": [
        {
            "name": "jinja2",
            "version": "2.4.1",
            "vulns": [{"id": "PYSEC-2014-8", "fix_versions": ["2.7.2"], "aliases": []}],
        },
        {"name": "idna", "version": "3.20", "vulns": []},
        {"name": "odd", "skip_reason": "not on the index"},
    ],
    "fixes": [],
}


def test_a_vulnerability_is_named_with_the_version_that_fixes_it() -> None:
    assert parse_result(json.dumps(ANSWER), "") == Verdict(3, ["jinja2 2.4.1: PYSEC-2014-8, mended in 2.7.2"])


def test_without_an_answer_there_is_no_result() -> None:
    verdict = parse_result("", "DEBUG\nConnectionError: no route to OSV\n")

    assert verdict.vulnerabilities is None
    assert verdict.why == "ConnectionError: no route to OSV"
    assert parse_result("", "").why == "no answer"


def test_without_the_network_the_audit_reports_not_run_and_exits_with_0(tmp_path: Path) -> None:
    unused_address = f"http://127.0.0.1:{free_port()}"
    offline = {"HTTPS_PROXY": unused_address, "UV_OFFLINE": "1", "UV_CACHE_DIR": str(tmp_path / "cache")}
    setup = f"from pathlib import Path; import stack.audit as a; a.ROOT = Path({str(tmp_path)!r})"
    script = f"{setup}; raise SystemExit(a.main())"
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=os.environ | offline, capture_output=True, text=True
    )

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("Dependency audit NOT RUN: ")


def test_all_requirements_files_except_its_own_are_audited() -> None:
    files = {*ROOT.glob("requirements*.txt"), *ROOT.glob("*/requirements*.txt")}

    assert files - {ROOT / "requirements-audit.txt"} == set(PINNED)
