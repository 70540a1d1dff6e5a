"""Parents by file: with their children, into the nursery of the code, and never into another one."""

from __future__ import annotations

from tests.imports import begin_import, preview, run_import
from tests.workers import Environment, environment

__all__ = ["environment"]
KIND = "entries.parents"
FILE = """保護者番号,園コード,氏名,フリガナ,電話,園児
１２３４５６,ABC123,山田花子,やまだはなこ,090-1111-2222,山田太郎、山田次郎
123457,ABC123,佐藤太郎,さとうたろう,,佐藤次郎
"""


def create_nurseries(environment: Environment) -> None:
    environment.rows("INSERT INTO entries_nurseries (name, code) VALUES ('さくら', 'ABC123'), ('ひまわり', 'HMW456')")


def families(environment: Environment) -> list[tuple[object, ...]]:
    return environment.rows(
        "SELECT p.id, p.name, array_agg(c.name ORDER BY c.id) FROM entries_parents p "
        "JOIN entries_guardianships g ON g.parent_id = p.id JOIN entries_children c ON c.id = g.child_id "
        "GROUP BY p.id ORDER BY p.id"
    )


def test_families_come_by_file_and_again_without_doubling(environment: Environment) -> None:
    create_nurseries(environment)
    client = environment.sign_in("alice", entries="admin")
    environment.rows(
        "INSERT INTO entries_children (nursery_id, name, kana) "
        "SELECT id, '佐藤次郎', '' FROM entries_nurseries WHERE code = 'HMW456'"
    )

    run_import(environment, client, FILE, KIND)
    run_import(environment, client, FILE.replace("山田次郎", "山田次郎、山田三郎"), KIND)

    assert families(environment) == [
        (123456, "山田花子", ["山田太郎", "山田次郎", "山田三郎"]),
        (123457, "佐藤太郎", ["佐藤次郎"]),
    ]
    # The child of that name in the other nursery is another one.
    assert environment.rows("SELECT count(*) FROM entries_children WHERE name = '佐藤次郎'") == [(2,)]


def test_children_that_come_by_file_are_audited_and_make_an_open_edit_stale(environment: Environment) -> None:
    create_nurseries(environment)
    client = environment.sign_in("alice", entries="admin")
    run_import(environment, client, FILE, KIND)
    opened = client.get("/api/entries/parents/123456").json()

    run_import(environment, client, FILE.replace("、山田次郎", ""), KIND)

    edit = {"version": opened["version"], "name": "別人"}
    assert client.patch("/api/entries/parents/123456", json=edit).status_code == 409
    assert environment.rows(
        "SELECT before, after FROM audit_entries WHERE subject = 'parent' AND subject_id = '123456' "
        "ORDER BY id DESC LIMIT 1"
    ) == [({"children": ["山田太郎", "山田次郎"]}, {"children": ["山田太郎"]})]


def test_wrong_numbers_codes_and_anothers_numbers_are_wrong_rows(environment: Environment) -> None:
    create_nurseries(environment)
    client = environment.sign_in("alice", entries="admin")
    run_import(environment, client, FILE, KIND)
    rows = "012,ABC123,先頭が零,,,\n1,XYZ999,園がない,,,\n123456,HMW456,別の園,,,\n"

    result = preview(client, begin_import(client, FILE.splitlines()[0] + "\n" + rows, KIND))

    assert result["counts"]["error"] == 3
    assert all(text in str(result) for text in ("1～10桁", "保育園が見つかりません", "別の保育園"))
