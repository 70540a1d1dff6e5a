"""Imports of the entries area: parents by the number on their card, with their children by name. The nursery is given
by its code."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.imports.kinds import Field, ImportKind, Values
from service.core.values import phones
from service.core.values.texts import half_width
from service.entries import actions, queries, schemas


def _parse_parent_id(text: str) -> int:
    digits = half_width(text)
    if not re.fullmatch(r"[1-9][0-9]{0,9}", digits):
        raise ValueError("保護者IDは1～10桁の数字（先頭は0以外）で入力してください。")
    return int(digits)


def _parse_names(text: str) -> list[str]:
    return [name.strip() for name in re.split("[,、\n]", text) if name.strip()]


def _format_names(names: Sequence[str]) -> str:
    return "、".join(names)


def _existing(db: Session, by: Actor, keys: Sequence[str]) -> Mapping[str, tuple[int, Values]]:
    return {
        str(key): existing for key, existing in queries.parents_for_import(db, by, [int(key) for key in keys]).items()
    }


def _missing(db: Session, by: Actor, rows: Sequence[Values]) -> Mapping[int, tuple[str, str]]:
    return queries.parent_import_errors(db, by, rows)


PARENTS = ImportKind(
    key="entries.parents",
    title="保護者",
    counter="人",
    permission="entries:parent:update",
    fields=(
        Field("id", "保護者ID", "100001", ("保護者番号", "番号", "id"), _parse_parent_id, str),
        Field("nursery_code", "保育園コード", "SKR001", ("園コード", "コード"), half_width),
        Field("name", "保護者名", "田中恵子", ("氏名", "名前", "保護者氏名")),
        Field("kana", "ふりがな", "たなかけいこ", ("フリガナ", "かな", "カナ")),
        Field("phone_number", "電話番号", "090-1234-5678", ("電話", "tel", "携帯"), phones.from_cell),
        Field("mail", "メールアドレス", "keiko@example.com", ("メール", "email", "e-mail"), half_width),
        Field("children", "園児名", "田中翔、田中杏", ("園児", "お子さま", "子ども"), _parse_names, _format_names),
    ),
    model=schemas.ParentRow,
    existing=_existing,
    missing=_missing,
    create=actions.import_parents,
    change=actions.reimport_parents,
)
IMPORTS = (PARENTS,)
