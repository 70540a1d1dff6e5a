"""What 探す finds of 予約運用."""

from __future__ import annotations

from service.core.access.auth import Actor
from service.core.search.sources import Hit, Row, Source, State, address, detail
from service.core.values.times import format_local_datetime
from service.reservations.desk import queries as desk
from service.reservations.enquiries import queries as enquiries
from service.reservations.enquiries.rules import Status as EnquiryStatus
from service.reservations.incidents import queries as incidents
from service.reservations.incidents import rules as incident_rules
from service.reservations.shops import queries as shops
from service.reservations.shops.exports import STATES as SHOP_STATES

# How the dashboards' lists name the choice that shows all.
ALL_ENQUIRIES, ALL_INCIDENTS = {"state": "すべて（解決済みを含む）"}, {"state": "すべて"}


def _reservation(_: Actor, row: Row) -> Hit:
    return Hit(
        f"{row['code']}　{row['customer_name']}",
        detail(
            f"{row['service_name']} {row['plan_name']}",
            format_local_datetime(row["starts_at"]),
            row["shop_name"],
            row["phone_shown"],
        ),
        address("/reservation", {"code": row["code"]}),
        State("waiting" if row["waits_until"] else row["state"], row["state_title"]),
    )


def _shop(_: Actor, row: Row) -> Hit:
    archived = {"archived": SHOP_STATES["archived"]} if row["archived_at"] else {}
    return Hit(
        row["name"],
        detail(row["code"], row["phone_shown"]),
        address("/shops", {"q": row["code"]}, archived),
        State(row["state"], SHOP_STATES[row["state"]]),
    )


def _enquiry(_: Actor, row: Row) -> Hit:
    status = EnquiryStatus(row["status"])
    return Hit(
        f"{row['code']}　{row['topic']}",
        detail(row["sender_name"], row["phone_shown"], format_local_datetime(row["received_at"])),
        address("/enquiries", {"q": row["code"]}, ALL_ENQUIRIES),
        State(status, status.label),
    )


def _incident(_: Actor, row: Row) -> Hit:
    number = incident_rules.incident_number(row["id"])
    status = incident_rules.Status(row["status"])
    return Hit(
        f"{number}　{row['title']}",
        detail(incident_rules.Level(row["level"]).label, format_local_datetime(row["detected_at"])),
        address("/incidents", {"q": number}, ALL_INCIDENTS),
        State(status, status.label),
    )


SEARCH = (
    Source(
        key="reservations.reservation",
        title="予約",
        permission="reservations:reservation:read",
        listing=desk.RESERVATIONS,
        hit=_reservation,
        terms=("reservation",),
        page="/reservations",
    ),
    Source(
        key="reservations.enquiry",
        title="問い合わせ",
        permission="reservations:enquiry:read",
        listing=enquiries.ENQUIRIES,
        hit=_enquiry,
        terms=("enquiry",),
        number="ENQ-",
        page="/enquiries",
        page_filters=ALL_ENQUIRIES,
    ),
    Source(
        key="reservations.shop",
        title="提携店",
        permission="reservations:shop:read",
        listing=shops.SHOPS,
        hit=_shop,
        terms=("shop",),
        page="/shops",
    ),
    Source(
        key="reservations.incident",
        title="インシデント",
        permission="reservations:incident:read",
        listing=incidents.INCIDENTS,
        hit=_incident,
        terms=("incident",),
        number="INC-",
        page="/incidents",
        page_filters=ALL_INCIDENTS,
    ),
)
