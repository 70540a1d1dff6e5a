"""Customers and terminals by file: tags are imported and exported, and archived rows stay as they are."""

from __future__ import annotations

from tests.imports import begin_import, preview, run_import
from tests.workers import Environment, environment

__all__ = ["environment"]
CUSTOMERS = """会社名,担当者,メールアドレス,電話番号
ABC商事,青木 誠,aoki@abc.example,03-1234-5678
"""
TERMINALS = """シリアル番号,顧客企業,設置店舗名,タグ
T-1,ABC商事,新宿店 レジ1番,"重点、 夜間,重点"
T-2,ABC商事,新宿店 レジ2番,
"""


def tags(environment: Environment) -> list[tuple[object, ...]]:
    return environment.rows("SELECT serial_number, tags, version FROM fleet_terminals ORDER BY serial_number")


def test_tags_are_read_from_a_file_and_a_blank_cell_leaves_them(environment: Environment) -> None:
    client = environment.sign_in("alice", fleet="admin")
    run_import(environment, client, CUSTOMERS)
    run_import(environment, client, TERMINALS, "fleet.terminals")
    assert tags(environment) == [("T-1", ["重点", "夜間"], 1), ("T-2", [], 1)]

    run_import(environment, client, "シリアル番号,設置店舗名,タグ\nT-1,別の店,\nT-2,,路面店\n", "fleet.terminals")

    assert tags(environment) == [("T-1", ["重点", "夜間"], 2), ("T-2", ["路面店"], 2)]
    log = environment.rows('SELECT kind, "by" FROM fleet_terminal_logs ORDER BY id')
    assert [kind for kind, _ in log] == ["edited", "edited"]
    assert "重点、夜間" in client.get("/api/fleet/terminals.csv").text


def test_too_many_or_too_long_tags_are_wrong_rows(environment: Environment) -> None:
    client = environment.sign_in("alice", fleet="admin")
    run_import(environment, client, CUSTOMERS)
    rows = f"T-1,ABC商事,店,{'、'.join(str(n) for n in range(11))}\nT-2,ABC商事,店,{'あ' * 31}\n"

    shown = preview(client, begin_import(client, f"シリアル番号,顧客企業,設置店舗名,タグ\n{rows}", "fleet.terminals"))

    assert shown["counts"]["error"] == 2


def test_what_is_archived_is_not_changed_by_a_file(environment: Environment) -> None:
    client = environment.sign_in("alice", fleet="admin")
    run_import(environment, client, CUSTOMERS)
    run_import(environment, client, TERMINALS, "fleet.terminals")
    ids = [key for (key,) in environment.rows("SELECT id FROM fleet_terminals ORDER BY id")]
    [(customer,)] = environment.rows("SELECT id FROM fleet_customers")
    client.post(f"/api/fleet/terminals/{ids[0]}/archive")

    some = preview(client, begin_import(client, TERMINALS.replace("新宿店", "渋谷店"), "fleet.terminals"))
    client.post(f"/api/fleet/terminals/{ids[1]}/archive")
    client.post(f"/api/fleet/customers/{customer}/archive")
    none = preview(
        client, begin_import(client, "シリアル番号,顧客企業,設置店舗名\nT-9,ABC商事,店\n", "fleet.terminals")
    )
    company = preview(client, begin_import(client, CUSTOMERS.replace("青木 誠", "新田 花子")))

    assert (some["counts"]["error"], some["counts"]["update"]) == (1, 1)
    assert none["counts"]["error"] == company["counts"]["error"] == 1
    assert "アーカイブ" in str(company)
