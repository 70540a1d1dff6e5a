"""A run of one fragment stays on the page that is shown.

When the script itself changes the page (`st.switch_page`), the browser goes on refreshing fragments of the old page
until it hears of the new one. Such a request names the old page. Streamlit would run it as that page once more: the
browser would empty the new page, and then fail as a whole, because the next elements have no place in it. It also fails
when it hears of the new page and of a run of its fragments in one go. So a refresh that names the old page is not run:
the new page refreshes itself. What a user pressed is run on the page that is shown.
"""

from __future__ import annotations

from dataclasses import replace

from streamlit.runtime.app_session import AppSession
from streamlit.runtime.scriptrunner import ScriptRunner, get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData


def _on_page(data: RerunData, page_script_hash: str, query_string: str) -> RerunData | None:
    """`data` as a request of the page that is shown; None when it is a refresh of another page. Of its fragments
    Streamlit runs those that this page also has, as those of the menu."""
    is_fragment_run = bool(data.fragment_id or data.fragment_id_queue)
    # Before its first run a session has no page.
    if not is_fragment_run or not page_script_hash or data.page_script_hash == page_script_hash:
        return data
    if data.is_auto_rerun:
        return None
    return replace(data, page_script_hash=page_script_hash, page_name="", query_string=query_string)


def keep_on_page() -> None:
    """Raises AttributeError at the start when a new Streamlit has renamed what this changes."""
    run, start = ScriptRunner._run_script, AppSession._create_scriptrunner

    def run_script(self: ScriptRunner, rerun_data: RerunData) -> None:
        """For a request that waited while the script changed the page."""
        shown = get_script_run_ctx()
        data = _on_page(rerun_data, shown.page_script_hash, shown.query_string) if shown else rerun_data
        if data:
            run(self, data)

    def create_scriptrunner(self: AppSession, initial_rerun_data: RerunData) -> None:
        """For a request that came after the script had changed the page, and before the browser heard of it."""
        shown = self._client_state
        data = _on_page(initial_rerun_data, shown.page_script_hash, shown.query_string)
        if data:
            start(self, data)

    ScriptRunner._run_script = run_script  # type: ignore[method-assign]
    AppSession._create_scriptrunner = create_scriptrunner  # type: ignore[method-assign]
