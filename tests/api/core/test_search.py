"""探す finds what one may see, however it is typed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
import structlog
from fastapi.testclient import TestClient
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from service.core.database.session import SYSTEM, Scopes, set_scopes
from service.core.search.queries import SHOWN
from service.fleet.models import Terminal
from tests import factories, people
from tests.api.agencies import scene
from tests.api.loaners import telling

SignIn = Callable[..., TestClient]


def search(client: TestClient, typed: str) -> dict[str, list[dict[str, Any]]]:
    """The hits by kind."""
    answer = client.get("/api/search", params={"q": typed})
    assert answer.status_code == 200, answer.text
    return {group["key"]: group["hits"] for group in answer.json()["groups"]}


def titles(client: TestClient, kind: str, typed: str) -> list[str]:
    return [hit["title"] for hit in search(client, typed).get(kind, [])]


@pytest.mark.parametrize(
    "typed", ["TC200-000042", "tc200-000042", "ＴＣ２００ー００００４２", "TC200 000042", "tc200000042", "000042", "42"]
)
def test_a_serial_number_is_found_in_any_width_with_hyphens_or_none(db: Session, sign_in: SignIn, typed: str) -> None:
    shop = factories.customer(db, "ABC商事")
    terminal = factories.terminal(db, shop, "TC200-000042")
    factories.terminal(db, shop, "TC200-000043")
    client = sign_in("alice", fleet="operator")

    [hit] = search(client, typed)["fleet.terminal"]

    assert hit | {"rank": 0} == {
        "id": terminal.id,
        "title": "TC200-000042",
        "detail": "ABC商事・新宿店 レジ1番",
        "address": f"/terminal?id={terminal.id}",
        "state": "offline",
        "state_label": "オフライン",
        "rank": 0,
    }


def test_names_are_found_from_two_characters_on_wherever_they_stand(db: Session, sign_in: SignIn) -> None:
    shop = factories.customer(db, "株式会社ABC商事")
    factories.terminal(db, shop, "TC200-000001", "西新宿店 レジ１番")
    client = sign_in("alice", fleet="operator")

    for typed in ("新宿", "西新宿店レジ1番", "レジ 1", "れじ１", "ﾚｼﾞ"):
        assert titles(client, "fleet.terminal", typed) == ["TC200-000001"], typed
    for typed in ("abc", "ＡＢＣ商事", "商事", "03-1234-5678", "1234-5678", "5678", "+81 3 1234 5678"):
        assert titles(client, "fleet.customer", typed) == ["株式会社ABC商事"], typed
    for typed in ("宿", "東新宿", "%", "_", "'", "\\", " 　"):
        assert search(client, typed) == {}, typed


def test_what_was_typed_whole_comes_first_then_what_begins_with_it(db: Session, sign_in: SignIn) -> None:
    for name in ("大山商店", "山商店本舗", "山商店"):
        factories.customer(db, name)
    client = sign_in("alice", fleet="operator")

    hits = search(client, "山商店")["fleet.customer"]

    assert [hit["title"] for hit in hits] == ["山商店", "山商店本舗", "大山商店"]
    assert [hit["rank"] for hit in hits] == [1, 2, 3]


def test_of_those_that_are_called_the_same_the_newest_comes_first(db: Session, sign_in: SignIn) -> None:
    terminals = factories.terminals(db, factories.customer(db), ["同じ名前の店"] * 20)
    client = sign_in("alice", fleet="operator")

    hits = search(client, "同じ名前の店")["fleet.terminal"]

    assert [hit["id"] for hit in hits] == [terminal.id for terminal in reversed(terminals[-SHOWN:])]


def test_a_group_is_short_and_leads_to_a_list_that_finds_the_same(db: Session, sign_in: SignIn) -> None:
    factories.terminals(db, factories.customer(db), [f"渋谷 店 レジ{n}番" for n in range(30)])
    client = sign_in("alice", fleet="operator")

    for typed, more in (("渋谷　店", "/terminals?q=%E6%B8%8B%E8%B0%B7+%E5%BA%97"), ("渋谷店", None)):
        [group] = client.get("/api/search", params={"q": typed}).json()["groups"]

        assert len(group["hits"]) == SHOWN
        assert group["has_more"]
        # The list compares names as they are written.
        assert group["more"] == more


def test_a_renamed_row_is_found_by_its_new_name_only_and_an_archived_one_says_so(db: Session, sign_in: SignIn) -> None:
    customer = factories.customer(db, "旧商店")
    client = sign_in("alice", fleet="admin")
    values = {"version": customer.version, "company_name": "新商店", "contact_person": "青木 誠"}
    assert client.patch(f"/api/fleet/customers/{customer.id}", json=values).status_code == 200

    assert search(client, "旧商店") == {}
    assert titles(client, "fleet.customer", "新商店") == ["新商店"]

    archived = client.post(f"/api/fleet/customers/{customer.id}/archive", json={"version": customer.version + 1})
    assert archived.status_code == 200, archived.text
    [hit] = search(client, "新商店")["fleet.customer"]
    assert (hit["state"], hit["state_label"]) == ("archived", "アーカイブ済み")
    assert hit["address"].endswith("&archived=%E3%82%A2%E3%83%BC%E3%82%AB%E3%82%A4%E3%83%96%E6%B8%88%E3%81%BF")


def test_an_incident_is_found_by_its_terminals(db: Session, sign_in: SignIn) -> None:
    terminal = factories.terminal(db, serial_number="TC200-777777")
    alert = factories.alert(db, terminal)
    client = sign_in("alice", fleet="operator")

    [hit] = search(client, "777777")["fleet.incident"]

    assert (hit["id"], hit["state_label"]) == (alert.incident_id, "エラー")
    assert hit["address"] == f"/alerts?id={alert.incident_id}"


def test_each_agency_finds_its_own_and_operators_find_all(db: Session, client: TestClient) -> None:
    a, b = scene.agency(db, "代理店A"), scene.agency(db, "代理店B")
    sales = {agency: scene.sales(db, f"sales{agency.id}", agency) for agency in (a, b)}
    corporations = {agency: scene.corporation(db, agency, f"株式会社山田商店{agency.id}") for agency in (a, b)}
    requests = {agency: scene.request(db, corporations[agency], sales[agency], "working") for agency in (a, b)}
    number = "0312345678901234567890"
    for agency in (a, b):
        scene.site(db, requests[agency], power_customer_location_number=number, power_branch_name="新宿支店")
    db.flush()

    for agency in (a, b):
        seller = people.signed_in_client(db, client, sales[agency])
        found = search(seller, "山田商店")
        assert [hit["id"] for hit in found["agencies.corporation"]] == [corporations[agency].id]
        assert [hit["address"] for hit in found["agencies.request"]] == [f"/request?id={requests[agency].id}"]
        [site] = search(seller, "03-1234-5678-9012-3456-7890")["agencies.site"]
        assert site["address"] == f"/request?id={requests[agency].id}"
        assert site["detail"].endswith("03-1234-5678-9012-3456-7890")
        assert {hit["id"] for hit in search(seller, str(requests[a].id)).get("agencies.request", [])} <= {
            requests[agency].id
        }

    operator = people.signed_in_client(db, client, people.create_user(db, "olive", agencies="operator"))
    found = search(operator, "山田商店")
    assert {hit["id"] for hit in found["agencies.corporation"]} == {row.id for row in corporations.values()}
    assert {hit["address"] for hit in found["agencies.case"]} == {f"/case?id={row.id}" for row in requests.values()}
    assert "agencies.request" not in found


def test_without_the_permission_or_the_area_nothing_is_found(db: Session, client: TestClient) -> None:
    factories.terminal(db, serial_number="TC200-000042")
    client = people.signed_in_client(db, client, people.create_user(db, "charlie", loaners="staff"))

    assert search(client, "TC200-000042") == {}


def test_the_terms_are_under_row_level_security(db: Session) -> None:
    factories.customer(db, "秘密商店")
    own_agency = scene.agency(db, "代理店A")
    scene.corporation(db, own_agency, "秘密法人")
    scene.corporation(db, scene.agency(db, "代理店B"), "秘密法人")
    db.flush()
    count = text("SELECT count(*) FROM search_terms WHERE term = '秘密商店' OR term = '秘密法人'")

    def visible(scopes: Scopes) -> Any:
        set_scopes(db, scopes)
        return db.scalar(count)

    assert visible(Scopes(frozenset({"fleet"}))) == 1
    assert visible(Scopes(frozenset({"loaners"}))) == 0
    assert visible(Scopes(tenants=frozenset({("agencies", own_agency.id)}))) == 1
    assert visible(SYSTEM) == 3


def test_terms_go_with_their_row(db: Session) -> None:
    terminal = factories.terminal(db, serial_number="TC200-000099", store_name="閉店 レジ1番")
    site = scene.site(db, scene.request(db, *_corporation_and_sales(db), "working"), power_branch_name="消える店")
    db.flush()
    db.delete(site)
    db.execute(text("UPDATE fleet_terminals SET store_name = '新店' WHERE id = :id"), {"id": terminal.id})
    db.flush()
    terms = set(db.scalars(text("SELECT term FROM search_terms WHERE kind IN ('terminal', 'site')")))

    assert {"新店", "tc200000099", "000099"} <= terms
    assert not {"閉店れじ1番", "消える店"} & terms
    assert db.scalars(select(Terminal.id).where(Terminal.id == terminal.id)).one()


def _corporation_and_sales(db: Session) -> tuple[Any, Any]:
    agency = scene.agency(db)
    return scene.corporation(db, agency), scene.sales(db, "seller", agency)


def test_a_number_that_remains_is_found_when_another_of_the_same_device_goes(db: Session, sign_in: SignIn) -> None:
    client = sign_in("alice", loaners="admin")
    device = telling.register_device(db, people.create_actor(db, "ada", loaners="admin"))
    aliases = "INSERT INTO loaners_aliases (alias, device_id) VALUES ('ZZQ-B-0777', :id), ('ZZQ-C-0777', :id)"
    db.execute(text(aliases), {"id": device.id})

    def found(*typed: str) -> list[str]:
        return [one for one in typed if titles(client, "loaners.device", one)]

    assert found("777", "b-0777", "c-0777", "zzq") == ["777", "b-0777", "c-0777", "zzq"]
    db.execute(text("DELETE FROM loaners_aliases WHERE alias = 'ZZQ-C-0777'"))
    assert found("777", "b-0777", "c-0777", "zzq") == ["777", "b-0777", "zzq"]
    db.execute(text("DELETE FROM loaners_aliases"))
    assert found("0777", "zzq") == []


def test_each_part_of_a_long_name_is_found_to_its_end(db: Session, sign_in: SignIn) -> None:
    name = f"{'あいうえお' * 9}株式会社終点営業所"
    factories.customer(db, name)
    client = sign_in("alice", fleet="operator")

    for typed in ("終点営業所", "営業", name, name[3:]):
        assert titles(client, "fleet.customer", typed) == [name], typed


def test_the_search_reads_the_index_and_never_the_whole_table(db: Session) -> None:
    """With operators that row-level security lets an index answer."""
    factories.customer(db, "計画商店")
    set_scopes(db, Scopes(frozenset({"fleet"})))
    db.execute(text("SET LOCAL enable_seqscan = off"))
    plan = "\n".join(
        db.scalars(
            text(
                "EXPLAIN SELECT * FROM search_terms WHERE area = 'fleet' AND kind = 'customer' AND place = 1 "
                "AND term >= '計画' AND term < '計画' || chr(1114111) ORDER BY term LIMIT 5"
            )
        )
    )

    assert "uq_search_terms" in plan
    assert "term >=" in plan.partition("Filter")[0], plan


def test_what_was_typed_is_in_no_log(sign_in: SignIn, caplog: pytest.LogCaptureFixture) -> None:
    client = sign_in("alice", fleet="operator")
    with structlog.testing.capture_logs() as entries, caplog.at_level(logging.DEBUG, "service"):
        search(client, "山田花子")

    assert [entry["route"] for entry in entries if entry["event"] == "request"] == ["/api/search"]
    assert "山田花子" not in f"{entries}{caplog.text}"
