"""A user of one nursery requests another one: every list answers with a status that its OpenAPI responses name."""

from __future__ import annotations

from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from service.entries.models import Nursery
from tests import people


def test_a_list_of_another_nursery_is_not_found_and_openapi_says_so(
    db: Session, client: TestClient, sakura: Nursery, himawari: Nursery
) -> None:
    nora = people.signed_in_client(db, client, people.create_user(db, "nora", sakura.id, entries="nursery_admin"))
    documented = {
        path: operation["get"]["responses"]
        for path, operation in client.get("/api/openapi.json").json()["paths"].items()
        if any(
            parameter["name"] == "nursery_id" and parameter["in"] == "query"
            for parameter in operation.get("get", {}).get("parameters", ())
        )
    }
    statuses = {path: nora.get(path, params={"nursery_id": himawari.id}).status_code for path in documented}

    assert len([path for path, status in statuses.items() if status == 404]) > 5, statuses
    assert [path for path, status in statuses.items() if str(status) not in documented[path]] == []
    assert not any(status == 200 for status in statuses.values()), statuses
