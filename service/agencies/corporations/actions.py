"""Writes of corporations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from service.agencies.cards import actions as cards
from service.agencies.cards import queries as card_queries
from service.agencies.cards.schemas import CardIn, NewCard, Removal
from service.agencies.corporations import queries, schemas
from service.agencies.corporations.models import Corporation
from service.agencies.corporations.rules import BY_CARD, CODED, cleared_values, missing_fields, normalized_values
from service.agencies.fields.rules import Checks
from service.agencies.masters import queries as masters
from service.agencies.rules import AREA
from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.edits import Edit, Edits, entered_values
from service.core.problems import Conflict, Invalid, Problem, Stale
from service.core.resources import Changeable
from service.core.values.times import local_date

EDITS = Edits(AREA.name, "corporation", "法人", may_be_emptied=frozenset({"birthday", "representative_birthday"}))
NOT_BY_CARD = "支払方法がクレジットカードのときだけ、カード情報を登録できます。支払方法を確認してください。"
CARD_REQUIRED = "カード情報を入力してください。"
INVALID_INPUT = "入力内容を確認してください。"
CHANGED_MEANWHILE = "ほかの人が先にこの法人を変更しました。{}。最新の内容を確認してから、もう一度操作してください。"
NO_LONGER_BY_CARD = "支払方法の変更"


def create(
    db: Session, by: Actor, agency_id: int, new: schemas.NewCorporation, *, prefix: str = "", has_open: bool = False
) -> Corporation:
    """`prefix` is put before the fields of errors, as in "corporation."; `has_open`: a request for the corporation
    follows in the same transaction, so that its card has no purge date.

    Raises:
        Invalid: fields are missing or not valid; has the errors of all fields.
    """
    values = validated_values(db, new, prefix=prefix)
    corporation = Corporation(agency_id=agency_id, **values)
    audited = {name: value for name, value in values.items() if value not in ("", None)}
    EDITS.create(db, by, corporation, audited | {"agency_id": agency_id})
    if new.card is not None:
        cards.store(db, by, corporation.id, agency_id, new.card, has_open=has_open)
    return corporation


def validated_values(db: Session, new: schemas.NewCorporation, *, prefix: str = "") -> dict[str, Any]:
    """The values as they are stored, without the card. Raises Invalid as `create`."""
    checks = Checks()
    values = normalized_values(checks, new.model_dump(exclude={"card"}), local_date(app_now(db)))
    values |= cleared_values(values)
    for name, message in missing_fields(values):
        checks.add_error(name, message)
    _check_codes(db, checks, values)
    _check_card(db, checks, values["payment_type"], new.card)
    _refuse(checks, prefix)
    return values


class Corporations(Changeable[Corporation]):
    """A new one comes with its first request: see `create` above."""

    def change(self, db: Session, by: Actor, key: int, new: Any) -> None:
        """
        Raises:
            NotFound: it does not exist, or belongs to another agency.
            Stale: another user changed it since that version was read; neither side contains the card.
            Invalid: changed fields are missing or not valid.
        """
        corporation = self.lock(db, by, key)
        fields: Edit = schemas.FieldsChange.model_construct(
            new.model_fields_set - {"card"}, **{name: getattr(new, name) for name in schemas.FieldsChange.model_fields}
        )
        if new.version == corporation.version:
            fields = _validated_changes(db, corporation, fields, new.card)
        EDITS.change(db, by, corporation, fields)
        if corporation.payment_type != BY_CARD:
            if cards.remove(db, by, corporation.id, NO_LONGER_BY_CARD):
                EDITS.touch(db, corporation)
        elif new.card is not None:
            _store(db, by, corporation, new.card)


CORPORATIONS = Corporations(EDITS, Corporation, schemas.CorporationChange, find=queries.get)


def replace_card(db: Session, by: Actor, corporation_id: int, card: NewCard) -> None:
    """Raises NotFound, Stale, Invalid, and Conflict when it does not pay by card or cards are not accepted."""
    corporation = queries.get(db, by, corporation_id, lock=True)
    _refuse_stale(db, corporation, card.version, "カード情報はまだ登録されていません")
    if corporation.payment_type != BY_CARD:
        raise Conflict(NOT_BY_CARD)
    _store(db, by, corporation, card)


def remove_card(db: Session, by: Actor, corporation_id: int, removal: Removal) -> None:
    """Raises NotFound, Stale."""
    corporation = queries.get(db, by, corporation_id, lock=True)
    card_queries.get_card(db, corporation.id)
    _refuse_stale(db, corporation, removal.version, "カード情報はまだ削除されていません")
    cards.remove(db, by, corporation.id, removal.reason)
    EDITS.touch(db, corporation)


def _refuse_stale(db: Session, corporation: Corporation, version: int, not_done: str) -> None:
    """Refuses an edit of an old version (optimistic locking): the card may have been replaced since it was read. The
    error contains no more of the card than its last four digits."""
    if version != corporation.version:
        card = card_queries.summary(db, corporation.id)
        raise Stale(
            CHANGED_MEANWHILE.format(not_done),
            yours={},
            current={"version": corporation.version, "last4": card.last4 if card else None},
        )


def _store(db: Session, by: Actor, corporation: Corporation, card: CardIn) -> None:
    has_open = queries.has_open_request(db, corporation.id)
    cards.store(db, by, corporation.id, corporation.agency_id, card, has_open=has_open)
    EDITS.touch(db, corporation)


def _validated_changes(db: Session, corporation: Corporation, new: Edit, card: CardIn | None) -> Edit:
    """The changes to be written. Fields that were missing before and are not changed are no error."""
    checks = Checks()
    sent = entered_values(new, EDITS.may_be_emptied)
    before = {name: getattr(corporation, name) for name in schemas.FieldsChange.model_fields if name != "version"}
    changed = {name: value for name, value in sent.items() if value != before[name]}
    changed = normalized_values(checks, changed, local_date(app_now(db)))
    after = {**before, **changed}
    changed |= {name: value for name, value in cleared_values(after).items() if before[name] != value}
    after |= changed
    missing_before = dict(missing_fields(before))
    for name, message in missing_fields(after):
        if name not in missing_before or name in changed:
            checks.add_error(name, message)
    _check_codes(db, checks, {name: value for name, value in changed.items() if name in CODED})
    if card is not None or (changed.get("payment_type") == BY_CARD and card_queries.find(db, corporation.id) is None):
        _check_card(db, checks, after["payment_type"], card)
    _refuse(checks)
    return schemas.FieldsChange.model_construct({"version", *changed}, version=new.version, **changed)


def _check_codes(db: Session, checks: Checks, values: Mapping[str, Any]) -> None:
    """Checks that the codes are in the masters' lists and not archived."""
    coded = {name: (CODED[name], values[name]) for name in CODED if values.get(name)}
    try:
        masters.check(db, coded)
    except Invalid as invalid:
        for error in invalid.errors:
            checks.add_error(error.field, error.message)


def _check_card(db: Session, checks: Checks, payment_type: str, card: CardIn | None) -> None:
    if payment_type != BY_CARD:
        if card is not None:
            checks.add_error("card", NOT_BY_CARD)
        return
    if card is None:
        # Where cards are not accepted, a corporation that pays by card is stored without one.
        if card_queries.intake().takes_number:
            checks.add_error("card", CARD_REQUIRED)
        return
    try:
        cards.check(db, card)
    except Problem as problem:
        for error in problem.errors:
            checks.add_error(error.field, error.message)


def _refuse(checks: Checks, prefix: str = "") -> None:
    if checks.errors:
        raise Invalid(INVALID_INPUT, [(prefix + field, message) for field, message in checks.errors])
