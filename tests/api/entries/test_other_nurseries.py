"""Who is bound to a nursery asks for another one: whatever the list, the answer is one that the document names."""

from __future__ import annotations

from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from service.entries.models import Nursery
from tests import people


def test_a_list_of_another_nursery_is_not_there_and_the_document_says_so(
    db: Session, client: TestClient, sakura: Nursery, himawari: Nursery
) -> None:
    nora = people.signed_in(db, client, people.person(db, "nora", sakura.id, entries="nursery_admin"))
    asked = {
        path: operation["get"]["responses"]
        for path, operation in client.get("/api/openapi.json").json()["paths"].items()
        if any(
            one["name"] == "nursery_id" and one["in"] == "query"
            for one in operation.get("get", {}).get("parameters", ())
        )
    }
    answers = {path: nora.get(path, params={"nursery_id": himawari.id}).status_code for path in asked}

    assert len([path for path, status in answers.items() if status == 404]) > 5, answers
    assert [path for path, status in answers.items() if str(status) not in asked[path]] == []
    assert not any(status == 200 for status in answers.values()), answers
