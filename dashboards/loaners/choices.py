"""What can be chosen in 代替機管理: sites, models and further columns."""

from __future__ import annotations

from typing import Any

from dashboards import session
from dashboards.session import may
from dashboards.ui.kept import every, kept

CATEGORIES = "/api/loaners/categories"


def sites() -> dict[int, str]:
    """Id → name of those in use."""
    if not may("loaners:master:read"):
        return {}
    return kept("loaners.sites", lambda: {row["id"]: row["name"] for row in every("/api/loaners/sites")})


def jurisdictions() -> dict[str, str]:
    """管轄, each once."""
    if not may("loaners:master:read"):
        return {}
    return kept(
        "loaners.jurisdictions",
        lambda: {name: name for name in sorted({row["jurisdiction"] for row in every("/api/loaners/sites")})},
    )


def models() -> dict[int, dict[str, Any]]:
    """By id, those in use."""
    if not may("loaners:master:read"):
        return {}
    return kept("loaners.models", lambda: {row["id"]: row for row in every("/api/loaners/models")})


def categories() -> dict[str, str]:
    """Desktop → デスクトップ PC."""
    if not may("loaners:master:read"):
        return {}
    found = kept("loaners.categories", lambda: {row["key"]: row for row in session.api().get(CATEGORIES)["items"]})
    return {key: row["title"] for key, row in found.items()}


def category(key: str) -> str:
    return categories().get(key, key)


def further(kind: str) -> list[dict[str, Any]]:
    """The further columns of a master, in their order."""
    return every("/api/loaners/columns", kind=kind)
