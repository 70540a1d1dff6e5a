"""How a request and its sites move, and what is said on the way. Whoever changes anything of a request locks its row
first: of two at once the second one sees what the first one did."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlencode

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.agencies.cards import actions as cards
from service.agencies.corporations import queries as corporations
from service.agencies.corporations.models import Corporation
from service.agencies.requests import queries
from service.agencies.requests.models import Comment, Read, Request, Site, Viewer
from service.agencies.rules import (
    AREA,
    OPEN,
    STATUS_WORDS,
    CommentType,
    Status,
    aggregate,
    has_rest,
    refusal,
)
from service.core import audit, outbox
from service.core.audit import Action
from service.core.auth import Actor
from service.core.clock import app_now, real_now
from service.core.identity import User
from service.core.problems import Conflict
from service.core.settings import settings

NOTHING_OPEN = "この依頼には、差し戻しや取り消しができる地点が残っていません。最新の状態を確認してください。"


def touch(db: Session, request: Request) -> None:
    """Somebody changed what belongs to the request: who read it before has an old version."""
    request.version += 1
    request.updated_at = app_now(db)


def say(
    db: Session,
    by: Actor,
    request: Request,
    message: str,
    *,
    site: Site | None = None,
    type: CommentType = CommentType.COMMENT,
) -> Comment:
    """Whoever says something has read what was said before."""
    comment = Comment(
        agency_id=request.agency_id,
        request_id=request.id,
        site_id=site.id if site else None,
        author_id=by.user_id,
        type=type.value,
        message=message,
    )
    db.add(comment)
    db.flush()
    mark_read(db, by, request, comment.id)
    after = {"request_id": request.id, "site_id": comment.site_id, "type": comment.type, "message": message}
    audit.record(db, by, "create", AREA.name, "comment", comment.id, after=after)
    return comment


def mark_read(db: Session, by: Actor, request: Request, up_to: int) -> None:
    """Up to this comment; a mark never goes back."""
    mark = insert(Read).values(request_id=request.id, user_id=by.user_id, agency_id=request.agency_id, comment_id=up_to)
    db.execute(
        mark.on_conflict_do_update(
            index_elements=[Read.request_id, Read.user_id],
            set_={"comment_id": func.greatest(Read.comment_id, mark.excluded.comment_id)},
        )
    )


def read_up_to(db: Session, by: Actor, request: Request, comment_id: int) -> None:
    """The newest one that the reader saw; what came after it stays unread."""
    seen = select(func.max(Comment.id)).where(Comment.request_id == request.id, Comment.id <= comment_id)
    last = db.scalar(seen)
    if last is not None:
        mark_read(db, by, request, last)


def look(db: Session, by: Actor, request: Request) -> list[str]:
    """The person has it open; the names of the others who do."""
    seen = insert(Viewer).values(request_id=request.id, user_id=by.user_id, agency_id=request.agency_id)
    db.execute(
        seen.values(seen_at=func.now()).on_conflict_do_update(
            index_elements=[Viewer.request_id, Viewer.user_id], set_={"seen_at": func.now()}
        )
    )
    db.execute(
        delete(Viewer).where(Viewer.request_id == request.id, Viewer.seen_at < real_now() - 10 * queries.GONE_AFTER)
    )
    return queries.viewers(db, by, request)


def move(db: Session, by: Actor, request: Request, site: Site, wanted: Status) -> None:
    """A site's next status, by 4.1. The request's has to be settled afterwards. Raises Conflict where it may not."""
    now = Status(site.status)
    if reason := refusal(now, wanted):
        raise Conflict(reason)
    # Asked first: a question writes what was changed so far, and 投入済 without its day is refused.
    moment = app_now(db)
    site.status = wanted.value
    site.entered_at = moment if wanted is Status.ENTERED else None
    site.version += 1
    site.updated_at = moment
    if now is Status.DEFICIENT:
        _resolve(db, queries.open_deficiencies(db, request, site))
    action: Action = "cancel" if wanted is Status.CANCELLED else "status_change"
    before, after = {"status": now.value}, {"status": wanted.value, "request_id": site.request_id}
    audit.record(db, by, action, AREA.name, "site", site.id, before=before, after=after)


def report(db: Session, by: Actor, request: Request, message: str, sites: Iterable[Site] = ()) -> None:
    """不備差し戻し: of these sites, or of the request as a whole; sales are told. Raises Conflict when it is over."""
    listed = list(sites)
    if not request.is_open:
        raise Conflict(NOTHING_OPEN)
    for one in listed:
        if one.status != Status.DEFICIENT.value:
            move(db, by, request, one, Status.DEFICIENT)
    about: list[Site | None] = [*listed] or [None]
    for site in about:
        say(db, by, request, message, site=site, type=CommentType.DEFICIENCY)
    settle(db, by, request)
    names = queries.site_names(db, request)
    where = "、".join(names[one.id] for one in listed) or "依頼全体"
    tell_sales(
        db,
        request,
        "不備の連絡",
        f"次の不備があります。内容を確認して、修正のうえ再提出してください。\n\n対象: {where}\n{message}",
    )


def put_right(db: Session, by: Actor, request: Request, message: str) -> None:
    """修正・再提出: every open deficiency is over, its sites are 対応中 again. Raises Conflict when there is none."""
    deficiencies = queries.open_deficiencies(db, request)
    deficient = [site for site in queries.sites(db, request) if site.status == Status.DEFICIENT.value]
    if not deficiencies and not deficient:
        raise Conflict("この依頼に、対応が必要な不備はありません。最新の状態を確認してください。")
    _resolve(db, deficiencies)
    for site in deficient:
        move(db, by, request, site, Status.WORKING)
    say(db, by, request, message)
    settle(db, by, request)


def cancel(db: Session, by: Actor, request: Request, reason: str) -> None:
    """投入依頼キャンセル: what is 投入済 stays so. Raises Conflict when nothing is left that could be taken back."""
    if not request.is_open:
        raise Conflict(
            f"この依頼は{STATUS_WORDS[Status(request.status)]}のため、キャンセルできません。"
            if request.status != Status.WORKING.value
            else NOTHING_OPEN
        )
    for site in queries.sites(db, request):
        if Status(site.status) in OPEN:
            move(db, by, request, site, Status.CANCELLED)
    _resolve(db, queries.open_deficiencies(db, request))
    request.cancelled_at = app_now(db)
    say(db, by, request, f"依頼をキャンセルしました。理由: {reason}")
    settle(db, by, request)


def settle(db: Session, by: Actor, request: Request) -> None:
    """The request's status from its sites and deficiencies (4.2); card data follow."""
    db.flush()
    sites = queries.statuses(queries.sites(db, request))
    deficient = any(one.site_id is None for one in queries.open_deficiencies(db, request))
    cancelled = request.cancelled_at is not None
    before, was_open = request.status, request.is_open
    request.status = aggregate(sites, deficient=deficient, cancelled=cancelled).value
    request.is_open = has_rest(sites, deficient=deficient, cancelled=cancelled)
    touch(db, request)
    db.flush()
    if request.status != before:
        action: Action = "cancel" if request.status == Status.CANCELLED.value else "status_change"
        sides = {"status": before}, {"status": request.status}
        audit.record(db, by, action, AREA.name, "request", request.id, before=sides[0], after=sides[1])
    if request.is_open != was_open:
        # Of two that end at once, or of one that ends while another is sent, the second one sees the first.
        db.execute(select(Corporation.id).where(Corporation.id == request.corporation_id).with_for_update())
        has_open = request.is_open or corporations.has_open_request(db, request.corporation_id)
        cards.follow_requests(db, request.corporation_id, has_open=has_open, one_ended=not request.is_open)


def tell_sales(db: Session, request: Request, subject: str, body: str) -> None:
    """A mail to who asked for it, if they have an address and still sell for the agency; the menu's badge tells them
    anyway."""
    person = db.get_one(User, request.requested_by)
    corporation = queries.get_corporation_of(db, request)
    if not person.mail or not queries.is_sales_of(db, person.id, request.agency_id):
        return
    page = f"{settings().public_base_url.rstrip('/')}/request?{urlencode({'id': request.id})}"
    about = f"依頼 {request.id}（{corporation.name}）について、{body}"
    lines = f"{person.name} 様\n\n{about}\n\n依頼の確認と再提出:\n{page}\n\nGenba 申込投入"
    outbox.publish(
        db,
        "mail",
        {"to": [person.mail], "subject": f"【{subject}】依頼 {request.id} {corporation.name}", "body": lines},
        area=AREA.name,
        tenant_id=request.agency_id,
        recipient=person.mail,
        title=f"{subject}: 依頼 {request.id}",
        about=("request", request.id),
    )


def _resolve(db: Session, deficiencies: Iterable[Comment]) -> None:
    now = app_now(db)
    for one in deficiencies:
        one.resolved_at = now
