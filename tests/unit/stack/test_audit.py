"""The dependency audit says what was found, and that nobody was asked when nobody could be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from stack.audit import PINNED, Verdict, parse_result
from stack.home import ROOT
from tests.processes import free_port

# As pip-audit writes it.
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


def test_a_vulnerability_is_named_with_the_version_that_mends_it() -> None:
    assert parse_result(json.dumps(ANSWER), "") == Verdict(3, ["jinja2 2.4.1: PYSEC-2014-8, mended in 2.7.2"])


def test_without_an_answer_nothing_was_found_and_nothing_is_claimed() -> None:
    verdict = parse_result("", "DEBUG\nConnectionError: no route to OSV\n")

    assert verdict.found is None
    assert verdict.why == "ConnectionError: no route to OSV"
    assert parse_result("", "").why == "no answer"


def test_without_the_network_it_is_said_and_is_no_failure(tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    offline = {"HTTPS_PROXY": nowhere, "UV_OFFLINE": "1", "UV_CACHE_DIR": str(tmp_path / "cache")}
    here = f"from pathlib import Path; import stack.audit as a; a.ROOT = Path({str(tmp_path)!r})"
    script = f"{here}; raise SystemExit(a.main())"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=os.environ | offline, capture_output=True, text=True
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Dependency audit NOT RUN: ")


def test_everything_that_is_pinned_is_asked_about_but_the_tool_itself() -> None:
    files = {*ROOT.glob("requirements*.txt"), *ROOT.glob("*/requirements*.txt")}

    assert files - {ROOT / "requirements-audit.txt"} == set(PINNED)
