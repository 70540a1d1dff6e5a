"""What an administrator does with one person: register, change, new password, deactivate, end sessions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.core.roles import SUSPENDED, choices, detail_titles, details, in_words, tenant_name
from dashboards.session import may
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
class Chosen:
    """What was chosen for an area, and noted there."""

    role: str | None
    tenant_id: int | None
    details: Mapping[str, str]


def new() -> None:
    areas = choices()

    @dialogs.dialog("ユーザーを登録する", width="medium", icon=":material/person_add:")
    def ask() -> None:
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
                made = session.api().post("/api/core/users", body, once=once)
                dialogs.open(_one_time_password, typed["name"], typed["login_id"], made["password"])

            form.send(lambda once: _sent(lambda: create(once), chosen), done=f"{typed['name']}さんを登録しました。")

    ask()


def _role_fields(form: forms.Form, areas: Areas, held: Mapping[str, Any]) -> dict[str, Chosen]:
    """A choice of role for each area; for roles of an agency or a nursery, which one; and the area's details."""
    chosen: dict[str, Chosen] = {}
    titles_of_details = detail_titles(areas)
    for area in areas:
        titles = {role["role"]: role["title"] for role in area["roles"]}
        now = held.get(area["area"])
        options = [NONE, *titles] if now is None or now["role"] in titles else [NONE, now["role"], *titles]
        role = form.field(
            f"role.{area['area']}",
            st.selectbox,
            f"{area['title']}での役割",
            options=options,
            index=options.index(now["role"]) if now else 1 if len(areas) == 1 and not held and len(options) == 2 else 0,
            format_func=lambda role, titles=titles: titles.get(role, role),
        )
        tenant = now["tenant_id"] if now else None
        if any(choice["scope"] for choice in area["roles"]):
            tenant = _tenant_field(form, area, tenant, bool(now and now.get("is_suspended")))
        noted = now.get("details", {}) if now else {}
        typed = {
            detail["name"]: form.field(
                f"details.{area['area']}.{detail['name']}",
                st.text_input,
                titles_of_details[area["area"], detail["name"]],
                value=noted.get(detail["name"], ""),
                max_chars=DETAIL_LENGTH,
            ).strip()
            for detail in area["details"]
        }
        written = {name: value for name, value in typed.items() if value}
        chosen[area["area"]] = Chosen(None if role == NONE else role, tenant, written)
    return chosen


def _tenant_field(form: forms.Form, area: Mapping[str, Any], held: int | None, suspended: bool) -> int | None:
    """Those in use, and the one that is held, even `suspended`."""
    kinds = "・".join(dict.fromkeys(TENANTS[role["scope"]] for role in area["roles"] if role["scope"]))
    offered = [tenant["id"] for tenant in area["tenants"] if tenant["in_use"] or tenant["id"] == held]
    if held is not None and held not in offered:
        offered.append(held)
    chosen: int | None = form.field(
        f"tenant_id.{area['area']}",
        st.selectbox,
        f"{area['title']}での所属先（{kinds}）",
        options=offered,
        index=offered.index(held) if held is not None else None,
        format_func=lambda tenant: tenant_name(area, tenant) + (SUSPENDED if suspended and tenant == held else ""),
        placeholder="所属先を選んでください",
        help="所属先ごとの役割を選んだときだけ指定します。",
    )
    return chosen


def _sent(call: Callable[[], None], chosen: Mapping[str, Chosen], what_else: str = "") -> None:
    """Makes the call; what the service says of the memberships it got stands below the fields they were chosen in."""
    listed = [area for area, one in chosen.items() if one.role]
    if not listed:
        message = f"役割を1つ以上選んでください。{what_else}"
        # With several areas no single one of them is what is wrong.
        fields = [*chosen] if len(chosen) == 1 else []
        raise ApiProblem(422, "", message, [{"field": f"role.{area}", "message": message} for area in fields])
    try:
        call()
    except ApiProblem as problem:
        for error in problem.errors:
            _, _, place = error["field"].partition("memberships.")
            number, _, name = place.partition(".")
            if number.isdecimal():
                error["field"] = _field(listed[int(number)], name)
        raise


def _field(area: str, name: str) -> str:
    """The form's name of a membership's field."""
    what, _, detail = name.partition(".")
    if what == "details" and detail:
        return f"details.{area}.{detail}"
    return f"{what if what == 'tenant_id' else 'role'}.{area}"


def _memberships(chosen: Mapping[str, Chosen]) -> list[dict[str, Any]]:
    return [
        {"area": area, "role": one.role, "tenant_id": one.tenant_id, "details": one.details}
        for area, one in chosen.items()
        if one.role
    ]


def drawer(user: Row) -> None:
    areas = choices()

    @dialogs.dialog(str(user["login_id"]), position="right", width="small", icon=":material/person:")
    def show() -> None:
        signed_in = user["last_signed_in_at"]
        last = (
            f"最後のログインは {times.full(times.parse(signed_in))} です。"
            if signed_in
            else "まだログインしていません。"
        )
        st.markdown(f"{USER.get(user['state'], UNKNOWN).badge()}　**{plain(user['name'])}**　{last}")
        if user["elsewhere"]:
            st.info(
                "ほかの業務でも使われているアカウントです。ここで変更できるのは、あなたが管理者である業務の役割だけです。",
                icon=":material/info:",
            )
        if not may("core:user:update"):
            st.markdown(plain(in_words(user, areas)))
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
    # After a conflict the fields begin with what was typed; the version is the one that was seen.
    draft = user.get("draft", {})
    before = {**user, **draft}
    held = {membership["area"]: membership for membership in before["memberships"]}
    with forms.form(f"users.edit.{user['id']}.{user['version']}.{bool(draft)}", submit="保存する") as form:
        name = form.field(
            "name", st.text_input, "氏名", required=True, value=before["name"], disabled=user["elsewhere"]
        )
        mail = form.field(
            "mail", st.text_input, "メールアドレス", value=before["mail"] or "", disabled=user["elsewhere"]
        )
        chosen = _role_fields(form, areas, held)
    if not form.submitted:
        return
    typed = {"name": name.strip(), "mail": mail.strip() or None, "memberships": _memberships(chosen)}
    # Only what was changed: the rest may meanwhile be somebody else's change.
    shown = {**user, "memberships": [_as_sent(held) for held in user["memberships"]]}
    body = {"version": user["version"]} | {field: value for field, value in typed.items() if value != shown[field]}

    def change() -> None:
        session.api().patch(f"/api/core/users/{user['id']}", body)

    instead = "利用を止めるときは「無効にする」をお使いください。"
    problem = form.send(lambda _once: _sent(change, chosen, instead), done=f"{user['name']}さんを変更しました。")
    if problem and problem.current:
        dialogs.open(_conflict, problem.yours, problem.current)
        st.rerun()


def _as_sent(held: Mapping[str, Any]) -> dict[str, Any]:
    """A membership without what the service says of it beyond what it takes."""
    return {name: value for name, value in held.items() if name != "is_suspended"}


def _buttons(user: Row) -> None:
    with st.container(horizontal=True):
        me = session.current()
        if me is None or me.login_id != user["login_id"]:  # one's own is changed on the account page
            dialogs.button("仮パスワードを発行する", _reset, user, key="users.reset", icon="key")
        if user["is_active"]:
            dialogs.button("無効にする", _deactivate, user, key="users.deactivate", icon="block")
        else:
            dialogs.button("有効にする", _activate, user, key="users.activate", icon="check_circle")


def _sessions(user: Row) -> None:
    st.markdown("**ログイン中のブラウザー**")
    try:
        found = session.api().get(f"/api/core/users/{user['id']}/sessions")["items"]
    except ApiProblem as problem:
        feedback.not_done(problem)
        return
    if not found:
        st.markdown(small("いまログインしているブラウザーはありません。"))
        return
    for one in found:
        seen = times.ago(times.parse(one["last_seen_at"]))
        st.markdown(f"{plain(one['address'])}　{small(f'最後の操作 {seen}')}")
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
    # What was typed does not say which tenants are out of use.
    out = {(held["area"], held["tenant_id"]) for held in current["memberships"] if held["is_suspended"]}
    if "memberships" in yours:
        typed = [held | {"is_suspended": (held["area"], held["tenant_id"]) in out} for held in yours["memberships"]]
        yours = yours | {"memberships": typed}

    def sides(side: Mapping[str, Any]) -> dict[str, Any]:
        shown = {"memberships": current["memberships"], "elsewhere": current["elsewhere"], **side}
        return {
            "name": shown.get("name", current["name"]),
            "mail": shown.get("mail", current["mail"]),
            "roles": in_words(shown, areas),
            **{f"{area}.{name}": value for (area, name), value in details(shown, areas).items()},
        }

    def again(draft: dict[str, Any]) -> Callable[[], None]:
        return lambda: dialogs.open(drawer, {**current, "draft": draft})

    conflict.conflict(
        "users.conflict",
        {"name": "氏名", "mail": "メールアドレス", "roles": "業務と役割", **labels},
        sides(yours),
        sides(current),
        changed=f"{current['login_id']} は、開いたあとにほかの人が変更しました。",
        keep=again(yours),
        load=again({}),
    )


def _reset(user: Row) -> None:
    def reset(_reason: str, once: str) -> None:
        made = session.api().post(f"/api/core/users/{user['id']}/password", once=once)
        dialogs.open(_one_time_password, user["name"], user["login_id"], made["password"])

    confirm.confirm(
        "users.reset_now",
        f"{user['name']}さんに仮パスワードを発行しますか？",
        "いまのパスワードは使えなくなり、ログイン中のブラウザーはすべて終了します。",
        action="発行する",
        do=reset,
        done=f"{user['name']}さんの仮パスワードを発行しました。",
    )


def _ask(user: Row, verb: str, question: str, consequence: str, action: str, done: str) -> None:
    confirm.confirm(
        f"users.{verb.replace('/', '_')}_now",
        f"{user['name']}さん{question}",
        consequence,
        action=action,
        do=lambda _reason, once: session.api().post(f"/api/core/users/{user['id']}/{verb}", {}, once=once),
        done=f"{user['name']}さん{done}",
        danger=verb != "activate",
    )


def _deactivate(user: Row) -> None:
    _ask(
        user,
        "deactivate",
        "を無効にしますか？",
        "すぐにログアウトされ、ログインできなくなります。記録は残り、あとで有効に戻せます。",
        "無効にする",
        "を無効にしました。",
    )


def _activate(user: Row) -> None:
    _ask(
        user,
        "activate",
        "を有効にしますか？",
        "これまでのパスワードと役割で、またログインできるようになります。",
        "有効にする",
        "を有効にしました。",
    )


def _end_sessions(user: Row) -> None:
    _ask(
        user,
        "sessions/revoke",
        "のログインをすべて終了しますか？",
        "入力の途中だった内容は失われます。本人はすぐにログインし直せます。",
        "終了する",
        "のログインをすべて終了しました。",
    )
