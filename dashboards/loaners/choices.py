"""What can be chosen in 代替機管理: sites, models and further columns."""

from __future__ import annotations

from typing import Any

from dashboards import session
from dashboards.client import PATIENCE_SECONDS
from dashboards.session import may
from dashboards.ui.kept import kept

OFFERED = 1000
CATEGORIES = {
    "Desktop": "デスクトップ PC",
    "Laptop": "ノート PC",
    "Server": "サーバー",
    "Tablet": "タブレット",
    "Printer": "プリンタ",
    "Router": "ルーター",
    "Hub": "ハブ",
    "Other": "その他",
}


def every(path: str, **query: Any) -> list[dict[str, Any]]:
    """The rows of a list, page by page, up to as many as anybody looks through."""
    found: list[dict[str, Any]] = []
    while len(found) < OFFERED:
        page = session.api(patience=PATIENCE_SECONDS).get(path, limit=100, **query)
        found += page["items"]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    return found


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


def further(kind: str) -> list[dict[str, Any]]:
    """The further columns of a master, in their order."""
    return every("/api/loaners/columns", kind=kind)
