"""The dashboards' types and labels are those of the service."""

from __future__ import annotations

from tests.contract import FOLDER, modules
from tests.whole import service_app


def test_types_and_labels_are_those_of_the_openapi_document() -> None:
    stale = [
        area
        for area, text in modules(service_app().fastapi.openapi()).items()
        if (FOLDER / f"{area}.py").read_text() != text
    ]

    assert not stale, "run `make contract`"
