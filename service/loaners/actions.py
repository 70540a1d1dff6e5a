"""Every write of sites, models and custom columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.edits import Edit, Edits
from service.core.imports.kinds import ChangedRow, NewRow
from service.core.problems import Conflict, Invalid
from service.core.resources import Resource
from service.loaners import schemas
from service.loaners.models import Column, Model, Site
from service.loaners.rules import AREA, INACTIVE, is_fixed_column

SITES = Resource(
    Edits(
        AREA.name,
        "site",
        "拠点",
        {"uq_loaners_sites_key": "key", "uq_loaners_sites_code": "code"},
        {"key": "拠点ID", "code": "拠点コード"},
        archived=INACTIVE,
    ),
    Site,
    schemas.SiteChange,
    schemas.NewSite,
)
MODELS = Resource(
    Edits(AREA.name, "model", "機種", {"uq_loaners_models_name": "name"}, {"name": "機種名"}, archived=INACTIVE),
    Model,
    schemas.ModelChange,
    schemas.NewModel,
)


class Columns(Resource[Column]):
    def create(self, db: Session, by: Actor, new: schemas.NewColumn) -> Column:
        """Raises Conflict when the title is already in use."""
        _refuse_fixed_title(new.title)
        return super().create(db, by, new)

    def check(self, db: Session, row: Column, after: Mapping[str, Any]) -> None:
        """The value type cannot change. Raises Invalid when a choice column would have no choices."""
        if "title" in after:
            _refuse_fixed_title(after["title"])
        is_choice = row.value_type == "choice"
        if "choices" in after and is_choice != bool(after["choices"]):
            message = "選択肢を1つ以上入力してください。" if is_choice else "この列に選択肢は設定できません。"
            raise Invalid.at_field("choices", message)


COLUMNS = Columns(
    Edits(
        AREA.name,
        "column",
        "追加の列",
        {"uq_loaners_columns_kind_title": "title"},
        {"title": "項目名"},
        archived=INACTIVE,
    ),
    Column,
    schemas.ColumnChange,
    schemas.NewColumn,
)


def _refuse_fixed_title(title: str) -> None:
    if is_fixed_column(title):
        raise Conflict.at_field("title", f"「{title}」はもともとある列です。別の項目名にしてください。")


def import_sites(db: Session, by: Actor, new: Sequence[NewRow]) -> None:
    for row in new:
        values = dict(row.values)
        archived = values.pop("archived")
        site = SITES.create(db, by, schemas.NewSite(**values))
        if archived:
            SITES.edits.set_archived(db, by, site, True)


def reimport_sites(db: Session, by: Actor, changes: Sequence[ChangedRow]) -> None:
    """Changes inactive sites too: the file gives the state."""
    for row in changes:
        site = SITES.lock(db, by, row.id)
        SITES.edits.set_archived(db, by, site, False)
        SITES.edits.change(db, by, site, _change(SITES, site, row))
        SITES.edits.set_archived(db, by, site, row.after["archived"])


def import_models(db: Session, by: Actor, new: Sequence[NewRow]) -> None:
    for row in new:
        MODELS.create(db, by, schemas.NewModel(**row.values))


def reimport_models(db: Session, by: Actor, changes: Sequence[ChangedRow]) -> None:
    for row in changes:
        model = MODELS.lock(db, by, row.id)
        MODELS.edits.change(db, by, model, _change(MODELS, model, row))


def _change(resource: Resource[Any], stored: Site | Model, row: ChangedRow) -> Edit:
    """The row's values as a change of the stored record."""
    values = {name: row.after[name] for name in resource.change_model.model_fields if name != "version"}
    return resource.change_model.model_validate({"version": stored.version, **values})
