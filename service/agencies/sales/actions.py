"""What those who sell do with a request."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.agencies.cards import actions as cards
from service.agencies.corporations import actions as corporations
from service.agencies.corporations import queries as corporation_queries
from service.agencies.corporations.models import Corporation
from service.agencies.drafts import actions as drafts
from service.agencies.drafts.rules import NO_SUBJECT, Form
from service.agencies.images import actions as images
from service.agencies.requests import actions as requests
from service.agencies.requests import queries as request_queries
from service.agencies.requests.models import Image, Request
from service.agencies.rules import AREA
from service.agencies.sales import queries, schemas
from service.core import audit
from service.core.auth import Actor
from service.core.edits import Edits
from service.core.problems import Conflict, Forbidden, Invalid

REQUESTS = Edits(AREA.name, "request", "依頼")
OF_CORPORATION = "corporation."
PUT_RIGHT = "修正して再提出しました。"
NOTHING_TO_READ = "明細画像を追加してください。画像がない場合は、備考に明細の内容を入力してください。"
ONE_CORPORATION = "新しい法人を入力するか、登録済みの法人を選んでください。"
NO_PERSON = "この代理店の営業担当者を選んでください。"
NO_AGENCY = "代理店を選んでください。"
OTHER_AGENCY = "この法人は別の代理店のものです。代理店か法人を選び直してください。"
NOT_MINE = (
    "キャンセルできるのは、自分が提出した依頼だけです。提出した営業担当者か、管理者にキャンセルを依頼してください。"
)
OVER = "この依頼は完了しているため、明細画像を追加できません。追加の地点は、新しい依頼として提出してください。"


def submit(db: Session, by: Actor, new: schemas.NewRequest) -> int:
    """投入依頼 with all that belongs to it, once however often it is sent; its draft goes.

    Raises:
        Invalid: by field, those of the corporation as `corporation.…`; all of them at once.
        NotFound: a corporation that is absent or another agency's.
    """
    # Of two at once the second one waits, and finds what the first one made.
    db.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(str(new.client_id), 0))))
    if (before := queries.sent_before(db, by, new.client_id)) is not None:
        return before
    if (new.corporation is None) == (new.corporation_id is None):
        raise Invalid(ONE_CORPORATION, [("corporation", ONE_CORPORATION)])
    own = by.tenant_in(AREA.name)
    if own is not None and new.agency_id not in (None, own):
        raise Invalid(OTHER_AGENCY, [("agency_id", OTHER_AGENCY)])
    known = _known(db, by, new, own) if new.corporation_id is not None else None
    agency_id = known.agency_id if known else own or new.agency_id
    person, corporation = _both(db, by, new, agency_id, known)
    request = Request(
        agency_id=corporation.agency_id,
        corporation_id=corporation.id,
        requested_by=person,
        remarks=new.remarks,
        site_count=max(len(new.images), 1) if new.site_count is None else new.site_count,
        client_id=new.client_id,
    )
    db.add(request)
    db.flush()
    after = {
        "agency_id": request.agency_id,
        "corporation_id": request.corporation_id,
        "requested_by": person,
        "site_count": request.site_count,
        "images": len(new.images),
        "remarks": request.remarks,
    }
    audit.record(db, by, "create", AREA.name, "request", request.id, after=after)
    images.add(db, by, request, new.images)
    cards.follow_requests(db, corporation.id, has_open=True, one_ended=False)
    if new.corporation is not None:
        drafts.remove(db, by, Form.NEW_REQUEST, NO_SUBJECT)
    else:
        drafts.remove(db, by, Form.ADD_SITE, str(corporation.id))
    return request.id


def check(db: Session, by: Actor, new: schemas.NewRequest) -> None:
    """Raises what `submit` would, and stores nothing."""
    with db.begin_nested() as attempt:
        submit(db, by, new)
        attempt.rollback()


def _known(db: Session, by: Actor, new: schemas.NewRequest, own: int | None) -> Corporation:
    """Locked, as whoever ends its last request locks it: a card that is to stay does not go meanwhile."""
    known = corporation_queries.get(db, by, new.corporation_id or 0, lock=True)
    if own is None and new.agency_id not in (None, known.agency_id):
        raise Invalid(OTHER_AGENCY, [("agency_id", OTHER_AGENCY)])
    return known


def _both(
    db: Session, by: Actor, new: schemas.NewRequest, agency_id: int | None, known: Corporation | None
) -> tuple[int, Corporation]:
    """Who asks, and for whom. What is wrong with either, and with the statements, is said together: one press of a
    button tells a person on a phone all that is left to do."""
    wrong: list[tuple[str, str]] = []
    person = 0
    if not new.images and not new.remarks:
        wrong.append(("images", NOTHING_TO_READ))
    with _noted(wrong):
        person = _person(db, by, new, agency_id)
    if wrong and new.corporation is not None:
        with _noted(wrong):
            corporations.checked(db, new.corporation, place=OF_CORPORATION)
    if wrong:
        raise Invalid(wrong[0][1] if len(wrong) == 1 else corporations.UNKNOWN, wrong)
    return person, known or _create(db, by, agency_id, new)


@contextmanager
def _noted(wrong: list[tuple[str, str]]) -> Iterator[None]:
    try:
        yield
    except Invalid as refusal:
        wrong += [(error.field, error.message) for error in refusal.errors]


def _create(db: Session, by: Actor, agency_id: int | None, new: schemas.NewRequest) -> Corporation:
    assert new.corporation is not None
    assert agency_id is not None
    return corporations.create(db, by, agency_id, new.corporation, place=OF_CORPORATION, has_open=True)


def _person(db: Session, by: Actor, new: schemas.NewRequest, agency_id: int | None) -> int:
    """Who asks. Raises Invalid when it is nobody of the agency."""
    if by.tenant_in(AREA.name) is not None:
        if new.requested_by not in (None, by.user_id):
            raise Invalid(NO_PERSON, [("requested_by", "自分以外の営業担当者は選べません。")])
        return by.user_id
    if agency_id is None:
        raise Invalid(NO_AGENCY, [("agency_id", NO_AGENCY)])
    if new.requested_by is None or not request_queries.is_sales_of(db, new.requested_by, agency_id):
        raise Invalid(NO_PERSON, [("requested_by", NO_PERSON)])
    return new.requested_by


def add_images(db: Session, by: Actor, request: Request, files: Sequence[uuid.UUID]) -> list[Image]:
    """Raises Conflict when all is done already, Invalid as `images.add`."""
    if not request.is_open:
        raise Conflict(OVER)
    added = images.add(db, by, request, files)
    requests.touch(db, request)
    return added


def resubmit(db: Session, by: Actor, request: Request, new: schemas.Correction) -> None:
    """修正・再提出. Raises Stale for a request that moved on since it was read, Conflict when nothing is deficient."""
    REQUESTS.change(db, by, request, schemas.RemarksChange(version=new.version, remarks=new.remarks))
    images.add(db, by, request, new.images)
    requests.put_right(db, by, request, new.message or PUT_RIGHT)
    drafts.remove(db, by, Form.CORRECTION, str(request.id))


def cancel(db: Session, by: Actor, request: Request, reason: str) -> None:
    """Raises Forbidden for another person's, Conflict when nothing can be taken back."""
    if not queries.may_cancel(by, request):
        raise Forbidden(NOT_MINE)
    requests.cancel(db, by, request, reason)
