"""Every write of views. A definition is validated before it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.edits import Edits
from service.core.http.problem_responses import field_errors
from service.core.problems import Conflict, Invalid
from service.core.resources import Resource
from service.loaners.rules import AREA, INACTIVE
from service.loaners.views import queries, rules, schemas
from service.loaners.views.models import View


class Views(Resource[View]):
    def create(self, db: Session, by: Actor, new: schemas.NewView) -> View:
        """Raises Invalid for an invalid definition, Conflict when the ID or the position is in use."""
        _check(db, new.source, new.columns, new.filter)
        _refuse_built_in(new.key)
        return super().create(db, by, new)

    def check(self, db: Session, row: View, after: Mapping[str, Any]) -> None:
        """Raises Invalid for an invalid definition."""
        source, columns = (after.get(name, getattr(row, name)) for name in ("source", "columns"))
        _check(db, source, columns, after.get("filter", row.filter))
        if row.key == rules.SUMMARY and schemas.parse_json(source)["sourceType"] != "aggregated":
            message = "「サマリー」の画面が使う定義です。sourceType は aggregated のままにしてください。"
            raise Invalid.at_field("source", message)

    def set_archived(self, db: Session, by: Actor, key: int, archived: bool) -> None:
        """Raises NotFound, and Conflict for the view that the summary uses."""
        view = self.lock(db, by, key)
        if archived and view.key == rules.SUMMARY:
            raise Conflict("「サマリー」の画面が使うデータタイプのため、無効にできません。")
        self.edits.set_archived(db, by, view, archived)


VIEWS = Views(
    Edits(
        AREA.name,
        "view",
        "データタイプ",
        unique={"uq_loaners_views_key": "key", "uq_loaners_views_position": "position"},
        titles={"key": "データタイプID", "position": "表示順序"},
        may_be_emptied=frozenset({"filter"}),
        archived=INACTIVE,
    ),
    View,
    schemas.ViewChange,
    schemas.NewView,
)


def _refuse_built_in(key: str) -> None:
    if key == rules.INTEGRATED:
        raise Conflict.at_field(
            "key", f"データタイプID「{key}」は「{rules.INTEGRATED_NAME}」が使っています。別のIDにしてください。"
        )


def _check(db: Session, source: str, columns: str, condition: str | None) -> None:
    """Raises Invalid with the field that has the error."""
    parts = {"source": source, "columns": columns, "filter": condition}
    try:
        definition = schemas.read_definition(*(_json(name, text) for name, text in parts.items()))
    except ValidationError as error:
        raise _to_invalid(error) from None
    except ValueError as error:
        raise Invalid.at_field("source", str(error)) from None
    if unknown := rules.unknown_columns(definition, queries.custom_titles(db).values()):
        raise Invalid.at_field(
            "columns", f"列「{'」「'.join(unknown)}」はどのシートにもありません。列の名前を確認してください。"
        )
    if not definition.kinds:
        raise Invalid.at_field("filter", "フィルタ条件の機器種別が、データソース設定のシートにありません。")


def _json(field: str, text: str | None) -> Any:
    try:
        return schemas.parse_json(text)
    except ValueError as error:
        raise Invalid.at_field(field, str(error)) from None


def _to_invalid(error: ValidationError) -> Invalid:
    """The name of the model that failed gives the field."""
    field_by_model = {"Condition": "filter"} | dict.fromkeys(("StatusDriven", "Plain", "Cards"), "columns")
    field = field_by_model.get(error.title, "source")
    messages = [f"{place}: {message}" if place else message for place, message in field_errors(error.errors())]
    titles = {"source": "データソース設定", "columns": "表示列設定", "filter": "フィルタ条件"}
    return Invalid(f"{titles[field]}を直してください。{messages[0]}", [(field, " ".join(messages[:5]))])
