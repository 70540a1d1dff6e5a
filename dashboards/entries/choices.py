"""The options of the filters of 入退管理, and the nursery that a page shows."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboards import session
from dashboards.client import PAGE_TIMEOUT_SECONDS, ApiProblem
from dashboards.contract.entries import People
from dashboards.session import has_permission
from dashboards.ui import columns, feedback, filters, heading
from dashboards.ui.cache import fetch_all, load_cached
from dashboards.ui.links import link

NURSERY = "nursery_id"


def nurseries() -> dict[int, str]:
    """The nurseries that the user may see: id → name."""
    if not has_permission("entries:nursery:read"):
        return {}
    return load_cached(
        "entries.nurseries", lambda: {row["id"]: row["name"] for row in fetch_all("/api/entries/nurseries")}
    )


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
    if not has_permission("entries:child:read"):
        return {}

    def load() -> dict[int, str]:
        rows = fetch_all("/api/entries/children", nursery_id=nursery_id)
        return {row["id"]: child_label(row["name"], row["class_name"]) for row in rows}

    return load_cached(f"entries.children.{nursery_id}", load)


def parents(nursery_id: int | None = None) -> dict[int, str]:
    """Id → name, in the order of the nursery's lists."""
    if not has_permission("entries:parent:read"):
        return {}
    return load_cached(
        f"entries.parents.{nursery_id}",
        lambda: {row["id"]: row["name"] for row in fetch_all("/api/entries/parents", nursery_id=nursery_id)},
    )


def classes(nursery_id: int | None = None) -> dict[str, str]:
    """Class name → label with the number of children."""
    if not has_permission("entries:parent:read"):
        return {}

    def load() -> dict[str, str]:
        people: People = session.api(patience=PAGE_TIMEOUT_SECONDS).get("/api/entries/people", nursery_id=nursery_id)
        return {group["name"]: f"{group['name']}（{group['children']:,}人）" for group in people["classes"]}

    return load_cached(f"entries.classes.{nursery_id}", load)


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


def selected_option(name: str, options: dict[Any, str]) -> Any:
    """The option selected in the filter of that name. Before the filter is first drawn, it comes from the page's
    address."""
    chosen = st.session_state.get(name)
    if chosen is None:
        label = st.query_params.get(name)
        chosen = next((key for key, option_label in options.items() if option_label == label), None)
    return chosen if chosen in options else None


def selected_nursery_id() -> int | None:
    """None: the service uses the first nursery."""
    nursery_id: int | None = selected_option(NURSERY, nurseries())
    return nursery_id


def nursery_selector() -> None:
    """The select box at the head of a page about one nursery. Default: the service's first nursery."""
    if has_several_nurseries():
        options = nurseries()
        st.selectbox(
            "保育園",
            [*options],
            index=None,
            format_func=lambda key: options[key],
            key=NURSERY,
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
