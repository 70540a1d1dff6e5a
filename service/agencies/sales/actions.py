"""What sales do with a request: submit, correct and cancel it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.agencies.cards import actions as cards
from service.agencies.corporations import actions as corporations
from service.agencies.corporations import queries as corporation_queries
from service.agencies.corporations.models import Corporation
from service.agencies.drafts import actions as drafts
from service.agencies.drafts.rules import NO_SUBJECT, Form
from service.agencies.images import actions as images
from service.agencies.models import Request
from service.agencies.requests import actions as requests
from service.agencies.requests import queries as request_queries
from service.agencies.requests.models import Image
from service.agencies.rules import AREA
from service.agencies.sales import queries, schemas
from service.core import audit
from service.core.access.auth import Actor
from service.core.audit import Changes
from service.core.edits import Edits
from service.core.problems import Conflict, Forbidden, Invalid, WrongFields

REQUESTS = Edits(AREA.name, "request", "依頼")
CORPORATION_PREFIX = "corporation."
RESUBMITTED = "修正して再提出しました。"
NOTHING_TO_READ = "明細画像を追加してください。画像がない場合は、備考に明細の内容を入力してください。"
ONE_CORPORATION = "新しい法人を入力するか、登録済みの法人を選んでください。"
NO_REQUESTER = "この代理店の営業担当者を選んでください。"
NO_AGENCY = "代理店を選んでください。"
OTHER_AGENCY = "この法人は別の代理店のものです。代理店か法人を選び直してください。"
NOT_OWN_REQUEST = (
    "キャンセルできるのは、自分が提出した依頼だけです。提出した営業担当者か、管理者にキャンセルを依頼してください。"
)
REQUEST_CLOSED = (
    "この依頼は完了しているため、明細画像を追加できません。追加の地点は、新しい依頼として提出してください。"
)


def submit(db: Session, by: Actor, new: schemas.NewRequest) -> int:
    """Creates 投入依頼 with its corporation, card and images, and deletes its draft. Idempotent: `client_id` is the
    idempotency key, and a replay returns the first request.

    Raises:
        Invalid: by field, with the errors of all fields; those of the corporation are `corporation.…`.
        NotFound: the corporation does not exist or belongs to another agency.
    """
    # Of two concurrent submissions the second waits, and finds the request that the first has created.
    db.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(str(new.client_id), 0))))
    if (existing_id := queries.find_by_client_id(db, by, new.client_id)) is not None:
        return existing_id
    if (new.corporation is None) == (new.corporation_id is None):
        raise Invalid.at_field("corporation", ONE_CORPORATION)
    own_agency = by.tenant_in(AREA.name)
    if own_agency is not None and new.agency_id not in (None, own_agency):
        raise Invalid.at_field("agency_id", OTHER_AGENCY)
    existing = _existing_corporation(db, by, new, own_agency) if new.corporation_id is not None else None
    agency_id = existing.agency_id if existing else own_agency or new.agency_id
    requested_by, corporation = _requester_and_corporation(db, by, new, agency_id, existing)
    request = Request(
        agency_id=corporation.agency_id,
        corporation_id=corporation.id,
        requested_by=requested_by,
        remarks=new.remarks,
        site_count=max(len(new.images), 1) if new.site_count is None else new.site_count,
        client_id=new.client_id,
    )
    db.add(request)
    db.flush()
    attached = images.add(db, by, request, new.images)
    after = {
        "agency_id": request.agency_id,
        "corporation_id": request.corporation_id,
        "requested_by": requested_by,
        "site_count": request.site_count,
        "images": [image.file_name for image in attached],
        "remarks": request.remarks,
    }
    audit.record(db, by, "create", AREA.name, "request", request.id, after=after)
    cards.update_purge_dates(db, corporation.id, has_open=True, one_ended=False)
    if new.corporation is not None:
        drafts.remove(db, by, Form.NEW_REQUEST, NO_SUBJECT)
    else:
        drafts.remove(db, by, Form.ADD_SITE, str(corporation.id))
    return request.id


def check(db: Session, by: Actor, new: schemas.NewRequest) -> None:
    """Raises as `submit`, and stores nothing."""
    with db.begin_nested() as attempt:
        submit(db, by, new)
        attempt.rollback()


def _existing_corporation(db: Session, by: Actor, new: schemas.NewRequest, own_agency: int | None) -> Corporation:
    """The existing corporation, locked. The end of its last request takes the same lock, so the card is not scheduled
    for purging meanwhile."""
    corporation = corporation_queries.get(db, by, new.corporation_id or 0, lock=True)
    if own_agency is None and new.agency_id not in (None, corporation.agency_id):
        raise Invalid.at_field("agency_id", OTHER_AGENCY)
    return corporation


def _requester_and_corporation(
    db: Session, by: Actor, new: schemas.NewRequest, agency_id: int | None, existing: Corporation | None
) -> tuple[int, Corporation]:
    """The requesting user and the corporation. Raises Invalid with the errors of both and of the images together, so
    that the form shows all of them at once."""
    wrong = WrongFields([] if new.images or new.remarks else [("images", NOTHING_TO_READ)])
    requested_by = 0
    with wrong.noted():
        requested_by = _requester(db, by, new, agency_id)
    if wrong and new.corporation is not None:
        with wrong.noted():
            corporations.validated_values(db, new.corporation, prefix=CORPORATION_PREFIX)
    wrong.refuse()
    return requested_by, existing or _create(db, by, agency_id, new)


def _create(db: Session, by: Actor, agency_id: int | None, new: schemas.NewRequest) -> Corporation:
    assert new.corporation is not None
    assert agency_id is not None
    return corporations.create(db, by, agency_id, new.corporation, prefix=CORPORATION_PREFIX, has_open=True)


def _requester(db: Session, by: Actor, new: schemas.NewRequest, agency_id: int | None) -> int:
    """The requesting user. Raises Invalid when it is not a sales user of the agency."""
    if by.tenant_in(AREA.name) is not None:
        if new.requested_by not in (None, by.user_id):
            raise Invalid(NO_REQUESTER, [("requested_by", "自分以外の営業担当者は選べません。")])
        return by.user_id
    if agency_id is None:
        raise Invalid.at_field("agency_id", NO_AGENCY)
    if new.requested_by is None or not request_queries.is_sales_of(db, new.requested_by, agency_id):
        raise Invalid.at_field("requested_by", NO_REQUESTER)
    return new.requested_by


def add_images(db: Session, by: Actor, request: Request, files: Sequence[uuid.UUID]) -> list[Image]:
    """Raises Conflict when the request is closed, Invalid as `images.add`."""
    if not request.is_open:
        raise Conflict(REQUEST_CLOSED)
    new_images = images.add(db, by, request, files)
    requests.touch(db, request)
    requests.record_change(db, by, request, ({}, {}), images=[image.file_name for image in new_images])
    return new_images


def resubmit(db: Session, by: Actor, request: Request, new: schemas.Correction) -> None:
    """修正・再提出. Raises Stale when the request changed since it was read, Conflict when nothing is deficient."""

    def put_right() -> Changes:
        names = [image.file_name for image in images.add(db, by, request, new.images)]
        old, after = requests.resolve_deficiencies(db, by, request, new.message or RESUBMITTED)
        return old, {**after, "images": names}

    remarks = schemas.RemarksChange(version=new.version, remarks=new.remarks)
    REQUESTS.change(db, by, request, remarks, parts=put_right)
    drafts.remove(db, by, Form.CORRECTION, str(request.id))


def cancel(db: Session, by: Actor, request: Request, reason: str) -> None:
    """Raises Forbidden for another user's request, Conflict when nothing can be cancelled."""
    if not queries.may_cancel(by, request):
        raise Forbidden(NOT_OWN_REQUEST)
    requests.cancel(db, by, request, reason)
