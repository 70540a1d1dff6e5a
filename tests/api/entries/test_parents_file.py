"""Parents by file: with their children, into the nursery of the code, and only one's own."""

from __future__ import annotations

from tests.api.core.test_imports import begun, imported, preview
from tests.workers import Ground, ground

__all__ = ["ground"]
KIND = "entries.parents"
FILE = """保護者番号,園コード,氏名,フリガナ,電話,園児
１２３４５６,ABC123,山田花子,やまだはなこ,090-1111-2222,山田太郎、山田次郎
123457,ABC123,佐藤太郎,さとうたろう,,佐藤次郎
"""


def nurseries(ground: Ground) -> None:
    ground.rows("INSERT INTO entries_nurseries (name, code) VALUES ('さくら', 'ABC123'), ('ひまわり', 'HMW456')")


def families(ground: Ground) -> list[tuple[object, ...]]:
    return ground.rows(
        "SELECT p.id, p.name, array_agg(c.name ORDER BY c.id) FROM entries_parents p "
        "JOIN entries_guardianships g ON g.parent_id = p.id JOIN entries_children c ON c.id = g.child_id "
        "GROUP BY p.id ORDER BY p.id"
    )


def test_families_come_by_file_and_again_without_doubling(ground: Ground) -> None:
    nurseries(ground)
    client = ground.person("alice", entries="admin")
    ground.rows(
        "INSERT INTO entries_children (nursery_id, name, kana) "
        "SELECT id, '佐藤次郎', '' FROM entries_nurseries WHERE code = 'HMW456'"
    )

    imported(ground, client, FILE, KIND)
    imported(ground, client, FILE.replace("山田次郎", "山田次郎、山田三郎"), KIND)

    assert families(ground) == [
        (123456, "山田花子", ["山田太郎", "山田次郎", "山田三郎"]),
        (123457, "佐藤太郎", ["佐藤次郎"]),
    ]
    # The child of that name in the other nursery is another one.
    assert ground.rows("SELECT count(*) FROM entries_children WHERE name = '佐藤次郎'") == [(2,)]


def test_wrong_numbers_codes_and_anothers_numbers_are_wrong_rows(ground: Ground) -> None:
    nurseries(ground)
    client = ground.person("alice", entries="admin")
    imported(ground, client, FILE, KIND)
    rows = "012,ABC123,先頭が零,,,\n1,XYZ999,園がない,,,\n123456,HMW456,別の園,,,\n"

    shown = preview(client, begun(client, FILE.splitlines()[0] + "\n" + rows, KIND))

    assert shown["counts"]["error"] == 3
    assert all(word in str(shown) for word in ("1～10桁", "保育園が見つかりません", "別の保育園"))
