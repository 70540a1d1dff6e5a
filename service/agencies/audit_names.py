"""How the audit log names applications, and the values that the masters name."""

from __future__ import annotations

from sqlalchemy import ColumnElement, func, select

from service.agencies.corporations.models import Corporation
from service.agencies.corporations.rules import CODED
from service.agencies.masters.models import CarrierField, Choice, Option
from service.agencies.models import Agency, Request, Site
from service.agencies.ocr.models import Reading
from service.agencies.requests.models import Comment, Image
from service.agencies.sites.rules import LISTS
from service.core.audit.names import Named

# The address, or the number of a site that is not filled in.
_site: ColumnElement[str] = func.concat(
    Corporation.name,
    " ",
    func.coalesce(
        func.nullif(
            func.concat(
                Site.power_prefecture, Site.power_city, Site.power_town, Site.power_street, Site.power_building
            ),
            "",
        ),
        func.concat("（番号", Site.id, "）"),
    ),
)


def _choices() -> dict[str, Named]:
    """Each list of choices, with the fields that hold its codes."""
    fields: dict[str, list[str]] = {}
    for field, list_name in (CODED | LISTS).items():
        fields.setdefault(list_name, []).append(field)
    return {
        f"choice.{list_name}": Named(select(Choice.code, Choice.name).where(Choice.list == list_name), tuple(names))
        for list_name, names in fields.items()
    }


AUDIT_NAMES = _choices() | {
    "agency": Named(select(Agency.id, Agency.name)),
    "choice": Named(select(Choice.id, Choice.name)),
    "option": Named(select(Option.id, Option.name)),
    "option.code": Named(select(Option.code, Option.name), ("option_plans",)),
    "carrier_field": Named(select(CarrierField.id, CarrierField.carrier_field)),
    "corporation": Named(select(Corporation.id, Corporation.name)),
    "card": Named(select(Corporation.id, func.concat(Corporation.name, "の"))),
    "request": Named(
        select(Request.id, func.concat(Corporation.name, "（依頼ID ", Request.id, "）の")).join(
            Corporation, Corporation.id == Request.corporation_id
        )
    ),
    "site": Named(select(Site.id, _site).join(Corporation, Corporation.id == Site.corporation_id)),
    "image": Named(select(Image.id, Image.file_name)),
    "reading": Named(select(Reading.id, func.concat(Image.file_name, "の")).join(Image, Image.id == Reading.image_id)),
    "comment": Named(
        select(Comment.id, func.concat(Corporation.name, "（依頼ID ", Request.id, "）への"))
        .join(Request, Request.id == Comment.request_id)
        .join(Corporation, Corporation.id == Request.corporation_id)
    ),
}
