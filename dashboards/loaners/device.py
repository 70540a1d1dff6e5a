"""機器詳細: where is this device, who has it, and what has happened to it?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time
from urllib.parse import quote, urlencode

import streamlit as st

from dashboards import session
from dashboards.contract.loaners import FIELDS, DeviceItem, DeviceShown, LoanShown
from dashboards.loaners import device_forms, device_timeline, records, words
from dashboards.session import has_permission
from dashboards.ui import details, dialogs, feedback, filters, forms, heading, live, recent, times
from dashboards.ui.links import link
from dashboards.ui.live import refreshing
from dashboards.ui.text import plain, small

KEY = "loaners.device"
NOTHING = "未設定"


def as_of(chosen: filters.Filters) -> str | None:
    """The end of the selected day; None: now."""
    day = chosen.query.get("as_of")
    if day is None or date.fromisoformat(day) >= times.now().date():
        return None
    return datetime.combine(date.fromisoformat(day), time(23, 59, 59), times.TOKYO).isoformat()


@refreshing
def device(path: str, at: str | None) -> bool:
    """Returns False when the device does not exist."""
    reading = live.block(KEY, "", f"{path}/state", headline=True, as_of=at)
    if reading is None:
        return False
    state: DeviceShown = reading.data
    recent.remember(f"機器 {state['number']}", f"/loaners-device?number={quote(state['number'], safe='')}")
    st.markdown(sentence(state))
    actions(state)
    left, right = st.columns(2, gap="large")
    with left:
        facts(state)
    with right:
        answers(state)
    return True


def sentence(state: DeviceShown) -> str:
    number = plain(state["number"])
    if not state["is_now"]:
        at_text = f"{words.timestamp(state['moment'])}時点では、"
        if state["site_name"] is None:
            return f"{at_text}**{number}** はまだ登録されていませんでした。"
    else:
        at_text = ""
    badge = words.status(state["status"]).badge()
    location = f"**{plain(state['site_name'] or '')}**（{plain(state['jurisdiction'] or '')}）"
    sentences = [f"{at_text}**{number}** は{location}の機器で、{badge} です。"]
    if state["is_archived"]:
        sentences.append("無効な機器です。")
    if loan := state["loan"]:
        sentences.append(_loan(loan))
    if state["deposit"]:
        sentences.append(f"預り機のステータスは {words.DEPOSIT[state['deposit']].badge()} です。")
    elif state["held"] and state["status"] == words.LENT:
        sentences.append("ユーザー機を預かっていますが、預り機のステータスは**未設定**です。")
    return "".join(sentences)


def _loan(loan: LoanShown) -> str:
    borrower = f"**{plain(loan['borrower'])}**へ" if loan["borrower"] else ""
    text = f"{borrower}貸し出してから**{loan['days']:,}日**たっています。"
    if loan["due_on"] is None:
        return text
    due = words.display_value(loan["due_on"])
    if loan["overdue_days"]:
        return f"{text}:red[返却予定日（{due}）を**{loan['overdue_days']:,}日**過ぎています。]"
    return f"{text}返却予定日は{due}です。"


def facts(state: DeviceShown) -> None:
    moved = "（移管）" if state["is_moved"] else ""
    terminal = {"資産管理番号": state["asset_number"], "ソフトウェア": state["software"], "OS": state["os"]}
    details.facts(
        {
            "拠点管理番号": state["number"],
            **({"別の番号": "、".join(state["aliases"])} if state["aliases"] else {}),
            "拠点": f"{state['site_name']}{moved}" if state["site_name"] else None,
            "機器種別": state["kind_word"],
            "カテゴリ": state["category_word"],
            "機種名": state["model_name"],
            "メーカー": state["maker"],
            "製造番号": state["serial"],
            **(terminal if state["kind"] == "terminal" else {}),
            **{extra["header"]: extra["value"] for extra in state["extra"]},
            "作成日": words.timestamp(state["created_at"]),
            "更新日": words.timestamp(state["updated_at"]),
        }
    )


def answers(state: DeviceShown) -> None:
    """The last answers, and the address of the form for the next ones."""
    if state["answers"]:
        st.markdown(f"**最後の回答**（フォーム第{state['form_number']}版）")
        details.facts({answer["header"]: words.display_value(answer["value"]) for answer in state["answers"]})
    else:
        st.markdown("ステータスはまだ登録されていません。")
    st.markdown(small("共通フォームURL（QRコードが開くアドレス）"))
    st.code(state["label_url"], language=None, wrap_lines=True)


def actions(state: DeviceShown) -> None:
    if not state["is_now"]:
        st.info(
            "過去の時点を表示しています。登録や変更は、現在の状態に戻してから行ってください。",
            icon=":material/history:",
        )
        st.button("現在の状態に戻す", key=f"{KEY}.now", icon=":material/update:", on_click=_now)
        return
    with st.container(horizontal=True, key=f"{KEY}.actions"):
        if has_permission("loaners:device:work"):
            link("ステータス登録", f"/status-form?{urlencode({'number': state['number']})}", primary=True)
            st.button(
                "預り機のステータスを変更する",
                key=f"{KEY}.deposit",
                icon=":material/label:",
                disabled=bool(state["deposit_refusal"]),
                on_click=dialogs.open,
                args=(deposit, state),
            )
            _record_button("移管する", device_forms.transfer, state, "move_location")
        if has_permission("loaners:device:update"):
            _record_button("編集する", records.DEVICE.edit, state, "edit")
            _record_button("別名", device_forms.aliases, state, "sell")
            if state["is_archived"]:
                _record_button("元に戻す", device_forms.restore, state, "unarchive")
            else:
                _record_button("無効にする", device_forms.archive, state, "archive")
    if state["deposit_refusal"] and has_permission("loaners:device:work"):
        st.markdown(small(f"預り機のステータス: {plain(state['deposit_refusal'])}"))


def _record_button(label: str, action: Callable[[DeviceItem], None], state: DeviceShown, icon: str) -> None:
    """A button that changes the device's record."""

    def draw() -> None:
        record = device_forms.find_device(state["number"])
        if record is not None:
            action(record)

    dialogs.button(label, draw, key=f"{KEY}.{icon}", icon=icon)


def _now() -> None:
    st.session_state["as_of"] = times.now().date()


def deposit(state: DeviceShown) -> None:
    @dialogs.dialog("預り機のステータスを変更する", width="medium", icon=":material/label:")
    def ask() -> None:
        choices = [*words.DEPOSIT, None]
        with forms.form(f"{KEY}.deposit.{state['event_id']}", submit="保存する") as form:
            chosen = form.field(
                "deposit",
                st.radio,
                FIELDS["deposit"],
                options=choices,
                index=choices.index(state["deposit"]),
                format_func=lambda code: words.DEPOSIT[code].label if code else NOTHING,
            )
            reason = form.field("reason", st.text_input, "理由（任意）", max_chars=200)
        if form.submitted:
            body = {"deposit": chosen, "based_on": state["event_id"], "reason": " ".join(reason.split())}
            label = words.DEPOSIT[chosen].label if chosen else NOTHING
            form.send(
                lambda _: session.api().put(f"{device_path(state['number'])}/deposit", body),
                success=f"預り機のステータスを「{label}」にしました。",
            )

    ask()


def device_path(number: str) -> str:
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
    if device(device_path(number), as_of(chosen[0])):
        device_timeline.timeline(device_path(number))
        device_timeline.mails(device_path(number))


page()
