"""The options of 代替機管理: sites, models and extra columns."""

from __future__ import annotations

from dashboards import session
from dashboards.contract.loaners import ColumnItem, ModelItem
from dashboards.session import has_permission
from dashboards.ui.cache import fetch_all, load_cached

CATEGORIES = "/api/loaners/categories"


def sites() -> dict[int, str]:
    """The sites in use: id → name."""
    if not has_permission("loaners:master:read"):
        return {}
    return load_cached("loaners.sites", lambda: {row["id"]: row["name"] for row in fetch_all("/api/loaners/sites")})


def jurisdictions() -> dict[str, str]:
    """Each 管轄 once."""
    if not has_permission("loaners:master:read"):
        return {}
    return load_cached(
        "loaners.jurisdictions",
        lambda: {name: name for name in sorted({row["jurisdiction"] for row in fetch_all("/api/loaners/sites")})},
    )


def models() -> dict[int, ModelItem]:
    """The models in use, by id."""
    if not has_permission("loaners:master:read"):
        return {}
    return load_cached("loaners.models", lambda: {row["id"]: row for row in fetch_all("/api/loaners/models")})


def categories() -> dict[str, str]:
    """Desktop → デスクトップ PC."""
    if not has_permission("loaners:master:read"):
        return {}
    by_key = load_cached(
        "loaners.categories", lambda: {row["key"]: row for row in session.api().get(CATEGORIES)["items"]}
    )
    return {key: row["title"] for key, row in by_key.items()}


def category(key: str) -> str:
    return categories().get(key, key)


def extra_columns(kind: str) -> list[ColumnItem]:
    """The extra columns of a master, in their order."""
    return fetch_all("/api/loaners/columns", kind=kind)
