"""Partner shops as files, with their places in the services' orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from sqlalchemy.orm import Session

from service.core import phones
from service.core.auth import Actor
from service.core.imports.kinds import Field, Kind, Values
from service.core.texts import plain
from service.reservations.services import queries as services
from service.reservations.shops import actions, queries, schemas
from service.reservations.shops.rules import (
    HEADERS,
    clock,
    closed_days,
    places_asked,
    shown_clock,
    shown_days,
    shown_places,
    words_for,
)


def _existing(db: Session, _: Actor, codes: Sequence[str]) -> Mapping[str, tuple[int, Values]]:
    return queries.rows_for_import(db, codes)


def _missing(db: Session, _: Actor, rows: Sequence[Values]) -> Mapping[int, tuple[str, str]]:
    """Archived shops, and two that would stand in the same place."""
    archived = queries.archived(db, [row["code"] for row in rows])
    first: dict[tuple[str, int], str] = {}
    wrong: dict[int, tuple[str, str]] = {}
    for place, row in enumerate(rows):
        if row["code"] in archived:
            wrong[place] = ("code", f"「{row['code']}」はアーカイブされています。元に戻してから取り込んでください。")
        for service, number in row["services"].items():
            other = first.setdefault((service, number), row["code"])
            if other != row["code"]:
                wrong[place] = ("services", f"{number}番は「{other}」と重なっています。別の番号にしてください。")
    return wrong


def _places(db: Session, _: Sequence[str]) -> tuple[Field, ...]:
    """The column of places, which is read by the services that there are."""
    offered = services.in_use(db)
    words = words_for([(service.code, service.name) for service in offered])
    known = {word: code for code, word in words.items()} | {code: code for code in words}
    example = "、".join(f"{words[service.code]}:{place}" for place, service in enumerate(offered[:2], 1))
    return (
        Field(
            "services",
            HEADERS["services"],
            example,
            ("サービス", "サービスと順番", "順番"),
            partial(places_asked, known=known),
            partial(shown_places, names=words),
        ),
    )


SHOPS = Kind(
    key="reservations.shops",
    title="提携店",
    counter="店",
    permission="reservations:shop:create",
    fields=(
        Field("code", HEADERS["code"], "S001", ("コード", "店舗番号", "店番"), plain),
        Field("name", HEADERS["name"], "フラワー銀座", ("提携店名", "店名", "名称", "名前")),
        Field("phone", HEADERS["phone"], "03-1234-5678", ("電話", "tel", "代表電話"), phones.e164, phones.shown),
        Field("mail", HEADERS["mail"], "ginza@flower.example", ("メール", "email", "e-mail"), plain),
        Field("contact_name", HEADERS["contact_name"], "佐藤 花", ("担当", "担当者名", "ご担当者")),
        Field("opens_at", HEADERS["opens_at"], "9:00", ("受付開始", "開始", "開店時刻"), clock, shown_clock),
        Field("closes_at", HEADERS["closes_at"], "20:00", ("受付終了", "終了", "閉店時刻"), clock, shown_clock),
        Field("closed_weekdays", HEADERS["closed_weekdays"], "水・日", ("定休", "休業日"), closed_days, shown_days),
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
