"""How sites come about, are filled in and are tied to images. The request's row is locked by whoever calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.orm import Session

from service.agencies.masters import queries as masters
from service.agencies.requests import actions as requests
from service.agencies.requests import queries as request_queries
from service.agencies.requests.models import Image, Request, Site
from service.agencies.rules import AREA, SITE_FIELDS, STATUS_WORDS, Status
from service.agencies.sites import queries, rules, schemas
from service.core import audit
from service.core.auth import Actor
from service.core.clock import app_now
from service.core.edits import Edits
from service.core.problems import Conflict, Invalid, Stale
from service.core.times import local_date

SITES = Edits(
    AREA.name, "site", "地点", may_be_emptied=frozenset({"latest_charges", "latest_power_usage", "moving_in_date"})
)
WRONG = "入力内容に誤りがあります。項目ごとの説明を確認して、入力し直してください。"
TAKEN_BACK = "この依頼はキャンセルされています。地点の追加や変更はできません。"
INCOMPLETE = "投入済にするには、次の項目の入力が必要です: "


def add(db: Session, by: Actor, request: Request, new: schemas.NewSite) -> Site:
    """＋地点を追加. Raises Conflict for a request that was taken back, NotFound for another request's site or image."""
    source = request_queries.get_site(db, request, new.copy_from) if new.copy_from else None
    images = [queries.get_image(db, request, image_id) for image_id in dict.fromkeys(new.image_ids)]
    if request.cancelled_at is not None:
        raise Conflict(TAKEN_BACK)
    begun = rules.copied(queries.values(source), with_address=new.with_address) if source else {}
    site = Site(agency_id=request.agency_id, corporation_id=request.corporation_id, request_id=request.id, **begun)
    said = {"request_id": request.id, **{name: value for name, value in begun.items() if value}}
    SITES.create(db, by, site, said)
    for image in images:
        link(db, by, image, site)
    requests.settle(db, by, request)
    return site


def change(db: Session, by: Actor, site: Site, new: schemas.SiteChange) -> None:
    """Raises Stale with both sides, Invalid by field, and Conflict for a site that is キャンセル."""
    if site.status == Status.CANCELLED.value:
        raise Conflict("この地点はキャンセルされているため、変更できません。")
    if new.version == site.version:
        new = new.model_copy(update=_checked(db, site, new))
    SITES.change(db, by, site, new)


def _checked(db: Session, site: Site, new: schemas.SiteChange) -> dict[str, Any]:
    known = queries.values(site)
    sent = new.model_dump(exclude={"version"}, exclude_unset=True)
    given = {name: value for name, value in sent.items() if value is not None}
    if "pps_business_number" in given and "service_type" not in given:
        name = queries.pps_name(db, given["pps_business_number"])
        given |= {"service_type": rules.service_of(name)} if name else {}
    values, wrong = rules.cleaned(given, known, local_date(app_now(db)))
    different = {name: value for name, value in values.items() if value != known[name]}
    wrong += _unknown_codes(db, different, known)
    if site.status == Status.ENTERED.value:
        after = {**known, **sent, **different}
        wrong += [(name, f"投入済の地点の{SITE_FIELDS[name]}は空にできません。") for name in rules.missing(after)]
    if wrong:
        raise Invalid(WRONG, wrong)
    return values


def _unknown_codes(db: Session, different: Mapping[str, Any], known: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was there before may stay, though it has gone out of use."""
    codes = {name: (rules.LISTS[name], code) for name, code in different.items() if name in rules.LISTS}
    options = different.get("option_plans", ())
    checks: tuple[Callable[[], None], ...] = (
        lambda: masters.check(db, codes),
        lambda: masters.check_options(db, "option_plans", options, known["option_plans"]),
    )
    wrong: list[tuple[str, str]] = []
    for check in checks:
        try:
            check()
        except Invalid as problem:
            wrong += [(error.field, error.message) for error in problem.errors]
    return wrong


def set_status(db: Session, by: Actor, request: Request, site: Site, new: schemas.NewStatus) -> None:
    """対応中 and 投入済. Raises Stale, Conflict where 4.1 has no such way, Invalid for a site that is not complete."""
    if new.version != site.version:
        raise Stale(
            "ほかの人が先にこの地点を変更しました。ステータスはまだ変わっていません。最新の内容を確認してください。",
            yours={"status": new.to.value},
            current={"status": site.status, "version": site.version},
        )
    wanted = Status(new.to)
    if wanted is Status.ENTERED and site.status == Status.WORKING.value:
        lacking = rules.missing(queries.values(site))
        if lacking:
            named = "、".join(SITE_FIELDS[name] for name in lacking)
            raise Invalid(INCOMPLETE + named, [(name, rules.is_missing(name)) for name in lacking])
    requests.move(db, by, request, site, wanted)
    requests.settle(db, by, request)


def remove(db: Session, by: Actor, request: Request, site: Site, version: int) -> None:
    """A site that was added by mistake. Its images belong to no site again. Raises Stale for one that somebody went on
    with, Conflict once it was 投入済, or anything was said about it."""
    if version != site.version:
        raise Stale(
            "ほかの人が先にこの地点を変更しました。地点はまだ削除されていません。最新の内容を確認してください。",
            yours={"version": version},
            current={"status": site.status, "version": site.version},
        )
    if site.status != Status.WORKING.value:
        raise Conflict(f"この地点は{STATUS_WORDS[Status(site.status)]}のため、削除できません。")
    if queries.has_comments(db, site):
        raise Conflict("この地点には不備やコメントの記録があるため、削除できません。")
    for image in queries.images_of(db, site):
        link(db, by, image, None)
    before = {name: value for name, value in queries.values(site).items() if value not in ("", None, [])}
    before = schemas.SiteChange.model_validate({**before, "version": 1}).model_dump(
        mode="json", exclude_unset=True, exclude={"version"}
    )
    audit.record(db, by, "delete", AREA.name, "site", site.id, before={"request_id": request.id, **before})
    db.flush()
    db.delete(site)
    requests.settle(db, by, request)


def link_as_read(db: Session, by: Actor, image: Image, site: Site | None, before: int | None) -> None:
    """As `link`, by who read that it is tied to the site `before`. Raises Stale when somebody tied it elsewhere."""
    if image.site_id != before:
        raise Stale(
            "ほかの人が先にこの画像の紐づけを変更しました。紐づけはまだ変わっていません。最新の内容を確認してください。",
            yours={"site_id": site.id if site else None},
            current={"site_id": image.site_id},
        )
    link(db, by, image, site)


def link(db: Session, by: Actor, image: Image, site: Site | None) -> None:
    """紐づけ: which site an image shows; None: none, or not known."""
    site_id = site.id if site else None
    if image.site_id == site_id:
        return
    before, image.site_id = image.site_id, site_id
    audit.record(db, by, "update", AREA.name, "image", image.id, before={"site_id": before}, after={"site_id": site_id})
