"""The frame around every page: the signed-in user, the menu of allowed pages, and the page itself.

Streamlit runs this file from the top on every rerun.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import Page as StreamlitPage

from dashboards import session, sidebar, start
from dashboards.addresses import LOGOUT
from dashboards.client import ApiProblem
from dashboards.core import password, search
from dashboards.core.menu import ACCOUNT
from dashboards.menu import MENU, allowed
from dashboards.ui import bound, dialogs, feedback, flash, recent, times
from dashboards.ui.text import plain

STATIC = Path(__file__).parent / "static"
SIDEBAR_WIDTH = 224


def show(user: session.User) -> None:
    """The user's menu and the current page. A page that the user may not see says so at its own address."""
    times.begin_page(user.clock_ahead)
    is_over = session.remember_end()
    entries = {entry: entry.page() for entry in allowed(user)}
    in_menu = {entry: page for entry, page in entries.items() if entry.in_menu}

    forbidden_pages = [
        entry.replaced_by(feedback.forbidden, "権限がありません") for entry in MENU if entry not in entries
    ]
    home = start.page(in_menu)
    page = st.navigation([home, *entries.values(), *forbidden_pages], position="hidden")
    st.set_page_config(page_title=f"{page.title}｜Genba")
    current = next((entry for entry, own_page in entries.items() if own_page is page), None)
    due = sidebar.due_place()
    with st.sidebar:
        search.box()
        sidebar.menu(in_menu, current, home, due)
        st.space("small")
        account(user, entries[ACCOUNT])
    bound.begin_page(page.url_path)
    with dialogs.draw_after(page.url_path):
        page.run()
    # After a dialog: both use one place in Streamlit's page, and an element that moves there is drawn again from
    # nothing.
    flash.show()
    recent.store()
    if is_over:  # Last, so that no widget of the page loses its place and what was typed in it.
        feedback.session_over()


def account(user: session.User, page: StreamlitPage) -> None:
    with st.container(gap="xxsmall", key=sidebar.USER):
        st.page_link(page, label=plain(user.name), icon=":material/account_circle:", help="アカウント")
        # A link, because nothing else leaves Streamlit's page, and HTML, because Streamlit's own links open a new tab.
        # It stands below the name, because a name of four letters leaves no room next to it.
        style = "color: inherit; font-size: 0.875em; margin-left: 2.25em"
        st.html(f'<a href="{LOGOUT}" target="_self" style="{style}">ログアウト</a>')


def show_only(screen: Callable[[], None]) -> None:
    """One message at any address, without a menu."""
    home = st.Page(screen, title="Genba", url_path="start", default=True)
    st.navigation([home, *(entry.replaced_by(screen, "Genba") for entry in MENU)], position="hidden").run()


st.set_page_config(
    page_title="Genba（現場）", page_icon=str(STATIC / "mark.svg"), layout="wide", initial_sidebar_state=SIDEBAR_WIDTH
)
st.logo(str(STATIC / "logo.svg"), size="large", icon_image=str(STATIC / "mark.svg"))
try:
    user = session.current_user()
except ApiProblem as problem:
    show_only(partial(feedback.failed, problem))
else:
    if user and user.must_change_password:
        show_only(partial(password.first, user))
    elif user:
        show(user)
    else:
        show_only(feedback.session_expired)
