"""The options of the filters of 入退管理, and the nursery that a page shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from dashboards import session
from dashboards.client import PAGE_TIMEOUT_SECONDS, ApiProblem
from dashboards.contract.entries import People
from dashboards.session import has_permission
from dashboards.ui import bound, columns, feedback, filters, heading
from dashboards.ui.cache import fetch_all, load_cached
from dashboards.ui.links import link

NURSERY = "nursery_id"
Key = TypeVar("Key", int, str)


def _options(permission: str, name: str, load: Callable[[], dict[Key, str]]) -> dict[Key, str]:
    return load_cached(f"entries.{name}", load) if has_permission(permission) else {}


def nurseries() -> dict[int, str]:
    """The nurseries that the user may see: id → name."""

    def load() -> dict[int, str]:
        return {row["id"]: row["name"] for row in fetch_all("/api/entries/nurseries")}

    return _options("entries:nursery:read", "nurseries", load)


def require_nursery(title: str) -> bool:
    """False while no nursery is registered: the page then shows its title and where to register one."""
    if nurseries() or not has_permission("entries:nursery:create"):
        return True
    try:
        if session.api(patience=PAGE_TIMEOUT_SECONDS).get("/api/entries/nurseries", limit=1)["items"]:
            return True
    except ApiProblem:
        return True  # The page's own block shows the problem.
    heading.page(title)
    feedback.empty(
        "まだ保育園が登録されていません",
        "先に「保育園一覧」で保育園を登録してください。",
        action=lambda: link("保育園を登録する", "/nurseries", primary=True),
    )
    return False


def has_several_nurseries() -> bool:
    return len(nurseries()) > 1


def child_label(name: str, class_name: str) -> str:
    return f"{name}（{class_name}）" if class_name else name


def children(nursery_id: int | None = None) -> dict[int, str]:
    """Id → name and class, in the order of the nursery's lists."""

    def load() -> dict[int, str]:
        rows = fetch_all("/api/entries/children", nursery_id=nursery_id)
        return {row["id"]: child_label(row["name"], row["class_name"]) for row in rows}

    return _options("entries:child:read", f"children.{nursery_id}", load)


def parents(nursery_id: int | None = None) -> dict[int, str]:
    """Id → name, in the order of the nursery's lists."""

    def load() -> dict[int, str]:
        return {row["id"]: row["name"] for row in fetch_all("/api/entries/parents", nursery_id=nursery_id)}

    return _options("entries:parent:read", f"parents.{nursery_id}", load)


def classes(nursery_id: int | None = None) -> dict[str, str]:
    """Class name → label with the number of children."""

    def load() -> dict[str, str]:
        people: People = session.api(patience=PAGE_TIMEOUT_SECONDS).get("/api/entries/people", nursery_id=nursery_id)
        return {group["name"]: f"{group['name']}（{group['children']:,}人）" for group in people["classes"]}

    return _options("entries:parent:read", f"classes.{nursery_id}", load)


def select_target_nursery() -> int | None:
    """For a dialog: the nursery of the new record. The select box is drawn only when there are several."""
    options = nurseries()
    if len(options) < 2:
        return next(iter(options), None)
    chosen: int = st.selectbox(
        "保育園",
        [*options],
        index=[*options].index(selected_nursery_id() or next(iter(options))),
        format_func=lambda key: options[key],
        key="entries.write_in",
    )
    return chosen


def nursery_fields(otherwise: str = "すべて", width: int = 180) -> tuple[filters.Choice, ...]:
    """The nursery filter for a filter bar; empty when there is only one nursery. The selection stays on other pages."""
    options = nurseries()
    return (filters.Choice(NURSERY, "保育園", options, width, otherwise, stays=True),) if len(options) > 1 else ()


def nursery_column(width: int) -> tuple[columns.Column, ...]:
    """For a list; empty when there is only one nursery."""
    return (columns.text("保育園名", "nursery_name", width=width),) if has_several_nurseries() else ()


def selected_nursery_id() -> int | None:
    """The nursery selected in the filter; before the filter is first drawn, that of the page's address. None: the
    service uses the first nursery."""
    options = nurseries()
    chosen = st.session_state.get(NURSERY)
    if chosen is None:
        name = st.query_params.get(NURSERY)
        chosen = next((nursery_id for nursery_id, label in options.items() if label == name), None)
    return chosen if chosen in options else None


def nursery_selector() -> None:
    """The select box at the head of a page about one nursery. Default: the service's first nursery."""
    if has_several_nurseries():
        options = nurseries()
        st.selectbox(
            "保育園",
            [*options],
            index=None,
            format_func=lambda key: options[key],
            key=bound.shared_key(NURSERY),
            placeholder=options[min(options)],
            bind="query-params",
            label_visibility="collapsed",
            icon=":material/apartment:",
            width=200,
        )


def head_import_link() -> None:
    """At the head of the pages of parents and children."""
    if has_permission("core:import:create") and has_permission("entries:parent:update"):
        link("取り込む", "/imports")


def import_link() -> None:
    """For an empty nursery: the link to the import."""
    if has_permission("core:import:create"):
        link("保護者を取り込む", "/imports", primary=True)
