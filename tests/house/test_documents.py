"""The documents hold together: links lead somewhere, and the Japanese manual says what the screens say."""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from pathlib import Path

from dashboards.pages import Entry
from service.core.areas import AREAS
from service.fleet.ingest.batches import STORE
from stack.home import ROOT
from tests.house.test_words import tracked

DOCUMENTS = tracked("*.md")
MANUAL = sorted((ROOT / "docs" / "ja").glob("*.md"))


@cache
def anchors(document: Path) -> frozenset[str]:
    """What headings are called in a link: small letters, no punctuation, hyphens for blanks; a repeat gets a number."""
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    names: list[str] = []
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        names.append(f"{name}-{names.count(name)}" if name in names else name)
    return frozenset(names)


def test_every_link_leads_to_a_file_and_a_heading_that_exist() -> None:
    missing = []
    for document in DOCUMENTS:
        for link in re.findall(r"\]\((?!https?:|mailto:)([^)]+)\)", document.read_text()):
            path, _, anchor = link.partition("#")
            target = document.parent / path if path else document
            if not target.exists() or (anchor and anchor not in anchors(target.resolve())):
                missing.append(f"{document.relative_to(ROOT)}: {link}")
    assert missing == [], "correct these links"


def test_every_document_is_linked_from_the_readme_or_an_index() -> None:
    linked = {
        (document.parent / link.partition("#")[0]).resolve()
        for document in DOCUMENTS
        for link in re.findall(r"\]\((?!https?:|#|mailto:)([^)]+)\)", document.read_text())
    }
    unlinked = [document for document in tracked("docs/*.md") if document.resolve() not in linked]
    assert unlinked == [], "link it from README.md or from a document that is linked there"


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_what_the_japanese_manual_quotes_stands_on_a_screen() -> None:
    screens = "".join(
        path.read_text()
        for path in tracked(
            "dashboards/*.py", "service/*.py", "scanner_station/*.js", "scanner_station/*.html", "docs/operations.md"
        )
    )
    missing = [
        f"{document.name}: {words}"
        for document in MANUAL
        for words in re.findall("「([^」]+)」", document.read_text())
        if words not in screens
    ]
    assert missing == [], "quote in 「」 only what a screen says, letter by letter"


def test_the_japanese_manual_names_every_page_of_the_menu() -> None:
    texts = "".join(document.read_text() for document in MANUAL)
    entries: list[Entry] = [
        entry for area in ("core", *AREAS) for entry in import_module(f"dashboards.{area}.menu").PAGES
    ]
    assert [entry.title for entry in entries if entry.title not in texts] == [], (
        "write a sentence about the page into docs/ja/<area>.md, with its title in the menu"
    )


DECISIONS = ROOT / "docs" / "decisions"
# Numbers that no decision ever had.
UNUSED_NUMBERS = frozenset({133, 134, 135})


@cache
def decisions() -> dict[int, tuple[str, str]]:
    """Number → heading, text."""
    parts = [
        part.partition("\n")
        for document in sorted(DECISIONS.glob("*.md"))
        if document.name != "README.md"
        for part in re.split(r"^## ", document.read_text(), flags=re.MULTILINE)[1:]
    ]
    numbers = [int(heading.partition(".")[0]) for heading, _, _ in parts]
    assert len(set(numbers)) == len(numbers), "a number stands for two decisions"
    return {number: (heading, text) for number, (heading, _, text) in zip(numbers, parts, strict=True)}


def test_every_decision_has_a_number_a_question_in_the_index_and_ten_lines_at_most() -> None:
    index = (DECISIONS / "README.md").read_text()
    assert decisions().keys() | UNUSED_NUMBERS == set(range(1, max(decisions()) + 1))

    for number, (heading, text) in decisions().items():
        lines = [line for line in text.splitlines() if line.strip()]
        question = re.search(rf"^- (.+\?) → \[\w+ {number}\]", index, re.MULTILINE)
        assert question, f"not in the index: {heading}"
        assert len(lines) <= 10, heading
        assert " ".join(lines).startswith(f"*{question[1]}*"), heading


def test_an_overtaken_decision_names_a_later_one() -> None:
    for number, (heading, _) in decisions().items():
        for later in re.findall(r"overtaken by (\d+)", heading):
            assert number < int(later) <= max(decisions()), heading


def test_every_path_that_a_document_names_exists() -> None:
    """`service/<area>/` is a pattern, not a path."""
    rooms = r"(?:service|jobs|dashboards|agent|stack|tests|scanner_station|docs|sandbox)"
    documents = [ROOT / "README.md", *tracked("docs/*.md")]
    missing = [
        f"{document.relative_to(ROOT)}: {path}"
        for document in documents
        for path in re.findall(rf"`({rooms}/[\w./-]*)`", document.read_text())
        if not (ROOT / path).exists()
    ]
    assert missing == [], "correct these paths"


def _names_in(path: Path) -> set[str]:
    """Functions, classes and constants, methods also as `Class.method`."""
    source = path.read_text()
    if path.suffix == ".js":
        return set(re.findall(r"function (\w+)", source))
    names, owner = set(), ""
    for line in source.splitlines():
        if found := re.match(r"class (\w+)", line):
            owner = found[1]
            names.add(owner)
        elif found := re.match(r"(    )?(?:async )?def (\w+)", line):
            names.add(f"{owner}.{found[2]}" if found[1] else found[2])
        elif found := re.match(r"([A-Z]\w+)(?:: .+)? = ", line):
            names.add(found[1])
    return names


def test_every_hop_of_the_journeys_is_a_function_of_its_file() -> None:
    text = (ROOT / "docs" / "journeys.md").read_text()
    hops = re.findall(r"^[ │]*((?:\w+/)+\w+\.(?:py|js)) +([\w.]+(?:, [\w.]+)*)  ", text, re.MULTILINE)
    assert len(hops) == len(re.findall(r"^[ │]*(?:\w+/)+\w+\.(?:py|js)", text, re.MULTILINE)) > 40

    missing = [
        f"{path}: {name}"
        for path, names in hops
        for name in names.split(", ")
        if not (ROOT / path).is_file() or name not in _names_in(ROOT / path)
    ]
    assert missing == [], "correct docs/journeys.md"


def test_the_parts_of_the_ingests_statement_are_explained() -> None:
    explained = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "journeys.md").read_text(), re.MULTILINE)
    assert explained == re.findall(r"(\w+) AS (?:MATERIALIZED )?\($", STORE, re.MULTILINE), (
        "docs/journeys.md has a row for each part of STORE in service/fleet/ingest/batches.py, in its order"
    )
