"""What of the fleet can be imported: customers by their company name, terminals by their serial number."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date, datetime

from sqlalchemy.orm import Session

from service.core import phones
from service.core.auth import Actor
from service.core.imports.kinds import Field, Kind, Values
from service.core.texts import plain
from service.fleet import actions, queries, schemas
from service.fleet.rules import CONTRACT_WORDS, TAG_MARKS, ContractType

_DATE = re.compile(r"(\d{4})[/\-.年](\d{1,2})[/\-.月](\d{1,2})日?(?: 0{1,2}:00(?::00)?)?")


def _day(text: str) -> date:
    found = _DATE.fullmatch(unicodedata.normalize("NFKC", text))
    try:
        if found:
            return date(*map(int, found.groups()))
    except ValueError:
        pass
    raise ValueError("日付として読み取れません。2026/11/21 の形で入力してください。")


def _contract(text: str) -> ContractType:
    """プレミアム保守, プレミアム or premium."""
    typed = unicodedata.normalize("NFKC", text).casefold()
    for kind, word in CONTRACT_WORDS.items():
        if typed in (kind.value, word, word.removesuffix("保守")):
            return kind
    raise ValueError(f"選べる値は {'、'.join(CONTRACT_WORDS.values())} です。")


def _tags(text: str) -> list[str]:
    return [tag for tag in re.split(f"[{TAG_MARKS}\n]", text) if tag.strip()]


def _shown_tags(tags: Sequence[str]) -> str:
    return "、".join(tags)


def _archived_customers(db: Session, _: Actor, rows: Sequence[Values]) -> Mapping[int, tuple[str, str]]:
    known = queries.customers_by_name(db, sorted({row["company_name"] for row in rows}))
    return {
        place: ("company_name", _archived(row["company_name"]))
        for place, row in enumerate(rows)
        if row["company_name"] in known and known[row["company_name"]].archived_at is not None
    }


def _archived(name: str) -> str:
    return f"「{name}」はアーカイブされています。元に戻してから取り込んでください。"


def _existing_customers(db: Session, _: Actor, names: Sequence[str]) -> Mapping[str, tuple[int, Values]]:
    return {
        name: (found.id, schemas.NewCustomer.model_validate(found, from_attributes=True).model_dump())
        for name, found in queries.customers_by_name(db, names).items()
    }


def _existing_terminals(db: Session, _: Actor, serials: Sequence[str]) -> Mapping[str, tuple[int, Values]]:
    return {
        serial: (
            found.id,
            {
                "serial_number": serial,
                "company_name": company,
                "store_name": found.store_name,
                "installed_date": found.installed_date,
                "tags": found.tags,
            },
        )
        for serial, (found, company) in queries.terminals_by_serial(db, serials).items()
    }


def _unusable(db: Session, by: Actor, rows: Sequence[Values]) -> Mapping[int, tuple[str, str]]:
    """Rows of terminals that are archived, or whose customer is archived or not there."""
    known = queries.terminals_by_serial(db, [row["serial_number"] for row in rows])
    terminals = {
        place: ("serial_number", _archived(row["serial_number"]))
        for place, row in enumerate(rows)
        if row["serial_number"] in known and known[row["serial_number"]][0].archived_at is not None
    }
    return {**_archived_customers(db, by, rows), **_missing_customers(db, by, rows), **terminals}


def _missing_customers(db: Session, _: Actor, rows: Sequence[Values]) -> Mapping[int, tuple[str, str]]:
    known = queries.customers_by_name(db, sorted({row["company_name"] for row in rows}))
    return {
        place: (
            "company_name",
            f"「{row['company_name']}」という顧客企業は登録されていません。先に顧客企業を登録してください。",
        )
        for place, row in enumerate(rows)
        if row["company_name"] not in known
    }


def _shown_day(day: date | datetime) -> str:
    return f"{day:%Y/%m/%d}"


CUSTOMERS = Kind(
    key="fleet.customers",
    title="顧客企業",
    counter="社",
    permission="fleet:customer:create",
    fields=(
        Field("company_name", "会社名", "ABC商事", ("顧客名", "顧客企業", "企業名", "取引先", "取引先名")),
        Field("contact_person", "担当者", "青木 誠", ("担当者名", "ご担当者", "担当")),
        Field(
            "contact_email", "連絡先メール", "aoki@abc.example", ("メール", "メールアドレス", "email", "e-mail"), plain
        ),
        Field("contact_phone", "電話番号", "03-1234-5678", ("電話", "tel", "連絡先電話"), phones.from_cell),
        Field(
            "contract_type",
            "契約種別",
            "ベーシック保守",
            ("契約", "保守", "保守契約", "プラン"),
            _contract,
            lambda kind: CONTRACT_WORDS[kind],
        ),
    ),
    model=schemas.NewCustomer,
    existing=_existing_customers,
    missing=_archived_customers,
    create=actions.import_customers,
    change=actions.change_customers,
)
TERMINALS = Kind(
    key="fleet.terminals",
    title="端末",
    counter="台",
    permission="fleet:terminal:create",
    fields=(
        Field("serial_number", "シリアル番号", "TC200-000001", ("製造番号", "シリアル", "シリアルno", "s/n"), plain),
        Field("company_name", "顧客企業", "ABC商事", ("会社名", "顧客名", "企業名", "顧客")),
        Field("store_name", "設置店舗名", "新宿店 レジ1番", ("店舗名", "店舗", "設置場所", "設置店舗")),
        Field("installed_date", "設置日", "2026/11/21", ("導入日", "設置年月日"), _day, _shown_day),
        Field("tags", "タグ", "重点、路面店", ("ラベル", "分類"), _tags, _shown_tags),
    ),
    model=schemas.TerminalRow,
    existing=_existing_terminals,
    missing=_unusable,
    create=actions.import_terminals,
    change=actions.change_terminals,
)
IMPORTS = (CUSTOMERS, TERMINALS)
