"""Every write of sites, models and custom columns."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.edits import Edits
from service.core.imports.kinds import ChangedRow, NewRow
from service.core.problems import Conflict, Invalid
from service.loaners import queries, schemas
from service.loaners.models import Column, Model, Site
from service.loaners.rules import AREA, INACTIVE, is_fixed_column

SITES = Edits(
    AREA.name,
    "site",
    "拠点",
    {"uq_loaners_sites_key": "key", "uq_loaners_sites_code": "code"},
    {"key": "拠点ID", "code": "拠点コード"},
    archived=INACTIVE,
)
MODELS = Edits(AREA.name, "model", "機種", {"uq_loaners_models_name": "name"}, {"name": "機種名"}, archived=INACTIVE)
COLUMNS = Edits(
    AREA.name,
    "column",
    "追加の列",
    {"uq_loaners_columns_kind_title": "title"},
    {"title": "項目名"},
    archived=INACTIVE,
)


def create_site(db: Session, by: Actor, new: schemas.NewSite) -> Site:
    """Raises Conflict when the id or the code is already in use."""
    site = Site(**new.model_dump())
    SITES.create(db, by, site, new.model_dump())
    return site


def change_site(db: Session, by: Actor, site_id: int, new: schemas.SiteChange) -> None:
    SITES.change(db, by, queries.get(db, Site, site_id, lock=True), new)


def archive_site(db: Session, by: Actor, site_id: int, archived: bool) -> None:
    """An inactive site gets no new devices; its devices stay until they are transferred."""
    SITES.set_archived(db, by, queries.get(db, Site, site_id, lock=True), archived)


def create_model(db: Session, by: Actor, new: schemas.NewModel) -> Model:
    """Raises Conflict when the name is already in use."""
    model = Model(**new.model_dump())
    MODELS.create(db, by, model, new.model_dump())
    return model


def change_model(db: Session, by: Actor, model_id: int, new: schemas.ModelChange) -> None:
    MODELS.change(db, by, queries.get(db, Model, model_id, lock=True), new)


def archive_model(db: Session, by: Actor, model_id: int, archived: bool) -> None:
    """No new device of this model can be registered."""
    MODELS.set_archived(db, by, queries.get(db, Model, model_id, lock=True), archived)


def create_column(db: Session, by: Actor, new: schemas.NewColumn) -> Column:
    """Raises Conflict when the title is already in use."""
    _refuse_fixed_title(new.title)
    column = Column(**new.model_dump())
    COLUMNS.create(db, by, column, new.model_dump())
    return column


def change_column(db: Session, by: Actor, column_id: int, new: schemas.ColumnChange) -> None:
    """The value type cannot change. Raises Invalid when a choice column would have no choices."""
    column = queries.get(db, Column, column_id, lock=True)
    if new.title is not None and new.title != column.title:
        _refuse_fixed_title(new.title)
    if new.choices is not None and (column.value_type == "choice") != bool(new.choices):
        is_choice = column.value_type == "choice"
        message = "選択肢を1つ以上入力してください。" if is_choice else "この列に選択肢は設定できません。"
        raise Invalid(message, [("choices", message)])
    COLUMNS.change(db, by, column, new)


def archive_column(db: Session, by: Actor, column_id: int, archived: bool) -> None:
    """Removes the column from lists and forms; the values of devices are kept."""
    COLUMNS.set_archived(db, by, queries.get(db, Column, column_id, lock=True), archived)


def _refuse_fixed_title(title: str) -> None:
    if is_fixed_column(title):
        message = f"「{title}」はもともとある列です。別の項目名にしてください。"
        raise Conflict(message, [("title", message)])


def import_sites(db: Session, by: Actor, new: Sequence[NewRow]) -> None:
    for row in new:
        values = dict(row.values)
        archived = values.pop("archived")
        site = create_site(db, by, schemas.NewSite(**values))
        if archived:
            SITES.set_archived(db, by, site, True)


def reimport_sites(db: Session, by: Actor, changes: Sequence[ChangedRow]) -> None:
    """Changes inactive sites too: the file gives the state."""
    for row in changes:
        site = queries.get(db, Site, row.id, lock=True)
        SITES.set_archived(db, by, site, False)
        values = {name: row.after[name] for name in schemas.SiteChange.model_fields if name != "version"}
        SITES.change(db, by, site, schemas.SiteChange(version=site.version, **values))
        SITES.set_archived(db, by, site, row.after["archived"])


def import_models(db: Session, by: Actor, new: Sequence[NewRow]) -> None:
    for row in new:
        create_model(db, by, schemas.NewModel(**row.values))


def reimport_models(db: Session, by: Actor, changes: Sequence[ChangedRow]) -> None:
    for row in changes:
        model = queries.get(db, Model, row.id, lock=True)
        values = {name: row.after[name] for name in schemas.ModelChange.model_fields if name != "version"}
        MODELS.change(db, by, model, schemas.ModelChange(version=model.version, **values))
