"""What can be chosen in the filters of 入退管理, and which nursery a page is about."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboards import session
from dashboards.client import PATIENCE_SECONDS, ApiProblem
from dashboards.session import may
from dashboards.ui import feedback, filters, heading
from dashboards.ui.kept import every, kept
from dashboards.ui.links import link

NURSERY = "nursery_id"


def nurseries() -> dict[int, str]:
    """Id → name, of those that the person sees."""
    if not may("entries:nursery:read"):
        return {}
    return kept("entries.nurseries", lambda: {row["id"]: row["name"] for row in every("/api/entries/nurseries")})


def some_nursery(title: str) -> bool:
    """Before there is one, a page has nothing to be about: it says so under its title, and where one is registered."""
    if nurseries() or not may("entries:nursery:create"):
        return True
    try:
        if session.api(patience=PATIENCE_SECONDS).get("/api/entries/nurseries", limit=1)["items"]:
            return True
    except ApiProblem:
        return True  # The page's own block says what is wrong.
    heading.page(title)
    feedback.empty(
        "まだ保育園が登録されていません",
        "先に「保育園一覧」で保育園を登録してください。",
        action=lambda: link("保育園を登録する", "/nurseries", primary=True),
    )
    return False


def sees_several() -> bool:
    return len(nurseries()) > 1


def child_words(name: str, class_name: str) -> str:
    return f"{name}（{class_name}）" if class_name else name


def children(nursery_id: int | None = None) -> dict[int, str]:
    """Id → name and class, in the order of the nursery's lists."""
    if not may("entries:child:read"):
        return {}

    def ask() -> dict[int, str]:
        rows = every("/api/entries/children", nursery_id=nursery_id)
        return {row["id"]: child_words(row["name"], row["class_name"]) for row in rows}

    return kept(f"entries.children.{nursery_id}", ask)


def parents(nursery_id: int | None = None) -> dict[int, str]:
    """Number → name, in the order of the nursery's lists."""
    if not may("entries:parent:read"):
        return {}
    return kept(
        f"entries.parents.{nursery_id}",
        lambda: {row["id"]: row["name"] for row in every("/api/entries/parents", nursery_id=nursery_id)},
    )


def classes(nursery_id: int | None = None) -> dict[str, str]:
    """Class → the class and how many children are in it."""
    if not may("entries:parent:read"):
        return {}

    def ask() -> dict[str, str]:
        people = session.api(patience=PATIENCE_SECONDS).get("/api/entries/people", nursery_id=nursery_id)
        return {one["name"]: f"{one['name']}（{one['children']:,}人）" for one in people["classes"]}

    return kept(f"entries.classes.{nursery_id}", ask)


def nursery_to_write_in() -> int | None:
    """For a dialog: whose the new one will be. Drawn only where there is something to choose."""
    offered = nurseries()
    if len(offered) < 2:
        return next(iter(offered), None)
    chosen: int = st.selectbox(
        "保育園",
        [*offered],
        index=[*offered].index(nursery_asked() or next(iter(offered))),
        format_func=lambda key: offered[key],
        key="entries.write_in",
    )
    return chosen


def nursery_fields(otherwise: str = "すべて", width: int = 180) -> tuple[filters.Choice, ...]:
    """For a filter bar: nothing where there is nothing to choose. Whoever chose a nursery goes on looking at it."""
    offered = nurseries()
    return (filters.Choice(NURSERY, "保育園", offered, width, otherwise, stays=True),) if len(offered) > 1 else ()


def asked(name: str, offered: dict[Any, str]) -> Any:
    """What is chosen in the filter of that name, before it is drawn for the first time from the page's address."""
    chosen = st.session_state.get(name)
    if chosen is None:
        words = st.query_params.get(name)
        chosen = next((key for key, word in offered.items() if word == words), None)
    return chosen if chosen in offered else None


def nursery_asked() -> int | None:
    """None: the service shows the first one."""
    found: int | None = asked(NURSERY, nurseries())
    return found


def nursery_box() -> None:
    """At the head of a page about one nursery: the service's first one unless another is chosen."""
    if sees_several():
        offered = nurseries()
        st.selectbox(
            "保育園",
            [*offered],
            index=None,
            format_func=lambda key: offered[key],
            key=NURSERY,
            placeholder=offered[min(offered)],
            bind="query-params",
            label_visibility="collapsed",
            icon=":material/apartment:",
            width=200,
        )


def import_link() -> None:
    """Where an empty nursery begins."""
    if may("core:import:create"):
        link("保護者を取り込む", "/imports", primary=True)
