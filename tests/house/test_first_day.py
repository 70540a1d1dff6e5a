"""The first-day page leads to places that exist, and to all of them."""

from __future__ import annotations

import re
import subprocess

import pytest

from stack.home import ROOT

PAGE = (ROOT / "docs" / "first-day.md").read_text()
ROWS = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|", PAGE, re.MULTILINE)
# Where an example stands without being part of its walk.
ASIDE = ("dashboards/contract/", "dashboards/gallery/", "service/demo/", "service/migrations/")


@pytest.mark.parametrize(("path", "text"), ROWS)
def test_each_row_leads_to_what_it_names(path: str, text: str) -> None:
    assert re.search(rf"(?<!\w){re.escape(text)}(?!\w)", (ROOT / path).read_text()), (
        f"correct the row of docs/first-day.md: {path} has no {text}"
    )


def test_a_field_stands_in_the_files_of_its_walk_and_nowhere_else() -> None:
    rooms = ("service", "jobs", "dashboards", "agent")
    command = ["git", "grep", "--files-with-matches", "installed_date", "--", *rooms]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()

    assert {path for path in found if not path.startswith(ASIDE)} == {
        path for path, text in ROWS if text == "installed_date"
    }, "correct the table Add a field of docs/first-day.md"
