"""Export of partner shops, with the columns of the import: an exported file can be edited and imported again."""

from __future__ import annotations

from service.core.exports.declared import Column, ExportList
from service.core.values import labels
from service.reservations.shops import queries, schemas
from service.reservations.shops.rules import HEADERS

STATES = labels.table(
    "reservations", "ShopState", {"active": "利用中", "blacklisted": "利用停止", "archived": "アーカイブ済み"}
)
SHOPS = ExportList(
    key="reservations.shops",
    title="提携店",
    permission="reservations:shop:read",
    columns=(
        Column("code", HEADERS["code"]),
        Column("name", HEADERS["name"]),
        Column("phone_shown", HEADERS["phone"]),
        Column("mail", HEADERS["mail"]),
        Column("contact_name", HEADERS["contact_name"]),
        Column("opens", HEADERS["opens_at"]),
        Column("closes", HEADERS["closes_at"]),
        Column("days", HEADERS["closed_weekdays"]),
        Column("note", HEADERS["note"]),
        Column("places", HEADERS["services"]),
        Column("state", "状態", "choice", words=STATES),
        Column("blacklist_reason", "利用停止の理由"),
        Column("created_at", "登録日時", "moment"),
    ),
    filters=schemas.ShopFilters,
    statement=queries.shops_export,
)
EXPORTS = (SHOPS,)
