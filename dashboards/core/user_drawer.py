"""One user: registered, shown, edited."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.contract.core import USER_STATE, AreaChoice, MembershipOut, OneTimePassword, UserItem
from dashboards.core import user_actions, user_roles
from dashboards.core.roles import choices, detail_titles, details, roles_text
from dashboards.session import has_permission
from dashboards.ui import conflict, dialogs, feedback, forms, times
from dashboards.ui.status import UNKNOWN, statuses
from dashboards.ui.text import plain, small

USER = statuses(
    USER_STATE,
    {"active": ("green", "check_circle"), "one_time_password": ("orange", "key"), "inactive": ("gray", "block")},
)


def register() -> None:
    areas = choices()

    @dialogs.dialog("ユーザーを登録する", width="medium", icon=":material/person_add:")
    def show_form() -> None:
        with forms.form("users.create", submit="登録して仮パスワードを発行する") as form:
            form.field(
                "login_id",
                st.text_input,
                "ログインID",
                required=True,
                placeholder="t.yamada",
                help="半角の英小文字・数字と . _ - @ が使えます。3文字以上。あとから変更できません。",
            )
            form.field("name", st.text_input, "氏名", required=True, placeholder="山田 太郎")
            form.field("mail", st.text_input, "メールアドレス", placeholder="t.yamada@example.co.jp")
            chosen = user_roles.fields(form, areas, {})
        if form.submitted:
            typed = {name: st.session_state[form.name(name)].strip() for name in ("login_id", "name", "mail")}
            body = typed | {"mail": typed["mail"] or None, "memberships": user_roles.chosen_memberships(chosen)}

            def create(idempotency_key: str) -> None:
                created: OneTimePassword = session.api().post("/api/core/users", body, idempotency_key=idempotency_key)
                dialogs.open(user_actions.one_time_password, typed["name"], typed["login_id"], created["password"])

            form.send(
                lambda key: user_roles.send_with_field_errors(lambda: create(key), chosen),
                success=f"{typed['name']}さんを登録しました。",
            )

    show_form()


def drawer(user: UserItem, draft: Mapping[str, Any] = MappingProxyType({})) -> None:
    """`draft`: what was typed before a conflict."""
    areas = choices()

    @dialogs.dialog(str(user["login_id"]), position="right", width="small", icon=":material/person:")
    def show() -> None:
        signed_in = user["last_signed_in_at"]
        last_login = f"最後のログインは {times.stamp(signed_in)} です。" if signed_in else "まだログインしていません。"
        st.markdown(f"{USER.get(user['state'], UNKNOWN).badge()}　**{plain(user['name'])}**　{last_login}")
        if user["elsewhere"]:
            st.info(
                "ほかの業務でも使われているアカウントです。ここで変更できるのは、あなたが管理者である業務の役割だけです。",
                icon=":material/info:",
            )
        if not has_permission("core:user:update"):
            st.markdown(plain(roles_text(user, areas)))
            for key, value in details(user, areas).items():
                if value:
                    st.markdown(f"{plain(detail_titles(areas)[key])}　{plain(value)}")
            return
        _edit(user, draft, areas)
        if not user["elsewhere"]:
            user_actions.buttons(user)
        _sessions(user)

    show()


def _edit(user: UserItem, draft: Mapping[str, Any], areas: list[AreaChoice]) -> None:
    # After a conflict the fields start with what was typed; the version is the one that the user saw.
    values: dict[str, Any] = {**user, **draft}
    by_area = {membership["area"]: membership for membership in values["memberships"]}
    with forms.form(f"users.edit.{user['id']}.{user['version']}.{bool(draft)}", submit="保存する") as form:
        name = form.field(
            "name", st.text_input, "氏名", required=True, value=values["name"], disabled=user["elsewhere"]
        )
        mail = form.field(
            "mail", st.text_input, "メールアドレス", value=values["mail"] or "", disabled=user["elsewhere"]
        )
        chosen = user_roles.fields(form, areas, by_area)
    if not form.submitted:
        return
    typed = {"name": name.strip(), "mail": mail.strip() or None, "memberships": user_roles.chosen_memberships(chosen)}
    # Only the changed fields: another user may have changed the others meanwhile.
    stored = {**user, "memberships": [_without_suspension(membership) for membership in user["memberships"]]}
    body = {"version": user["version"]} | {field: value for field, value in typed.items() if value != stored[field]}

    def change() -> None:
        session.api().patch(f"/api/core/users/{user['id']}", body)

    hint = "利用を止めるときは「無効にする」をお使いください。"
    problem = form.send(
        lambda _key: user_roles.send_with_field_errors(change, chosen, hint),
        success=f"{user['name']}さんを変更しました。",
    )
    if problem and problem.current:
        dialogs.open(_conflict, problem.yours, problem.current)
        st.rerun()


def _without_suspension(membership: MembershipOut) -> dict[str, Any]:
    """A membership in the form in which it is sent."""
    return {name: value for name, value in membership.items() if name != "is_suspended"}


def _sessions(user: UserItem) -> None:
    st.markdown("**ログイン中のブラウザー**")
    try:
        sessions = session.api().get(f"/api/core/users/{user['id']}/sessions")["items"]
    except ApiProblem as problem:
        feedback.action_failed(problem)
        return
    if not sessions:
        st.markdown(small("いまログインしているブラウザーはありません。"))
        return
    for row in sessions:
        last_action = times.ago(times.parse(row["last_seen_at"]))
        st.markdown(f"{plain(row['address'])}　{small(f'最後の操作 {last_action}')}")
    if not user["elsewhere"]:
        dialogs.button("すべて終了する", user_actions.end_sessions, user, key="users.end_sessions", icon="logout")


def _conflict(yours: dict[str, Any], current: dict[str, Any]) -> None:
    areas = choices()
    labels = {f"{area}.{name}": title for (area, name), title in detail_titles(areas).items()}
    # The input does not say which tenants are out of use.
    suspended = {
        (membership["area"], membership["tenant_id"])
        for membership in current["memberships"]
        if membership["is_suspended"]
    }
    if "memberships" in yours:
        typed = [
            membership | {"is_suspended": (membership["area"], membership["tenant_id"]) in suspended}
            for membership in yours["memberships"]
        ]
        yours = yours | {"memberships": typed}

    def display_values(side: Mapping[str, Any]) -> dict[str, Any]:
        user = {"memberships": current["memberships"], "elsewhere": current["elsewhere"], **side}
        return {
            "name": user.get("name", current["name"]),
            "mail": user.get("mail", current["mail"]),
            "roles": roles_text(user, areas),
            **{f"{area}.{name}": value for (area, name), value in details(user, areas).items()},
        }

    def reopen(draft: dict[str, Any]) -> Callable[[], None]:
        return lambda: dialogs.open(drawer, current, draft)

    conflict.conflict(
        "users.conflict",
        {"name": "氏名", "mail": "メールアドレス", "roles": "業務と役割", **labels},
        display_values(yours),
        display_values(current),
        changed=f"{current['login_id']} は、開いたあとにほかの人が変更しました。",
        keep=reopen(yours),
        load=reopen({}),
    )
