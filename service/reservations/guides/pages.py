"""Public pages of the guides for customers and shops, as HTML and PDF."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from service.core.database.session import Db, set_scopes
from service.core.pages import shell
from service.core.reports.render import content
from service.core.reports.response import cached_pdf_response
from service.reservations.flow.pages import AREA_SCOPES
from service.reservations.guides import queries
from service.reservations.guides.rules import GUIDES, PUBLIC_AUDIENCES, Audience, business_hours
from service.reservations.rules import GUIDES_PATH
from service.reservations.settings import settings

INTRODUCTIONS = {
    Audience.CUSTOMER: (
        "ご利用ガイド",
        "予約代行サービス QRV の使い方です。はじめての方は、クイックスタートガイドからお読みください。",
    ),
    Audience.SHOP: ("提携店の皆さまへ", "予約の電話の受け方と、届くメールの説明です。"),
}

router = APIRouter(prefix=GUIDES_PATH, include_in_schema=False)


@router.get("")
def start() -> Response:
    return RedirectResponse(f"{GUIDES_PATH}/", 307)


@router.get("/")
def guides() -> Response:
    groups = [
        (*INTRODUCTIONS[audience], [entry for entry in GUIDES.values() if entry.audience is audience])
        for audience in PUBLIC_AUDIENCES
    ]
    return shell.page("reservations/guides.html", groups=groups, support=settings(), hours=business_hours())


@router.get("/{name}.pdf")
def printed(db: Db, name: str) -> Response:
    guide = queries.get_guide(name, public=True)
    set_scopes(db, AREA_SCOPES)
    return cached_pdf_response(queries.guide_report(db, guide), f"{guide.title}.pdf")


@router.get("/{name}")
def guide(db: Db, name: str) -> Response:
    entry = queries.get_guide(name, public=True)
    set_scopes(db, AREA_SCOPES)
    document = content(queries.guide_report(db, entry)) | {"questions": entry.questions}
    titled = [(position, section) for position, section in enumerate(document["sections"], 1) if section["title"]]
    return shell.page("reservations/guide.html", guide=document, named=titled, pdf=f"{GUIDES_PATH}/{entry.name}.pdf")
