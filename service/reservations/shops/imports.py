"""Import of partner shops, with their places in the orders of services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.imports.kinds import Field, ImportKind, Values
from service.core.values import phones
from service.core.values.texts import half_width
from service.reservations.services import queries as services
from service.reservations.shops import actions, queries, schemas
from service.reservations.shops.rules import (
    HEADERS,
    format_clock,
    format_closed_days,
    format_places,
    parse_clock,
    parse_closed_days,
    parse_places,
    service_labels,
)


def _existing(db: Session, _: Actor, codes: Sequence[str]) -> Mapping[str, tuple[int, Values]]:
    return queries.import_rows(db, codes)


def _missing(db: Session, _: Actor, rows: Sequence[Values]) -> Mapping[int, tuple[str, str]]:
    """Errors by row: archived shops, and two shops in the same place."""
    archived = queries.archived_codes(db, [row["code"] for row in rows])
    first_shop: dict[tuple[str, int], str] = {}
    errors: dict[int, tuple[str, str]] = {}
    for index, row in enumerate(rows):
        if row["code"] in archived:
            errors[index] = ("code", f"「{row['code']}」はアーカイブされています。元に戻してから取り込んでください。")
        for service, number in row["services"].items():
            other = first_shop.setdefault((service, number), row["code"])
            if other != row["code"]:
                errors[index] = ("services", f"{number}番は「{other}」と重なっています。別の番号にしてください。")
    return errors


def _places(db: Session, _: Sequence[str]) -> tuple[Field, ...]:
    """The column of places, which depends on the active services."""
    offered = services.active_services(db)
    labels = service_labels([(service.code, service.name) for service in offered])
    codes_by_label = {label: code for code, label in labels.items()} | {code: code for code in labels}
    example = "、".join(f"{labels[service.code]}:{place}" for place, service in enumerate(offered[:2], 1))
    return (
        Field(
            "services",
            HEADERS["services"],
            example,
            ("サービス", "サービスと順番", "順番"),
            partial(parse_places, codes_by_label=codes_by_label),
            partial(format_places, names=labels),
        ),
    )


SHOPS = ImportKind(
    key="reservations.shops",
    title="提携店",
    counter="店",
    permission="reservations:shop:create",
    fields=(
        Field("code", HEADERS["code"], "S001", ("コード", "店舗番号", "店番"), half_width),
        Field("name", HEADERS["name"], "フラワー銀座", ("提携店名", "店名", "名称", "名前")),
        Field("phone", HEADERS["phone"], "03-1234-5678", ("電話", "tel", "代表電話"), phones.e164, phones.format_phone),
        Field("mail", HEADERS["mail"], "ginza@flower.example", ("メール", "email", "e-mail"), half_width),
        Field("contact_name", HEADERS["contact_name"], "佐藤 花", ("担当", "担当者名", "ご担当者")),
        Field("opens_at", HEADERS["opens_at"], "9:00", ("受付開始", "開始", "開店時刻"), parse_clock, format_clock),
        Field("closes_at", HEADERS["closes_at"], "20:00", ("受付終了", "終了", "閉店時刻"), parse_clock, format_clock),
        Field(
            "closed_weekdays",
            HEADERS["closed_weekdays"],
            "水・日",
            ("定休", "休業日"),
            parse_closed_days,
            format_closed_days,
        ),
        Field("note", HEADERS["note"], "", ("メモ", "コメント")),
    ),
    model=schemas.ShopRow,
    existing=_existing,
    missing=_missing,
    create=actions.import_shops,
    change=actions.reimport_shops,
    further=_places,
)
IMPORTS = (SHOPS,)
