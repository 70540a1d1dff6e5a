"""The guides that everybody may read: for customers and for shops, as pages and as PDF."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from service.core.db import Db, set_scopes
from service.core.pages import shell
from service.core.reports.render import content
from service.core.reports.response import kept_pdf
from service.reservations.flow.pages import WHOLE_AREA
from service.reservations.guides import queries
from service.reservations.guides.rules import GUIDES, PUBLIC, Audience, business_hours
from service.reservations.rules import GUIDES_PATH
from service.reservations.settings import settings

LEADS = {
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
    listed = [(*LEADS[whose], [one for one in GUIDES.values() if one.audience is whose]) for whose in PUBLIC]
    return shell.page("reservations/guides.html", groups=listed, support=settings(), hours=business_hours())


@router.get("/{name}.pdf")
def printed(db: Db, name: str) -> Response:
    guide = queries.guide(name, public=True)
    set_scopes(db, WHOLE_AREA)
    return kept_pdf(queries.report(db, guide), f"{guide.title}.pdf")


@router.get("/{name}")
def guide(db: Db, name: str) -> Response:
    found = queries.guide(name, public=True)
    set_scopes(db, WHOLE_AREA)
    shown = content(queries.report(db, found)) | {"questions": found.questions}
    named = [(place, section) for place, section in enumerate(shown["sections"], 1) if section["title"]]
    return shell.page("reservations/guide.html", guide=shown, named=named, pdf=f"{GUIDES_PATH}/{found.name}.pdf")
