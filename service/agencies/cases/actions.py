"""What those who enter applications do with a request: claim it, report what is wrong, say something."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from service.agencies.cases import queries, schemas
from service.agencies.requests import actions as requests
from service.agencies.requests import queries as request_queries
from service.agencies.requests.models import Comment, Request, Site
from service.agencies.rules import AREA, Status
from service.core import audit
from service.core.auth import Actor
from service.core.clock import app_now
from service.core.edits import Edits
from service.core.identity import User
from service.core.problems import Conflict, Stale

REQUESTS = Edits(AREA.name, "request", "依頼")
MOVED_ON = "ほかの人が先にこの依頼を変更しました。{}。最新の内容を確認してください。"


def change(db: Session, by: Actor, request: Request, new: schemas.CaseChange) -> None:
    """地点数, as the images show it. Raises Stale."""
    REQUESTS.change(db, by, request, new)


def report(db: Session, by: Actor, request: Request, new: schemas.Deficiency) -> None:
    """不備あり. Raises Stale for a request that moved on since it was read, NotFound for another request's site, and
    Conflict for what is 投入済 or キャンセル."""
    sites: Sequence[Site] = [request_queries.get_site(db, request, site_id) for site_id in dict.fromkeys(new.site_ids)]
    _refuse_stale(request, new, "不備はまだ送信されていません")
    requests.report(db, by, request, new.message, sites)


def put_right(db: Session, by: Actor, request: Request, new: schemas.PutRight) -> None:
    """Every deficiency that the person has read of is over: what was missing came by another way, the telephone say.
    Raises Stale for a request that moved on since it was read, Conflict when nothing is deficient."""
    _refuse_stale(request, new, "不備はまだ解決済みになっていません")
    requests.put_right(db, by, request, new.message)


def _refuse_stale(request: Request, new: schemas.OfCase, what_is_not: str) -> None:
    if new.version != request.version:
        raise Stale(
            MOVED_ON.format(what_is_not),
            yours={"message": new.message},
            current={"status": request.status, "version": request.version},
        )


def comment(db: Session, by: Actor, request: Request, new: schemas.NewComment) -> Comment:
    site = request_queries.get_site(db, request, new.site_id) if new.site_id else None
    return requests.say(db, by, request, new.message, site=site)


def claim(db: Session, by: Actor, request: Request, *, take_over: bool) -> None:
    """Raises Conflict when a colleague has it, who is named."""
    if request.claimed_by not in (None, by.user_id) and not take_over:
        name = db.get_one(User, request.claimed_by).name
        raise Conflict(f"{name}さんが担当しています。引き継ぐ場合は「担当を引き継ぐ」を選んでください。")
    _assign(db, by, request, by.user_id)


def hand_over(db: Session, by: Actor, request: Request, user_id: int) -> None:
    """To a colleague. Raises NotFound for who may not enter applications."""
    queries.get_operator(db, user_id)
    _assign(db, by, request, user_id)


def release(db: Session, by: Actor, request: Request) -> None:
    """Raises Conflict when a colleague has it: taking it from them is a decision of its own."""
    if request.claimed_by not in (None, by.user_id):
        name = db.get_one(User, request.claimed_by).name
        raise Conflict(f"{name}さんが担当しているため、外せません。先に担当を引き継いでください。")
    _assign(db, by, request, None)


def _assign(db: Session, by: Actor, request: Request, user_id: int | None) -> None:
    """The version stays: who works on it is no part of what it says."""
    before = request.claimed_by
    if before == user_id:
        return
    if user_id is not None and request.status == Status.CANCELLED.value:
        raise Conflict("キャンセルされた依頼は、担当を変更できません。")
    moment = app_now(db) if user_id is not None else None
    request.claimed_by, request.claimed_at = user_id, moment
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
