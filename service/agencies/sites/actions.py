"""Writes of sites and of their links to images. The caller must have locked the request's row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.orm import Session

from service.agencies.masters import queries as masters
from service.agencies.models import Request, Site
from service.agencies.requests import actions as requests
from service.agencies.requests import queries as request_queries
from service.agencies.requests.models import Image
from service.agencies.rules import AREA, SITE_FIELDS, Status
from service.agencies.sites import queries, rules, schemas
from service.core import audit
from service.core.access.auth import Actor
from service.core.audit import Changes
from service.core.database.clock import app_now
from service.core.edits import Edits, Parts, entered_values, no_parts
from service.core.problems import Conflict, Invalid, Stale
from service.core.values.times import local_date

SITES = Edits(
    AREA.name, "site", "地点", may_be_emptied=frozenset({"latest_charges", "latest_power_usage", "moving_in_date"})
)
INVALID_INPUT = "入力内容に誤りがあります。項目ごとの説明を確認して、入力し直してください。"
CANCELLED_REQUEST = "この依頼はキャンセルされています。地点の追加や変更はできません。"
INCOMPLETE = "投入済にするには、次の項目の入力が必要です: "


def add(db: Session, by: Actor, request: Request, new: schemas.NewSite) -> Site:
    """＋地点を追加. Raises Conflict for a cancelled request, NotFound for another request's site or image."""
    source = request_queries.get_site(db, request, new.copy_from) if new.copy_from else None
    images = [queries.get_image(db, request, image_id) for image_id in dict.fromkeys(new.image_ids)]
    if request.cancelled_at is not None:
        raise Conflict(CANCELLED_REQUEST)
    copied = rules.copied_values(queries.values(source), with_address=new.with_address) if source else {}
    site = Site(agency_id=request.agency_id, corporation_id=request.corporation_id, request_id=request.id, **copied)
    audited = {"request_id": request.id, **{name: value for name, value in copied.items() if value}}

    def link_images() -> Changes:
        for image in images:
            image.site_id = site.id
        return {}, {"images": [image.file_name for image in images], **_request_status(db, request)[1]}

    SITES.create(db, by, site, audited, parts=link_images)
    return site


def _request_status(db: Session, request: Request) -> Changes:
    """The change of the request's status that follows from its sites, as fields of a site's audit entry."""
    old, new = requests.update_status(db, request)
    return {f"request_{name}": value for name, value in old.items()}, {
        f"request_{name}": value for name, value in new.items()
    }


def change(db: Session, by: Actor, site: Site, new: schemas.SiteChange, parts: Parts = no_parts) -> None:
    """Raises Stale with both versions, Invalid by field, and Conflict for a site that is キャンセル."""
    if site.status == Status.CANCELLED.value:
        raise Conflict("この地点はキャンセルされているため、変更できません。")
    if new.version == site.version:
        new = new.model_copy(update=_validated_changes(db, site, new))
    SITES.change(db, by, site, new, parts=parts)


def _validated_changes(db: Session, site: Site, new: schemas.SiteChange) -> dict[str, Any]:
    current = queries.values(site)
    new_values = entered_values(new)
    if "pps_business_number" in new_values and "service_type" not in new_values:
        name = queries.pps_name(db, new_values["pps_business_number"])
        new_values |= {"service_type": rules.service_from_pps(name)} if name else {}
    values, errors = rules.normalized_values(new_values, current, local_date(app_now(db)))
    changed = {name: value for name, value in values.items() if value != current[name]}
    errors += _unknown_codes(db, changed, current)
    if site.status == Status.ENTERED.value:
        after = {**current, **changed}
        errors += [(name, f"投入済の地点の{SITE_FIELDS[name]}は空にできません。") for name in rules.missing(after)]
    if errors:
        raise Invalid(INVALID_INPUT, errors)
    return values


def _unknown_codes(db: Session, changed: Mapping[str, Any], current: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Errors of codes that are unknown or archived; an unchanged code may stay although it was archived."""
    codes = {name: (rules.LISTS[name], code) for name, code in changed.items() if name in rules.LISTS}
    options = changed.get("option_plans", ())
    checks: tuple[Callable[[], None], ...] = (
        lambda: masters.check(db, codes),
        lambda: masters.check_options(db, "option_plans", options, current["option_plans"]),
    )
    errors: list[tuple[str, str]] = []
    for check in checks:
        try:
            check()
        except Invalid as problem:
            errors += [(error.field, error.message) for error in problem.errors]
    return errors


def set_status(db: Session, by: Actor, request: Request, site: Site, new: schemas.NewStatus) -> None:
    """対応中 and 投入済. Raises Stale, Conflict when 4.1 has no such transition, Invalid when required fields are
    empty."""
    if new.version != site.version:
        raise Stale(
            "ほかの人が先にこの地点を変更しました。ステータスはまだ変わっていません。最新の内容を確認してください。",
            yours={"status": new.to.value},
            current={"status": site.status, "version": site.version},
        )
    status = Status(new.to)
    if status is Status.ENTERED and site.status == Status.WORKING.value:
        missing = rules.missing(queries.values(site))
        if missing:
            field_titles = "、".join(SITE_FIELDS[name] for name in missing)
            raise Invalid(INCOMPLETE + field_titles, [(name, rules.missing_message(name)) for name in missing])
    current = site.status
    requests.set_site_status(db, request, site, status)
    old, after = _request_status(db, request)
    old, after = {"status": current, **old}, {"status": status.value, "request_id": request.id, **after}
    audit.record(db, by, "status_change", AREA.name, "site", site.id, before=old, after=after)


def remove(db: Session, by: Actor, request: Request, site: Site, version: int) -> None:
    """Deletes a site that was added by mistake, and unlinks its images. Raises Stale when another user changed it,
    Conflict when it is not 対応中 or has comments."""
    if version != site.version:
        raise Stale(
            "ほかの人が先にこの地点を変更しました。地点はまだ削除されていません。最新の内容を確認してください。",
            yours={"version": version},
            current={"status": site.status, "version": site.version},
        )
    if site.status != Status.WORKING.value:
        raise Conflict(f"この地点は{Status(site.status).label}のため、削除できません。")
    if queries.has_comments(db, site):
        raise Conflict("この地点には不備やコメントの記録があるため、削除できません。")
    for image in queries.images_of(db, site):
        image.site_id = None
    before = {name: value for name, value in queries.values(site).items() if value not in ("", None, [])}
    before = schemas.SiteChange.model_validate({**before, "version": 1}).model_dump(
        mode="json", exclude_unset=True, exclude={"version"}
    )
    db.flush()
    db.delete(site)
    old, after = _request_status(db, request)
    old = {"request_id": request.id, **before, **old}
    audit.record(db, by, "delete", AREA.name, "site", site.id, before=old, after=after)


def change_link(db: Session, by: Actor, image: Image, site: Site | None, before: int | None) -> None:
    """As `link`, when the user read that the image is linked to the site `before`. Raises Stale when another user
    changed the link."""
    if image.site_id != before:
        raise Stale(
            "ほかの人が先にこの画像の紐づけを変更しました。紐づけはまだ変わっていません。最新の内容を確認してください。",
            yours={"site_id": site.id if site else None},
            current={"site_id": image.site_id},
        )
    link(db, by, image, site)


def link(db: Session, by: Actor, image: Image, site: Site | None) -> None:
    """紐づけ: links an image to the site that it shows; None: to no site, or not known."""
    site_id = site.id if site else None
    if image.site_id == site_id:
        return
    before, image.site_id = image.site_id, site_id
    audit.record(db, by, "update", AREA.name, "image", image.id, before={"site_id": before}, after={"site_id": site_id})
