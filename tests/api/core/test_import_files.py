"""Files for imports: columns mapped by hand, encodings, workbooks, exports that come back, templates."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from openpyxl import Workbook

from service.core.database.session import SYSTEM, Scopes, transaction
from service.core.imports import kinds, records, text_files
from tests import people
from tests.imports import CUSTOMERS, begin_import, run_import
from tests.workers import Environment, environment

__all__ = ["environment"]


def test_columns_are_mapped_by_hand_and_remembered(environment: Environment) -> None:
    client = environment.sign_in("alice", fleet="admin")
    run_import(environment, client, CUSTOMERS)
    odd = "機番,会社名,場所\nTC200-0001,ABC商事,新宿店\n"

    draft = begin_import(client, odd, "fleet.terminals")
    assert draft["counts"] is None
    assert client.get(f"/api/core/imports/{draft['id']}/preview").status_code == 422
    assert client.post(f"/api/core/imports/{draft['id']}/run").status_code == 422
    path = f"/api/core/imports/{draft['id']}/mapping"
    for columns, message in (
        ({"company_name": 1}, "「シリアル番号」の列を選んでください"),
        ({"serial_number": 0, "store_name": 0}, "2つの項目に使われています"),
        ({"serial_number": 9}, "ファイルにない列"),
        ({"serial_number": 0, "color": 1}, "使えない項目"),
    ):
        refused = client.put(path, json={"columns": columns})
        assert refused.status_code == 422
        assert any(message in error["message"] for error in refused.json()["errors"])

    mapped = client.put(path, json={"columns": {"serial_number": 0, "company_name": 1, "store_name": 2}}).json()

    assert mapped["counts"] == {"new": 1, "update": 0, "same": 0, "error": 0}
    assert begin_import(client, odd, "fleet.terminals")["columns"] == {
        "serial_number": 0,
        "company_name": 1,
        "store_name": 2,
        "installed_date": None,
        "tags": None,
    }
    other = environment.sign_in("anna", fleet="admin")
    assert begin_import(other, odd, "fleet.terminals")["columns"]["serial_number"] is None


def test_the_mapping_of_columns_is_remembered_for_each_tenant(environment: Environment) -> None:
    kind, sheet = kinds.kinds()["fleet.terminals"], text_files.read("機番,会社名,場所\nT1,ABC商事,店\n".encode())
    with transaction(SYSTEM) as db:
        alice = people.create_actor(db, "alice", fleet="admin")
    for tenant, remembered in ((1, None), (2, None), (1, 0)):
        bound_alice = replace(alice, scopes=Scopes(tenants=frozenset({("fleet", tenant)})))
        with transaction(bound_alice.scopes) as db:
            draft = records.add(db, bound_alice, kind, sheet, "端末.csv")
            assert draft.mapping["serial_number"] == remembered
            records.remap(db, bound_alice, draft.id, {"serial_number": 0, "company_name": 1, "store_name": 2})


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp932", "utf-16"])
def test_files_in_every_common_encoding_are_accepted(environment: Environment, encoding: str) -> None:
    client = environment.sign_in("alice", fleet="admin")
    text = CUSTOMERS.replace(",", "\t") if encoding == "utf-16" else CUSTOMERS

    assert begin_import(client, text.encode(encoding))["counts"]["new"] == 2


def test_a_workbook_is_imported_from_the_chosen_sheet(environment: Environment) -> None:
    client = environment.sign_in("alice", fleet="admin")
    book = Workbook()
    cover, sheet = book.active, book.create_sheet("顧客")
    assert cover is not None
    cover["A1"] = "表紙"
    for line in CUSTOMERS.splitlines():
        sheet.append(line.split(","))
    out = io.BytesIO()
    book.save(out)
    sent = client.put(
        "/api/core/files",
        params={"name": "顧客.xlsx", "purpose": "fleet.import"},
        content=out.getvalue(),
    ).json()

    refused = client.post("/api/core/imports", json={"kind": "fleet.customers", "file_id": sent["id"]})
    assert refused.status_code == 422
    chosen = {"kind": "fleet.customers", "file_id": sent["id"], "sheet": "顧客"}
    draft = client.post("/api/core/imports", json=chosen).json()

    assert (draft["format"], draft["sheets"], draft["counts"]["new"]) == ("Excel（顧客）", ["Sheet", "顧客"], 2)


def test_what_was_exported_comes_back_without_a_change(environment: Environment) -> None:
    """Round trip, with the harmless forms of dangerous names."""
    client = environment.sign_in("alice", fleet="admin")
    run_import(environment, client, CUSTOMERS.replace("ABC商事", "=1+1 商事"))

    for path in ("/api/fleet/customers.csv", "/api/fleet/customers.xlsx"):
        draft = begin_import(client, client.get(path).content)
        assert draft["counts"] == {"new": 0, "update": 0, "same": 2, "error": 0}


def test_the_template_can_be_filled_in_and_sent(environment: Environment) -> None:
    client = environment.sign_in("alice", fleet="admin")
    [customers_kind, terminals_kind] = client.get("/api/core/imports/kinds").json()
    assert [field["label"] for field in customers_kind["fields"] if not field["is_required"]] == ["契約種別"]
    assert terminals_kind["fields"][0]["is_key"]

    template = client.get("/api/core/imports/fleet.customers/template.csv")

    assert "attachment" in template.headers["content-disposition"]
    assert begin_import(client, template.content)["counts"]["new"] == 1
