"""機器詳細: where is this device, who has it, and what has happened to it?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from typing import Any
from urllib.parse import quote, urlencode

import streamlit as st

from dashboards import session
from dashboards.loaners import device_forms, device_timeline, words
from dashboards.session import may
from dashboards.ui import details, dialogs, feedback, filters, forms, heading, live, times
from dashboards.ui.links import link
from dashboards.ui.live import refreshing
from dashboards.ui.text import plain, small

KEY = "loaners.device"
NOTHING = "未設定"

Row = Mapping[str, Any]


def as_of(chosen: filters.Filters) -> str | None:
    """The end of the day that was asked for; None: now."""
    day = chosen.query.get("as_of")
    if day is None or date.fromisoformat(day) >= times.now().date():
        return None
    return datetime.combine(date.fromisoformat(day), time(23, 59, 59), times.TOKYO).isoformat()


@refreshing
def device(path: str, moment: str | None) -> bool:
    """Whether there is one."""
    reading = live.block(KEY, "", f"{path}/state", headline=True, as_of=moment)
    if reading is None:
        return False
    one = reading.data
    st.markdown(sentence(one))
    actions(one)
    left, right = st.columns(2, gap="large")
    with left:
        facts(one)
    with right:
        answers(one)
    return True


def sentence(one: Row) -> str:
    number = plain(one["number"])
    if not one["is_now"]:
        moment = f"{words.stamp(one['moment'])}時点では、"
        if one["site_name"] is None:
            return f"{moment}**{number}** はまだ登録されていませんでした。"
    else:
        moment = ""
    badge = words.STATUS.get(one["status"], words.NOT_YET).badge()
    where = f"**{plain(one['site_name'])}**（{plain(one['jurisdiction'])}）"
    said = [f"{moment}**{number}** は{where}の機器で、{badge} です。"]
    if one["is_archived"]:
        said.append("無効な機器です。")
    if loan := one["loan"]:
        said.append(_loan(loan))
    if one["deposit"]:
        said.append(f"預り機のステータスは {words.DEPOSIT[one['deposit']].badge()} です。")
    elif one["held"] and one["status"] == words.LENT:
        said.append("ユーザー機を預かっていますが、預り機のステータスは**未設定**です。")
    return "".join(said)


def _loan(loan: Row) -> str:
    who = f"**{plain(loan['borrower'])}**へ" if loan["borrower"] else ""
    said = f"{who}貸し出してから**{loan['days']:,}日**たっています。"
    if loan["overdue_days"]:
        due = words.written(loan["due_on"])
        said += f":red[返却予定日（{due}）を**{loan['overdue_days']:,}日**過ぎています。]"
    elif loan["due_on"]:
        said += f"返却予定日は{words.written(loan['due_on'])}です。"
    return said


def facts(one: Row) -> None:
    moved = "（移管）" if one["is_moved"] else ""
    terminal = {"資産管理番号": one["asset_number"], "ソフトウェア": one["software"], "OS": one["os"]}
    details.facts(
        {
            "拠点管理番号": one["number"],
            **({"別の番号": "、".join(one["aliases"])} if one["aliases"] else {}),
            "拠点": f"{one['site_name']}{moved}" if one["site_name"] else None,
            "機器種別": one["kind_word"],
            "カテゴリ": one["category_word"],
            "機種名": one["model_name"],
            "メーカー": one["maker"],
            "製造番号": one["serial"],
            **(terminal if one["kind"] == "terminal" else {}),
            **{extra["header"]: extra["value"] for extra in one["extra"]},
            "作成日": words.stamp(one["created_at"]),
            "更新日": words.stamp(one["updated_at"]),
        }
    )


def answers(one: Row) -> None:
    """What was said last, and where the next one says it."""
    if one["answers"]:
        st.markdown(f"**最後の回答**（フォーム第{one['form_number']}版）")
        details.facts({answer["header"]: words.written(answer["value"]) for answer in one["answers"]})
    else:
        st.markdown("ステータスはまだ登録されていません。")
    st.markdown(small("共通フォームURL（QRコードが開くアドレス）"))
    st.code(one["label_url"], language=None, wrap_lines=True)


def actions(one: Row) -> None:
    if not one["is_now"]:
        st.info(
            "過去の時点を表示しています。登録や変更は、現在の状態に戻してから行ってください。",
            icon=":material/history:",
        )
        st.button("現在の状態に戻す", key=f"{KEY}.now", icon=":material/update:", on_click=_now)
        return
    with st.container(horizontal=True, key=f"{KEY}.actions"):
        if may("loaners:device:work"):
            link("ステータス登録", f"/status-form?{urlencode({'number': one['number']})}", primary=True)
            st.button(
                "預り機のステータスを変更する",
                key=f"{KEY}.deposit",
                icon=":material/label:",
                disabled=bool(one["deposit_refusal"]),
                on_click=dialogs.open,
                args=(deposit, one),
            )
            _master("移管する", device_forms.transfer, one, "move_location")
        if may("loaners:device:update"):
            _master("編集する", device_forms.edit, one, "edit")
            _master("別名", device_forms.aliases, one, "sell")
            if one["is_archived"]:
                _master("元に戻す", device_forms.restore, one, "unarchive")
            else:
                _master("無効にする", device_forms.archive, one, "archive")
    if one["deposit_refusal"] and may("loaners:device:work"):
        st.markdown(small(f"預り機のステータス: {plain(one['deposit_refusal'])}"))


def _master(word: str, do: Callable[[Row], None], one: Row, icon: str) -> None:
    """A button for what is done with the device's record."""

    def draw() -> None:
        known = device_forms.known(one["number"])
        if known is not None:
            do(known)

    dialogs.button(word, draw, key=f"{KEY}.{icon}", icon=icon)


def _now() -> None:
    st.session_state["as_of"] = times.now().date()


def deposit(one: Row) -> None:
    @dialogs.dialog("預り機のステータスを変更する", width="medium", icon=":material/label:")
    def ask() -> None:
        choices = [*words.DEPOSIT, None]
        with forms.form(f"{KEY}.deposit.{one['event_id']}", submit="保存する") as form:
            chosen = form.field(
                "deposit",
                st.radio,
                "預り機のステータス",
                options=choices,
                index=choices.index(one["deposit"]),
                format_func=lambda code: words.DEPOSIT[code].word if code else NOTHING,
            )
            reason = form.field("reason", st.text_input, "理由（任意）", max_chars=200)
        if form.submitted:
            body = {"deposit": chosen, "based_on": one["event_id"], "reason": " ".join(reason.split())}
            word = words.DEPOSIT[chosen].word if chosen else NOTHING
            form.send(
                lambda _: session.api().put(f"{path_of(one['number'])}/deposit", body),
                done=f"預り機のステータスを「{word}」にしました。",
            )

    ask()


def path_of(number: str) -> str:
    return f"/api/loaners/devices/{quote(number, safe='')}"


def page() -> None:
    number = st.query_params.get("number", "").strip()
    if not number:
        heading.page("機器詳細")
        feedback.empty(
            "機器が選ばれていません", "機器一覧から選んでください。", action=lambda: link("機器一覧を開く", "/loaners")
        )
        return
    chosen: list[filters.Filters] = []
    day = filters.Day("as_of", "時点", times.now().date())
    heading.page("機器詳細", right=lambda: chosen.append(filters.bar(day)))
    if device(path_of(number), as_of(chosen[0])):
        device_timeline.timeline(path_of(number))
        device_timeline.mails(path_of(number))


page()
