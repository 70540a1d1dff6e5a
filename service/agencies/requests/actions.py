"""Status transitions of requests and sites, comments, and read marks. Every change of a request, or of what belongs to
it, locks the request's row first: of two concurrent changes the second sees the result of the first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.agencies.cards import actions as cards
from service.agencies.corporations import queries as corporations
from service.agencies.corporations.models import Corporation
from service.agencies.models import Request, Site
from service.agencies.requests import queries
from service.agencies.requests.models import Comment, Read, Viewer
from service.agencies.rules import (
    AREA,
    OPEN,
    CommentType,
    Status,
    aggregate,
    has_open_work,
    transition_error,
)
from service.core import audit
from service.core.access.auth import Actor
from service.core.access.identity import User
from service.core.audit import Action, Changes
from service.core.database.clock import app_now, real_now
from service.core.outbox import queue
from service.core.problems import Conflict
from service.core.settings import settings

NOTHING_OPEN = "この依頼には、差し戻しや取り消しができる地点が残っていません。最新の状態を確認してください。"


def touch(db: Session, request: Request) -> None:
    """Raises the version when something that belongs to the request changed, so that edits of the version read before
    are stale."""
    request.version += 1
    request.updated_at = app_now(db)


def add_comment(
    db: Session,
    by: Actor,
    request: Request,
    message: str,
    *,
    site: Site | None = None,
    type: CommentType = CommentType.COMMENT,
    is_audited: bool = True,
) -> Comment:
    """Adds a comment. Earlier comments are marked as read for its author. Not `is_audited`: it belongs to an action
    with an audit entry of its own."""
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
    if is_audited:
        after = {"request_id": request.id, "site_id": comment.site_id, "type": comment.type, "message": message}
        audit.record(db, by, "create", AREA.name, "comment", comment.id, after=after)
    return comment


def mark_read(db: Session, by: Actor, request: Request, up_to: int) -> None:
    """Marks comments as read up to this one; the mark never moves backwards."""
    mark = insert(Read).values(request_id=request.id, user_id=by.user_id, agency_id=request.agency_id, comment_id=up_to)
    db.execute(
        mark.on_conflict_do_update(
            index_elements=[Read.request_id, Read.user_id],
            set_={"comment_id": func.greatest(Read.comment_id, mark.excluded.comment_id)},
        )
    )


def mark_read_up_to(db: Session, by: Actor, request: Request, comment_id: int) -> None:
    """Marks comments as read up to the newest one with at most this id; later ones stay unread."""
    newest = select(func.max(Comment.id)).where(Comment.request_id == request.id, Comment.id <= comment_id)
    last = db.scalar(newest)
    if last is not None:
        mark_read(db, by, request, last)


def record_viewer(db: Session, by: Actor, request: Request) -> list[str]:
    """Records that the user has the request open. Returns the names of the others who have."""
    upsert = insert(Viewer).values(request_id=request.id, user_id=by.user_id, agency_id=request.agency_id)
    db.execute(
        upsert.values(seen_at=func.now()).on_conflict_do_update(
            index_elements=[Viewer.request_id, Viewer.user_id], set_={"seen_at": func.now()}
        )
    )
    db.execute(
        delete(Viewer).where(Viewer.request_id == request.id, Viewer.seen_at < real_now() - 10 * queries.VIEWER_TIMEOUT)
    )
    return queries.viewers(db, by, request)


def set_site_status(db: Session, request: Request, site: Site, status: Status) -> None:
    """Changes a site's status as 4.1 allows; `update_status` of the request and an audit entry must follow. Raises
    Conflict when the transition is not allowed."""
    current = Status(site.status)
    if reason := transition_error(current, status):
        raise Conflict(reason)
    # Read before the change: a query flushes pending changes, and 投入済 without `entered_at` violates a constraint.
    changed_at = app_now(db)
    site.status = status.value
    site.entered_at = changed_at if status is Status.ENTERED else None
    site.version += 1
    site.updated_at = changed_at
    if current is Status.DEFICIENT:
        _resolve(db, queries.open_deficiencies(db, request, site))


def record_change(db: Session, by: Actor, request: Request, changes: Changes, **after: Any) -> None:
    """One audit entry for an action on the request: its change of status, and what else was done."""
    old, new = changes
    action: Action = "cancel" if new.get("status") == Status.CANCELLED.value else "status_change" if new else "update"
    audit.record(db, by, action, AREA.name, "request", request.id, before=old, after={**new, **after})


def report_deficiency(db: Session, by: Actor, request: Request, message: str, sites: Iterable[Site] = ()) -> None:
    """不備差し戻し: of these sites, or of the request as a whole; notifies sales. Raises Conflict when the request is
    closed."""
    deficient_sites = list(sites)
    if not request.is_open:
        raise Conflict(NOTHING_OPEN)
    for site in deficient_sites:
        if site.status != Status.DEFICIENT.value:
            set_site_status(db, request, site, Status.DEFICIENT)
    targets: list[Site | None] = [*deficient_sites] or [None]
    for target in targets:
        add_comment(db, by, request, message, site=target, type=CommentType.DEFICIENCY, is_audited=False)
    changes = update_status(db, request)
    site_list = _site_list(db, request, deficient_sites)
    record_change(db, by, request, changes, sites=site_list, site_status=Status.DEFICIENT.value, message=message)
    notify_sales(
        db,
        request,
        "不備の連絡",
        f"次の不備があります。内容を確認して、修正のうえ再提出してください。\n\n対象: {site_list}\n{message}",
    )


def _site_list(db: Session, request: Request, sites: Iterable[Site]) -> str:
    names = queries.site_names(db, request)
    return "、".join(names[site.id] for site in sites) or "依頼全体"


def resolve_deficiencies(db: Session, by: Actor, request: Request, message: str) -> Changes:
    """修正・再提出: resolves every open deficiency; its sites are 対応中 again. Returns the change, which the caller
    audits. Raises Conflict when there is none."""
    deficiencies = queries.open_deficiencies(db, request)
    deficient = [site for site in queries.sites(db, request) if site.status == Status.DEFICIENT.value]
    if not deficiencies and not deficient:
        raise Conflict("この依頼に、対応が必要な不備はありません。最新の状態を確認してください。")
    _resolve(db, deficiencies)
    for site in deficient:
        set_site_status(db, request, site, Status.WORKING)
    add_comment(db, by, request, message, is_audited=False)
    old, new = update_status(db, request)
    sites = {"sites": _site_list(db, request, deficient), "site_status": Status.WORKING.value}
    return old, {**new, **(sites if deficient else {}), "message": message}


def cancel(db: Session, by: Actor, request: Request, reason: str) -> None:
    """投入依頼キャンセル: sites that are 投入済 stay so. Raises Conflict when nothing can be cancelled."""
    if not request.is_open:
        raise Conflict(
            f"この依頼は{Status(request.status).label}のため、キャンセルできません。"
            if request.status != Status.WORKING.value
            else NOTHING_OPEN
        )
    cancelled = [site for site in queries.sites(db, request) if Status(site.status) in OPEN]
    for site in cancelled:
        set_site_status(db, request, site, Status.CANCELLED)
    _resolve(db, queries.open_deficiencies(db, request))
    request.cancelled_at = app_now(db)
    add_comment(db, by, request, f"依頼をキャンセルしました。理由: {reason}", is_audited=False)
    changes = update_status(db, request)
    record_change(db, by, request, changes, sites=_site_list(db, request, cancelled), reason=reason)


def update_status(db: Session, request: Request) -> Changes:
    """Derives the request's status from its sites and deficiencies (4.2), and updates the card's purge date. Returns
    the change of the status for the audit entry of the action that caused it."""
    db.flush()
    sites = queries.statuses(queries.sites(db, request))
    deficient = any(comment.site_id is None for comment in queries.open_deficiencies(db, request))
    cancelled = request.cancelled_at is not None
    before, was_open = request.status, request.is_open
    request.status = aggregate(sites, deficient=deficient, cancelled=cancelled).value
    request.is_open = has_open_work(sites, deficient=deficient, cancelled=cancelled)
    touch(db, request)
    db.flush()
    if request.is_open != was_open:
        # The lock serializes requests of the corporation that end or are created at the same time: the second sees the
        # first.
        db.execute(select(Corporation.id).where(Corporation.id == request.corporation_id).with_for_update())
        has_open = request.is_open or corporations.has_open_request(db, request.corporation_id)
        cards.update_purge_dates(db, request.corporation_id, has_open=has_open, one_ended=not request.is_open)
    return ({"status": before}, {"status": request.status}) if request.status != before else ({}, {})


def notify_sales(db: Session, request: Request, subject: str, body: str) -> None:
    """Sends a mail to the sales user who made the request, if they have an address and still sell for the agency. The
    badge in the menu shows it in any case."""
    sales = db.get_one(User, request.requested_by)
    corporation = queries.get_corporation(db, request)
    if not sales.mail or not queries.is_sales_of(db, sales.id, request.agency_id):
        return
    url = settings().page_url(f"/request?{urlencode({'id': request.id})}")
    about = f"依頼 {request.id}（{corporation.name}）について、{body}"
    text = f"{sales.name} 様\n\n{about}\n\n依頼の確認と再提出:\n{url}\n\nGenba 申込投入"
    queue.publish_mail(
        db,
        [sales.mail],
        f"【{subject}】依頼 {request.id} {corporation.name}",
        text,
        area=AREA.name,
        tenant_id=request.agency_id,
        title=f"{subject}: 依頼 {request.id}",
        about=("request", request.id),
    )


def _resolve(db: Session, deficiencies: Iterable[Comment]) -> None:
    now = app_now(db)
    for comment in deficiencies:
        comment.resolved_at = now
