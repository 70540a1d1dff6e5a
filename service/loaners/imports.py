"""Imports of sites and models: the sheets 拠点マスタ and 機種マスタ as they are exported today."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.imports.kinds import Field, ImportKind, Values
from service.loaners import actions, queries, schemas
from service.loaners.rules import CATEGORIES, proposed_model_name

_YES, _NO = ("true", "on", "1", "yes", "有効", "する"), ("false", "off", "0", "no", "無効", "しない")
_ACTIVE, _INACTIVE = ("active", "有効", "true"), ("inactive", "無効", "false")


def normalize_width(text: str) -> str:
    """Converts full-width letters and digits of Japanese keyboards (NFKC), and strips blanks."""
    return unicodedata.normalize("NFKC", text).strip()


def parse_category(text: str) -> str:
    """The key of a category: Desktop, desktop or デスクトップPC. Raises ValueError with a message for the user."""
    typed = normalize_width(text).replace(" ", "").casefold()
    for key, category in CATEGORIES.items():
        if typed in (key.casefold(), category.title.replace(" ", "").casefold(), category.abbreviation.casefold()):
            return key
    raise ValueError(f"カテゴリは {'、'.join(CATEGORIES)} から選んでください。")


def parse_model_name(text: str) -> str:
    """A name with blanks gets hyphens instead (2.2.2)."""
    return proposed_model_name(text)


def _parse_flag(text: str) -> bool:
    typed = normalize_width(text).casefold()
    if typed not in _YES + _NO:
        raise ValueError("true または false で入力してください。")
    return typed in _YES


def _parse_archived(text: str) -> bool:
    typed = normalize_width(text).casefold()
    if typed not in _ACTIVE + _INACTIVE:
        raise ValueError("active または inactive で入力してください。")
    return typed in _INACTIVE


def _existing_sites(db: Session, _: Actor, keys: Sequence[str]) -> Mapping[str, tuple[int, Values]]:
    return {
        key: (
            site.id,
            {name: getattr(site, name) for name in schemas.NewSite.model_fields}
            | {"archived": site.archived_at is not None},
        )
        for key, site in queries.sites_by_key(db, keys).items()
    }


def _existing_models(db: Session, _: Actor, names: Sequence[str]) -> Mapping[str, tuple[int, Values]]:
    return {
        name: (model.id, {field: getattr(model, field) for field in schemas.NewModel.model_fields})
        for name, model in queries.models_by_name(db, names).items()
    }


def _taken_codes(db: Session, _: Actor, rows: Sequence[Values]) -> Mapping[int, tuple[str, str]]:
    """Codes that another site has, or that are twice in the file."""
    key_by_code = {code: site.key for code, site in queries.sites_by_code(db, [row["code"] for row in rows]).items()}
    errors = {}
    for index, row in enumerate(rows):
        if key_by_code.setdefault(row["code"], row["key"]) != row["key"]:
            errors[index] = ("code", f"拠点コード「{row['code']}」は別の拠点で使われています。")
    return errors


def _archived_models(db: Session, _: Actor, rows: Sequence[Values]) -> Mapping[int, tuple[str, str]]:
    existing = queries.models_by_name(db, [row["name"] for row in rows])
    return {
        index: ("name", f"「{row['name']}」は無効です。元に戻してから取り込んでください。")
        for index, row in enumerate(rows)
        if row["name"] in existing and existing[row["name"]].archived_at is not None
    }


SITES = ImportKind(
    key="loaners.sites",
    title="拠点マスタ",
    counter="拠点",
    permission="loaners:master:update",
    fields=(
        Field("key", "拠点ID", "osaka", ("拠点 ID", "id"), normalize_width),
        Field("code", "拠点コード", "OSAKA", ("コード",), normalize_width),
        Field("name", "拠点名", "大阪", ("名前", "拠点名称")),
        Field("jurisdiction", "管轄", "関西", ("管轄エリア", "エリア")),
        Field(
            "group_mail",
            "グループメールアドレス",
            "test-group@example.com",
            ("グループメール", "メール"),
            normalize_width,
        ),
        Field(
            "notifies",
            "ステータス変更通知",
            "false",
            ("通知", "変更通知"),
            _parse_flag,
            lambda on: "true" if on else "false",
        ),
        Field(
            "archived", "ステータス", "active", ("状態",), _parse_archived, lambda off: "inactive" if off else "active"
        ),
    ),
    model=schemas.SiteRow,
    existing=_existing_sites,
    missing=_taken_codes,
    create=actions.import_sites,
    change=actions.reimport_sites,
)
MODELS = ImportKind(
    key="loaners.models",
    title="機種マスタ",
    counter="機種",
    permission="loaners:master:update",
    fields=(
        Field("name", "機種名", "ThinkPad-X1-Carbon", ("モデル名", "製品名", "機種"), parse_model_name),
        Field("maker", "メーカー", "Lenovo", ("製造メーカー", "メーカー名")),
        Field("category", "カテゴリ", "Laptop", ("機器分類", "カテゴリー", "分類"), parse_category),
        Field("note", "備考", "第 10 世代", ("メモ", "コメント", "注記", "補足情報")),
    ),
    model=schemas.ModelRow,
    existing=_existing_models,
    missing=_archived_models,
    create=actions.import_models,
    change=actions.reimport_models,
)
IMPORTS = (SITES, MODELS)
