"""Every write of corporations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from service.agencies.cards import actions as cards
from service.agencies.cards import queries as card_queries
from service.agencies.cards.schemas import CardIn, NewCard, Removal
from service.agencies.corporations import queries, schemas
from service.agencies.corporations.models import Corporation
from service.agencies.corporations.rules import BY_CARD, CODED, emptied, missing, written
from service.agencies.fields.rules import Checks
from service.agencies.masters import queries as masters
from service.agencies.rules import AREA
from service.core.auth import Actor
from service.core.clock import app_now
from service.core.edits import Edits
from service.core.problems import Conflict, Invalid, Problem, Stale
from service.core.times import local_date

CORPORATIONS = Edits(
    AREA.name, "corporation", "法人", may_be_emptied=frozenset({"birthday", "representative_birthday"})
)
NOT_BY_CARD = "支払方法がクレジットカードのときだけ、カード情報を登録できます。支払方法を確認してください。"
CARD_WANTED = "カード情報を入力してください。"
UNKNOWN = "入力内容を確認してください。"
MOVED_ON = "ほかの人が先にこの法人を変更しました。{}。最新の内容を確認してから、もう一度操作してください。"
NO_LONGER_BY_CARD = "支払方法の変更"


def create(
    db: Session, by: Actor, agency_id: int, new: schemas.NewCorporation, *, place: str = "", has_open: bool = False
) -> Corporation:
    """`place` stands before the fields of complaints, as in "corporation."; `has_open`: a request for it follows in the
    same transaction, which keeps its card.

    Raises:
        Invalid: fields are missing or cannot be; all of them at once.
    """
    values = checked(db, new, place=place)
    corporation = Corporation(agency_id=agency_id, **values)
    shown = {name: value for name, value in values.items() if value not in ("", None)}
    CORPORATIONS.create(db, by, corporation, shown | {"agency_id": agency_id})
    if new.card is not None:
        cards.store(db, by, corporation.id, agency_id, new.card, has_open=has_open)
    return corporation


def checked(db: Session, new: schemas.NewCorporation, *, place: str = "") -> dict[str, Any]:
    """As it is kept, but for its card. Raises Invalid as `create`."""
    checks = Checks()
    values = written(checks, new.model_dump(exclude={"card"}), local_date(app_now(db)))
    values |= emptied(values)
    for name, message in missing(values):
        checks.complain(name, message)
    _look_up(db, checks, values)
    _check_card(db, checks, values["payment_type"], new.card)
    _refuse(checks, place)
    return values


def change(db: Session, by: Actor, corporation_id: int, new: schemas.CorporationChange) -> None:
    """
    Raises:
        NotFound: it is absent, or another agency's.
        Stale: somebody changed it since that version was read; the card is on neither side.
        Invalid: fields that were changed are missing or cannot be.
    """
    corporation = queries.get(db, by, corporation_id, lock=True)
    fields = schemas.Fields.model_construct(
        new.model_fields_set - {"card"}, **{name: getattr(new, name) for name in schemas.Fields.model_fields}
    )
    if new.version == corporation.version:
        fields = _checked(db, corporation, fields, new.card)
    CORPORATIONS.change(db, by, corporation, fields)
    if corporation.payment_type != BY_CARD:
        if cards.remove(db, by, corporation.id, NO_LONGER_BY_CARD):
            CORPORATIONS.touch(db, corporation)
    elif new.card is not None:
        _store(db, by, corporation, new.card)


def replace_card(db: Session, by: Actor, corporation_id: int, card: NewCard) -> None:
    """Raises NotFound, Stale, Conflict when it does not pay by card or cards are not taken, Invalid."""
    corporation = queries.get(db, by, corporation_id, lock=True)
    _refuse_stale(db, corporation, card.version, "カード情報はまだ登録されていません")
    if corporation.payment_type != BY_CARD:
        raise Conflict(NOT_BY_CARD)
    _store(db, by, corporation, card)


def remove_card(db: Session, by: Actor, corporation_id: int, why: Removal) -> None:
    """Raises NotFound, Stale."""
    corporation = queries.get(db, by, corporation_id, lock=True)
    card_queries.present(db, corporation.id)
    _refuse_stale(db, corporation, why.version, "カード情報はまだ削除されていません")
    cards.remove(db, by, corporation.id, why.reason)
    CORPORATIONS.touch(db, corporation)


def _refuse_stale(db: Session, corporation: Corporation, version: int, what_is_not: str) -> None:
    """The card that is there may be another one than was seen. Of cards, no side shows more than everybody sees."""
    if version != corporation.version:
        card = card_queries.summary(db, corporation.id)
        raise Stale(
            MOVED_ON.format(what_is_not),
            yours={},
            current={"version": corporation.version, "last4": card.last4 if card else None},
        )


def _store(db: Session, by: Actor, corporation: Corporation, card: CardIn) -> None:
    has_open = queries.has_open_request(db, corporation.id)
    cards.store(db, by, corporation.id, corporation.agency_id, card, has_open=has_open)
    CORPORATIONS.touch(db, corporation)


def _checked(db: Session, row: Corporation, new: schemas.Fields, card: CardIn | None) -> schemas.Fields:
    """What is to be written of it. What was amiss before, and is not touched, is no reason to refuse the rest."""
    checks = Checks()
    given = {
        name: value
        for name, value in new.model_dump(exclude={"version"}, exclude_unset=True).items()
        if value is not None or name in CORPORATIONS.may_be_emptied
    }
    before = {name: getattr(row, name) for name in schemas.Fields.model_fields if name != "version"}
    changed = {name: value for name, value in given.items() if value != before[name]}
    changed = written(checks, changed, local_date(app_now(db)))
    after = {**before, **changed}
    changed |= {name: value for name, value in emptied(after).items() if before[name] != value}
    after |= changed
    known = dict(missing(before))
    for name, message in missing(after):
        if name not in known or name in changed:
            checks.complain(name, message)
    _look_up(db, checks, {name: value for name, value in changed.items() if name in CODED})
    if card is not None or (changed.get("payment_type") == BY_CARD and card_queries.find(db, row.id) is None):
        _check_card(db, checks, after["payment_type"], card)
    _refuse(checks)
    return schemas.Fields.model_construct({"version", *changed}, version=new.version, **changed)


def _look_up(db: Session, checks: Checks, values: Mapping[str, Any]) -> None:
    """Whether codes are in use in the masters' lists."""
    coded = {name: (CODED[name], values[name]) for name in CODED if values.get(name)}
    try:
        masters.check(db, coded)
    except Invalid as refusal:
        for error in refusal.errors:
            checks.complain(error.field, error.message)


def _check_card(db: Session, checks: Checks, payment_type: str, card: CardIn | None) -> None:
    if payment_type != BY_CARD:
        if card is not None:
            checks.complain("card", NOT_BY_CARD)
        return
    if card is None:
        # Where cards are not taken, a corporation that pays by one is kept without.
        if card_queries.intake().takes_number:
            checks.complain("card", CARD_WANTED)
        return
    try:
        cards.check(db, card)
    except Problem as refusal:
        for error in refusal.errors:
            checks.complain(error.field, error.message)


def _refuse(checks: Checks, place: str = "") -> None:
    if checks.errors:
        raise Invalid(UNKNOWN, [(place + field, message) for field, message in checks.errors])
