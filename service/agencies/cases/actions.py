"""What operators do with a request: claim it, report deficiencies, comment on it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from service.agencies.cases import queries, schemas
from service.agencies.models import Request, Site
from service.agencies.requests import actions as requests
from service.agencies.requests import queries as request_queries
from service.agencies.requests.models import Comment
from service.agencies.rules import AREA, Status
from service.core import audit
from service.core.access.auth import Actor
from service.core.access.identity import User
from service.core.database.clock import app_now
from service.core.edits import Edits
from service.core.problems import Conflict, Stale

REQUESTS = Edits(AREA.name, "request", "依頼")
CHANGED_MEANWHILE = "ほかの人が先にこの依頼を変更しました。{}。最新の内容を確認してください。"


def change(db: Session, by: Actor, request: Request, new: schemas.CaseChange) -> None:
    """Corrects 地点数 to what the images show. Raises Stale."""
    REQUESTS.change(db, by, request, new)


def report_deficiency(db: Session, by: Actor, request: Request, new: schemas.Deficiency) -> None:
    """不備あり. Raises Stale when the request changed since it was read, NotFound for another request's site, and
    Conflict when the request or site is 投入済 or キャンセル."""
    sites: Sequence[Site] = [request_queries.get_site(db, request, site_id) for site_id in dict.fromkeys(new.site_ids)]
    _refuse_stale(request, new, "不備はまだ送信されていません")
    requests.report_deficiency(db, by, request, new.message, sites)


def resolve_deficiencies(db: Session, by: Actor, request: Request, new: schemas.PutRight) -> None:
    """Resolves all deficiencies that the operator has seen: what was missing arrived in another way, by telephone for
    example. Raises Stale when the request changed since it was read, Conflict when nothing is deficient."""
    _refuse_stale(request, new, "不備はまだ解決済みになっていません")
    requests.record_change(db, by, request, requests.resolve_deficiencies(db, by, request, new.message))


def _refuse_stale(request: Request, new: schemas.OfCase, not_done: str) -> None:
    if new.version != request.version:
        raise Stale(
            CHANGED_MEANWHILE.format(not_done),
            yours={"message": new.message},
            current={"status": request.status, "version": request.version},
        )


def comment(db: Session, by: Actor, request: Request, new: schemas.NewComment) -> Comment:
    site = request_queries.get_site(db, request, new.site_id) if new.site_id else None
    return requests.add_comment(db, by, request, new.message, site=site)


def claim(db: Session, by: Actor, request: Request, *, take_over: bool) -> None:
    """Raises Conflict with the colleague's name when a colleague has claimed it."""
    if request.claimed_by not in (None, by.user_id) and not take_over:
        name = db.get_one(User, request.claimed_by).name
        raise Conflict(f"{name}さんが担当しています。引き継ぐ場合は「担当を引き継ぐ」を選んでください。")
    _assign(db, by, request, by.user_id)


def hand_over(db: Session, by: Actor, request: Request, user_id: int) -> None:
    """Hands the request over to a colleague. Raises NotFound when that user may not enter applications."""
    queries.get_operator(db, user_id)
    _assign(db, by, request, user_id)


def release(db: Session, by: Actor, request: Request) -> None:
    """Raises Conflict when a colleague has claimed it: it must be taken over first."""
    if request.claimed_by not in (None, by.user_id):
        name = db.get_one(User, request.claimed_by).name
        raise Conflict(f"{name}さんが担当しているため、外せません。先に担当を引き継いでください。")
    _assign(db, by, request, None)


def _assign(db: Session, by: Actor, request: Request, user_id: int | None) -> None:
    """The version stays the same: edits do not conflict with a change of the operator."""
    before = request.claimed_by
    if before == user_id:
        return
    if user_id is not None and request.status == Status.CANCELLED.value:
        raise Conflict("キャンセルされた依頼は、担当を変更できません。")
    claimed_at = app_now(db) if user_id is not None else None
    request.claimed_by, request.claimed_at = user_id, claimed_at
    audit.record(
        db,
        by,
        "update",
        AREA.name,
        "request",
        request.id,
        before={"claimed_by": before},
        after={"claimed_by": user_id},
    )
