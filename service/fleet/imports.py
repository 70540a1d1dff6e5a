"""The fleet's imports: customers by their company name, terminals by their serial number."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date, datetime

from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.imports.kinds import Field, ImportKind, Values
from service.core.values import phones
from service.core.values.texts import half_width
from service.fleet import actions, queries, schemas
from service.fleet.rules import TAG_SEPARATORS, ContractType

_DATE = re.compile(r"(\d{4})[/\-.年](\d{1,2})[/\-.月](\d{1,2})日?(?: 0{1,2}:00(?::00)?)?")


def _parse_date(text: str) -> date:
    match = _DATE.fullmatch(unicodedata.normalize("NFKC", text))
    try:
        if match:
            return date(*map(int, match.groups()))
    except ValueError:
        pass
    raise ValueError("日付として読み取れません。2026/11/21 の形で入力してください。")


def _parse_contract(text: str) -> ContractType:
    """プレミアム保守, プレミアム or premium."""
    normalized = unicodedata.normalize("NFKC", text).casefold()
    for kind in ContractType:
        if normalized in (kind.value, kind.label, kind.label.removesuffix("保守")):
            return kind
    raise ValueError(f"選べる値は {'、'.join(ContractType.labels().values())} です。")


def _parse_tags(text: str) -> list[str]:
    return [tag for tag in re.split(f"[{TAG_SEPARATORS}\n]", text) if tag.strip()]


def _format_tags(tags: Sequence[str]) -> str:
    return "、".join(tags)


def _archived_customers(db: Session, _: Actor, rows: Sequence[Values]) -> Mapping[int, tuple[str, str]]:
    existing = queries.customers_by_name(db, sorted({row["company_name"] for row in rows}))
    return {
        index: ("company_name", _archived_message(row["company_name"]))
        for index, row in enumerate(rows)
        if row["company_name"] in existing and existing[row["company_name"]].archived_at is not None
    }


def _archived_message(name: str) -> str:
    return f"「{name}」はアーカイブされています。元に戻してから取り込んでください。"


def _existing_customers(db: Session, _: Actor, names: Sequence[str]) -> Mapping[str, tuple[int, Values]]:
    return {
        name: (customer.id, schemas.NewCustomer.model_validate(customer, from_attributes=True).model_dump())
        for name, customer in queries.customers_by_name(db, names).items()
    }


def _existing_terminals(db: Session, _: Actor, serials: Sequence[str]) -> Mapping[str, tuple[int, Values]]:
    return {
        serial: (
            terminal.id,
            {
                "serial_number": serial,
                "company_name": company,
                "store_name": terminal.store_name,
                "installed_date": terminal.installed_date,
                "tags": terminal.tags,
            },
        )
        for serial, (terminal, company) in queries.terminals_by_serial(db, serials).items()
    }


def _unusable_terminals(db: Session, by: Actor, rows: Sequence[Values]) -> Mapping[int, tuple[str, str]]:
    """Rows of terminals that are archived, or whose customer is archived or missing."""
    existing = queries.terminals_by_serial(db, [row["serial_number"] for row in rows])
    terminals = {
        index: ("serial_number", _archived_message(row["serial_number"]))
        for index, row in enumerate(rows)
        if row["serial_number"] in existing and existing[row["serial_number"]][0].archived_at is not None
    }
    return {**_archived_customers(db, by, rows), **_missing_customers(db, by, rows), **terminals}


def _missing_customers(db: Session, _: Actor, rows: Sequence[Values]) -> Mapping[int, tuple[str, str]]:
    existing = queries.customers_by_name(db, sorted({row["company_name"] for row in rows}))
    return {
        index: (
            "company_name",
            f"「{row['company_name']}」という顧客企業は登録されていません。先に顧客企業を登録してください。",
        )
        for index, row in enumerate(rows)
        if row["company_name"] not in existing
    }


def _format_date(day: date | datetime) -> str:
    return f"{day:%Y/%m/%d}"


CUSTOMERS = ImportKind(
    key="fleet.customers",
    title="顧客企業",
    counter="社",
    permission="fleet:customer:create",
    fields=(
        Field("company_name", "会社名", "ABC商事", ("顧客名", "顧客企業", "企業名", "取引先", "取引先名")),
        Field("contact_person", "担当者", "青木 誠", ("担当者名", "ご担当者", "担当")),
        Field(
            "contact_email",
            "連絡先メール",
            "aoki@abc.example",
            ("メール", "メールアドレス", "email", "e-mail"),
            half_width,
        ),
        Field("contact_phone", "電話番号", "03-1234-5678", ("電話", "tel", "連絡先電話"), phones.from_cell),
        Field(
            "contract_type",
            "契約種別",
            "ベーシック保守",
            ("契約", "保守", "保守契約", "プラン"),
            _parse_contract,
            lambda kind: ContractType(kind).label,
        ),
    ),
    model=schemas.NewCustomer,
    existing=_existing_customers,
    missing=_archived_customers,
    create=actions.import_customers,
    change=actions.change_customers,
)
TERMINALS = ImportKind(
    key="fleet.terminals",
    title="端末",
    counter="台",
    permission="fleet:terminal:create",
    fields=(
        Field(
            "serial_number", "シリアル番号", "TC200-000001", ("製造番号", "シリアル", "シリアルno", "s/n"), half_width
        ),
        Field("company_name", "顧客企業", "ABC商事", ("会社名", "顧客名", "企業名", "顧客")),
        Field("store_name", "設置店舗名", "新宿店 レジ1番", ("店舗名", "店舗", "設置場所", "設置店舗")),
        Field("installed_date", "設置日", "2026/11/21", ("導入日", "設置年月日"), _parse_date, _format_date),
        Field("tags", "タグ", "重点、路面店", ("ラベル", "分類"), _parse_tags, _format_tags),
    ),
    model=schemas.TerminalRow,
    existing=_existing_terminals,
    missing=_unusable_terminals,
    create=actions.import_terminals,
    change=actions.change_terminals,
)
IMPORTS = (CUSTOMERS, TERMINALS)
