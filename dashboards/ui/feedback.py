"""Failed, stale, empty, expired and refused: what happened, what became of the data, what to do now."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlencode, urlsplit

import streamlit as st

from dashboards.addresses import login_url
from dashboards.client import ApiProblem, new_reference
from dashboards.ui import times
from dashboards.ui.links import link
from dashboards.ui.text import markdown, plain, small

log = logging.getLogger(__name__)


def failed(problem: ApiProblem, *, key: str = "page", again: Callable[[], None] | None = None) -> None:
    """Loading failed, and there is no older answer to show. `again` runs before the retry."""
    st.error(problem_text(problem), icon=":material/error:")
    # The click itself reruns the fragment (or the page), which is the retry.
    st.button("もう一度読み込む", key=f"retry.{key}", icon=":material/refresh:", on_click=again)


def action_failed(problem: ApiProblem) -> None:
    """A user's action was refused or failed."""
    st.error(problem_text(problem), icon=":material/error:")


def loading(height: int = 160) -> None:
    """A placeholder of about this height while data loads."""
    st.skeleton(height)


def stale(at: datetime, problem: ApiProblem) -> None:
    """The service does not answer; what is shown below is older."""
    st.warning(
        f"最新の状態を取得できません。{times.clock(at)}時点の内容を表示しています。"
        f"自動で再接続します。{_reference(problem.reference)}",
        icon=":material/cloud_off:",
    )


def empty(
    why: str, next_step: str, *, action: Callable[[], object] | None = None, icon: str = ":material/inbox:"
) -> None:
    """No rows: why, and what to do; `action` draws the button for it."""
    with st.container(border=True, horizontal_alignment="center"):
        st.markdown(f":gray[{icon}] **{markdown(why)}**", width="content")
        st.markdown(small(markdown(next_step)), width="content")
        if action:
            action()


def session_expired() -> None:
    st.title("ログインし直してください", anchor=False)
    st.markdown("ログアウトしたか、セッションの有効期限が切れました。もう一度ログインすると、この画面に戻ります。")
    link("ログイン画面を開く", _login_url_back(), primary=True)


def session_over(key: str = "page") -> None:
    """Covers the page after its session has ended, so that no other person can read on. What was typed below is still
    there when the same user has logged in again in another tab (`gate.Connections`)."""
    st.html(f"<style>{_COVER}</style>")
    with st.container(key=f"session-over-{key}"):
        st.title("ログインし直してください", anchor=False)
        st.markdown(
            "ログアウトしたか、セッションの有効期限が切れました。この画面に入力していた内容は、まだ残っています。\n\n"
            "新しいタブで同じIDでログインしてから、このタブに戻ると、続きから操作できます。"
        )
        st.link_button("ログイン画面を開く", _login_url_back(), type="primary", icon=":material/open_in_new:")
        st.markdown(small("続けられないときは、ページを読み込み直してください。入力していた内容は消えます。"))


_COVER = """
[class*="st-key-session-over"] {
    position: fixed; inset: 0; z-index: 1000200; overflow: auto;
    padding: 6rem 1.5rem 1.5rem max(1.5rem, 50vw - 20rem); background: #fff;
}
[class*="st-key-session-over"] > * { max-width: 40rem; }
"""


def _login_url_back() -> str:
    # Streamlit gives the URL without its query, where the filters are.
    path = urlsplit(st.context.url or "/").path
    query = urlencode({name: st.query_params.get_all(name) for name in st.query_params}, doseq=True)
    return login_url(path, query, reason="expired")


def forbidden() -> None:
    st.title("この画面を表示する権限がありません", anchor=False)
    st.markdown("この画面が必要な場合は、管理者に権限の追加を依頼してください。")


def nothing_allowed() -> None:
    st.title("表示できる画面がありません", anchor=False)
    st.markdown("お使いの役割で表示できる画面は、まだありません。別の役割が必要な場合は管理者にご相談ください。")


def script_failed(error: Exception) -> bool:
    """Streamlit's last resort for errors that no page caught. True keeps the traceback off the screen."""
    if isinstance(error, ApiProblem):
        st.error(problem_text(error), icon=":material/error:")
        return True
    reference = new_reference()
    # Streamlit has just logged the traceback itself.
    log.error("the error above (%s) was shown to a person with reference %s", type(error).__name__, reference)
    st.error(
        "プログラムの不具合により、この部分を表示できませんでした。保存済みのデータはそのままです。"
        "ページを読み込み直しても続く場合は、管理者に受付番号をお知らせください。" + _reference(reference),
        icon=":material/error:",
    )
    return True


def problem_text(problem: ApiProblem) -> str:
    """The problem's text as Markdown, with the reference number."""
    # The service already names the reference when it has no better text.
    return plain(problem.detail) + ("" if problem.reference in problem.detail else _reference(problem.reference))


def _reference(reference: str) -> str:
    return f"（受付番号 {reference}）" if reference else ""
