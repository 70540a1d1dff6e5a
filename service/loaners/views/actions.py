"""Every write of views: checked before it is stored, so that no list is ever made of nonsense."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from sqlalchemy.orm import Session

from service.core.auth import Actor
from service.core.edits import Edits
from service.core.problems import Conflict, Invalid, field_errors
from service.loaners.rules import AREA, INACTIVE
from service.loaners.views import queries, rules, schemas
from service.loaners.views.models import View

VIEWS = Edits(
    AREA.name,
    "view",
    "データタイプ",
    unique={"uq_loaners_views_key": "key", "uq_loaners_views_position": "position"},
    titles={"key": "データタイプID", "position": "表示順序"},
    may_be_emptied=frozenset({"filter"}),
    archived=INACTIVE,
)


def create(db: Session, by: Actor, new: schemas.NewView) -> View:
    """Raises Invalid for what is no definition, Conflict when the ID or the place is another's."""
    _check(db, new.source, new.columns, new.filter)
    _not_built_in(new.key)
    view = View(**new.model_dump())
    VIEWS.create(db, by, view, new.model_dump())
    return view


def change(db: Session, by: Actor, view_id: int, new: schemas.ViewChange) -> None:
    """Raises NotFound, Stale, Invalid for what is no definition, Conflict."""
    view = queries.get_view(db, view_id)

    def check(after: Mapping[str, Any]) -> None:
        source, columns = (after.get(name, getattr(view, name)) for name in ("source", "columns"))
        _check(db, source, columns, after.get("filter", view.filter))
        if view.key == rules.SUMMARY and schemas.parsed(source)["sourceType"] != "aggregated":
            message = "「サマリー」の画面が使う定義です。sourceType は aggregated のままにしてください。"
            raise Invalid(message, [("source", message)])

    VIEWS.change(db, by, view, new, check)


def set_archived(db: Session, by: Actor, view_id: int, archived: bool) -> None:
    """Raises NotFound, and Conflict for the one that the summary is made of."""
    view = queries.get_view(db, view_id)
    if archived and view.key == rules.SUMMARY:
        raise Conflict("「サマリー」の画面が使うデータタイプのため、無効にできません。")
    VIEWS.set_archived(db, by, view, archived)


def _not_built_in(key: str) -> None:
    if key == rules.INTEGRATED:
        message = f"データタイプID「{key}」は「{rules.INTEGRATED_NAME}」が使っています。別のIDにしてください。"
        raise Conflict(message, [("key", message)])


def _check(db: Session, source: str, columns: str, condition: str | None) -> None:
    """What is wrong is said of the part that it is in."""
    given = {"source": source, "columns": columns, "filter": condition}
    try:
        definition = schemas.read(*(_json(name, text) for name, text in given.items()))
    except ValidationError as error:
        raise _refused(error) from None
    except ValueError as error:
        raise Invalid(str(error), [("source", str(error))]) from None
    if strange := rules.strange_columns(definition, queries.further_titles(db).values()):
        message = f"列「{'」「'.join(strange)}」はどのシートにもありません。列の名前を確認してください。"
        raise Invalid(message, [("columns", message)])
    if not definition.kinds:
        message = "フィルタ条件の機器種別が、データソース設定のシートにありません。"
        raise Invalid(message, [("filter", message)])


def _json(field: str, text: str | None) -> Any:
    try:
        return schemas.parsed(text)
    except ValueError as error:
        raise Invalid(str(error), [(field, str(error))]) from None


def _refused(error: ValidationError) -> Invalid:
    """Which of the three it is about follows from the model's name."""
    part = {"Condition": "filter"} | dict.fromkeys(("StatusDriven", "Plain", "Cards"), "columns")
    field = part.get(error.title, "source")
    said = [f"{place}: {message}" if place else message for place, message in field_errors(error.errors())]
    titles = {"source": "データソース設定", "columns": "表示列設定", "filter": "フィルタ条件"}
    return Invalid(f"{titles[field]}を直してください。{said[0]}", [(field, " ".join(said[:5]))])
