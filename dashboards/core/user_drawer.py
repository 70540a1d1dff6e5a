"""An administrator's actions on a user: register, edit, new password, deactivate, end sessions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.core.roles import SUSPENDED, choices, detail_titles, details, roles_text, tenant_name
from dashboards.session import has_permission
from dashboards.ui import confirm, conflict, dialogs, feedback, forms, times
from dashboards.ui.columns import Row
from dashboards.ui.status import UNKNOWN, Status
from dashboards.ui.text import plain, small

USER = {
    "active": Status("有効", "green", "check_circle"),
    "one_time_password": Status("仮パスワード", "orange", "key"),
    "inactive": Status("無効", "gray", "block"),
}
NONE = "（なし）"
TENANTS = {"agency": "代理店", "nursery": "保育園"}
DETAIL_LENGTH = 50
Areas = list[dict[str, Any]]


@dataclass(frozen=True)
class Assignment:
    """The role, tenant and details that were chosen for an area."""

    role: str | None
    tenant_id: int | None
    details: Mapping[str, str]


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
            chosen = _role_fields(form, areas, {})
        if form.submitted:
            typed = {name: st.session_state[form.name(name)].strip() for name in ("login_id", "name", "mail")}
            body = typed | {"mail": typed["mail"] or None, "memberships": _memberships(chosen)}

            def create(once: str) -> None:
                created = session.api().post("/api/core/users", body, once=once)
                dialogs.open(_one_time_password, typed["name"], typed["login_id"], created["password"])

            form.send(
                lambda once: _send_with_field_errors(lambda: create(once), chosen),
                done=f"{typed['name']}さんを登録しました。",
            )

    show_form()


def _role_fields(form: forms.Form, areas: Areas, memberships: Mapping[str, Any]) -> dict[str, Assignment]:
    """For each area a choice of role; for roles of an agency or a nursery, the tenant; and the area's details."""
    chosen: dict[str, Assignment] = {}
    titles_of_details = detail_titles(areas)
    for area in areas:
        titles = {role["role"]: role["title"] for role in area["roles"]}
        membership = memberships.get(area["area"])
        options = (
            [NONE, *titles]
            if membership is None or membership["role"] in titles
            else [NONE, membership["role"], *titles]
        )
        role = form.field(
            f"role.{area['area']}",
            st.selectbox,
            f"{area['title']}での役割",
            options=options,
            index=options.index(membership["role"])
            if membership
            else 1
            if len(areas) == 1 and not memberships and len(options) == 2
            else 0,
            format_func=lambda role, titles=titles: titles.get(role, role),
        )
        tenant = membership["tenant_id"] if membership else None
        if any(role_choice["scope"] for role_choice in area["roles"]):
            tenant = _tenant_field(form, area, tenant, bool(membership and membership.get("is_suspended")))
        stored_details = membership.get("details", {}) if membership else {}
        typed = {
            detail["name"]: form.field(
                f"details.{area['area']}.{detail['name']}",
                st.text_input,
                titles_of_details[area["area"], detail["name"]],
                value=stored_details.get(detail["name"], ""),
                max_chars=DETAIL_LENGTH,
            ).strip()
            for detail in area["details"]
        }
        filled = {name: value for name, value in typed.items() if value}
        chosen[area["area"]] = Assignment(None if role == NONE else role, tenant, filled)
    return chosen


def _tenant_field(form: forms.Form, area: Mapping[str, Any], current: int | None, suspended: bool) -> int | None:
    """The tenants in use, and the user's own, even if `suspended`."""
    kinds = "・".join(dict.fromkeys(TENANTS[role["scope"]] for role in area["roles"] if role["scope"]))
    tenant_ids = [tenant["id"] for tenant in area["tenants"] if tenant["in_use"] or tenant["id"] == current]
    if current is not None and current not in tenant_ids:
        tenant_ids.append(current)
    chosen: int | None = form.field(
        f"tenant_id.{area['area']}",
        st.selectbox,
        f"{area['title']}での所属先（{kinds}）",
        options=tenant_ids,
        index=tenant_ids.index(current) if current is not None else None,
        format_func=lambda tenant_id: (
            tenant_name(area, tenant_id) + (SUSPENDED if suspended and tenant_id == current else "")
        ),
        placeholder="所属先を選んでください",
        help="所属先ごとの役割を選んだときだけ指定します。",
    )
    return chosen


def _send_with_field_errors(call: Callable[[], None], chosen: Mapping[str, Assignment], hint: str = "") -> None:
    """Makes the call, and moves the service's errors about memberships to the form's fields."""
    area_names = [area for area, choice in chosen.items() if choice.role]
    if not area_names:
        message = f"役割を1つ以上選んでください。{hint}"
        # With several areas the error belongs to none of them.
        fields = [*chosen] if len(chosen) == 1 else []
        raise ApiProblem(422, "", message, [{"field": f"role.{area}", "message": message} for area in fields])
    try:
        call()
    except ApiProblem as problem:
        for error in problem.errors:
            _, _, membership_field = error["field"].partition("memberships.")
            number, _, name = membership_field.partition(".")
            if number.isdecimal():
                error["field"] = _field(area_names[int(number)], name)
        raise


def _field(area: str, name: str) -> str:
    """The form's name of a membership's field."""
    field, _, detail = name.partition(".")
    if field == "details" and detail:
        return f"details.{area}.{detail}"
    return f"{field if field == 'tenant_id' else 'role'}.{area}"


def _memberships(chosen: Mapping[str, Assignment]) -> list[dict[str, Any]]:
    return [
        {"area": area, "role": choice.role, "tenant_id": choice.tenant_id, "details": choice.details}
        for area, choice in chosen.items()
        if choice.role
    ]


def drawer(user: Row) -> None:
    areas = choices()

    @dialogs.dialog(str(user["login_id"]), position="right", width="small", icon=":material/person:")
    def show() -> None:
        signed_in = user["last_signed_in_at"]
        last_login = (
            f"最後のログインは {times.full(times.parse(signed_in))} です。"
            if signed_in
            else "まだログインしていません。"
        )
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
        _edit(user, areas)
        if not user["elsewhere"]:
            _buttons(user)
        _sessions(user)

    show()


def _edit(user: Row, areas: Areas) -> None:
    # After a conflict the fields start with what was typed; the version is the one that the user saw.
    draft = user.get("draft", {})
    values = {**user, **draft}
    by_area = {membership["area"]: membership for membership in values["memberships"]}
    with forms.form(f"users.edit.{user['id']}.{user['version']}.{bool(draft)}", submit="保存する") as form:
        name = form.field(
            "name", st.text_input, "氏名", required=True, value=values["name"], disabled=user["elsewhere"]
        )
        mail = form.field(
            "mail", st.text_input, "メールアドレス", value=values["mail"] or "", disabled=user["elsewhere"]
        )
        chosen = _role_fields(form, areas, by_area)
    if not form.submitted:
        return
    typed = {"name": name.strip(), "mail": mail.strip() or None, "memberships": _memberships(chosen)}
    # Only the changed fields: another user may have changed the others meanwhile.
    stored = {**user, "memberships": [_without_suspension(membership) for membership in user["memberships"]]}
    body = {"version": user["version"]} | {field: value for field, value in typed.items() if value != stored[field]}

    def change() -> None:
        session.api().patch(f"/api/core/users/{user['id']}", body)

    hint = "利用を止めるときは「無効にする」をお使いください。"
    problem = form.send(
        lambda _once: _send_with_field_errors(change, chosen, hint), done=f"{user['name']}さんを変更しました。"
    )
    if problem and problem.current:
        dialogs.open(_conflict, problem.yours, problem.current)
        st.rerun()


def _without_suspension(membership: Mapping[str, Any]) -> dict[str, Any]:
    """A membership in the form in which it is sent."""
    return {name: value for name, value in membership.items() if name != "is_suspended"}


def _buttons(user: Row) -> None:
    with st.container(horizontal=True):
        admin = session.current_user()
        if admin is None or admin.login_id != user["login_id"]:  # The own password: on the account page.
            dialogs.button("仮パスワードを発行する", _reset, user, key="users.reset", icon="key")
        if user["is_active"]:
            dialogs.button("無効にする", _deactivate, user, key="users.deactivate", icon="block")
        else:
            dialogs.button("有効にする", _activate, user, key="users.activate", icon="check_circle")


def _sessions(user: Row) -> None:
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
        dialogs.button("すべて終了する", _end_sessions, user, key="users.end_sessions", icon="logout")


def _one_time_password(name: str, login_id: str, password: str) -> None:
    @dialogs.dialog("仮パスワード", width="small", icon=":material/key:")
    def show() -> None:
        st.markdown(
            f"{plain(name)}さん（{plain(login_id)}）の仮パスワードです。本人に直接伝えてください。"
            "発行から72時間だけ使えます。最初のログインで、本人が新しいパスワードに変更します。"
        )
        st.code(password, language=None)
        st.warning("この画面を閉じると、二度と表示できません。", icon=":material/warning:")
        st.button("控えました", type="primary", key="users.noted", on_click=dialogs.close)

    show()


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
        return lambda: dialogs.open(drawer, {**current, "draft": draft})

    conflict.conflict(
        "users.conflict",
        {"name": "氏名", "mail": "メールアドレス", "roles": "業務と役割", **labels},
        display_values(yours),
        display_values(current),
        changed=f"{current['login_id']} は、開いたあとにほかの人が変更しました。",
        keep=reopen(yours),
        load=reopen({}),
    )


def _reset(user: Row) -> None:
    def reset(_reason: str, once: str) -> None:
        created = session.api().post(f"/api/core/users/{user['id']}/password", once=once)
        dialogs.open(_one_time_password, user["name"], user["login_id"], created["password"])

    confirm.confirm(
        "users.reset_now",
        f"{user['name']}さんに仮パスワードを発行しますか？",
        "いまのパスワードは使えなくなり、ログイン中のブラウザーはすべて終了します。",
        action="発行する",
        do=reset,
        done=f"{user['name']}さんの仮パスワードを発行しました。",
    )


def _confirm(user: Row, action_path: str, question: str, consequence: str, action: str, done: str) -> None:
    confirm.confirm(
        f"users.{action_path.replace('/', '_')}_now",
        f"{user['name']}さん{question}",
        consequence,
        action=action,
        do=lambda _reason, once: session.api().post(f"/api/core/users/{user['id']}/{action_path}", {}, once=once),
        done=f"{user['name']}さん{done}",
        danger=action_path != "activate",
    )


def _deactivate(user: Row) -> None:
    _confirm(
        user,
        "deactivate",
        "を無効にしますか？",
        "すぐにログアウトされ、ログインできなくなります。記録は残り、あとで有効に戻せます。",
        "無効にする",
        "を無効にしました。",
    )


def _activate(user: Row) -> None:
    _confirm(
        user,
        "activate",
        "を有効にしますか？",
        "これまでのパスワードと役割で、またログインできるようになります。",
        "有効にする",
        "を有効にしました。",
    )


def _end_sessions(user: Row) -> None:
    _confirm(
        user,
        "sessions/revoke",
        "のログインをすべて終了しますか？",
        "入力の途中だった内容は失われます。本人はすぐにログインし直せます。",
        "終了する",
        "のログインをすべて終了しました。",
    )
