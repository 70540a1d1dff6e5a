"""端末詳細, 診断: remote commands of the agent, their progress, and their results as text."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.addresses import DOWNLOAD
from dashboards.client import ApiProblem
from dashboards.contract.fleet import COMMAND_NAME, CommandItem, PageCommandItem, TerminalDetail
from dashboards.fleet.terminals_table import PATH
from dashboards.fleet.words import COMMAND_STATES, OPEN_COMMANDS
from dashboards.session import has_permission
from dashboards.settings import settings
from dashboards.ui import feedback, live, times
from dashboards.ui.idempotency import button_idempotency_key
from dashboards.ui.links import link
from dashboards.ui.status import UNKNOWN
from dashboards.ui.text import plain, small

KEY = "fleet.commands"
MAX_COMMANDS = 20
POLL_SECONDS = 2
CHECKS = {
    "service": "サービスとの通信",
    "clock": "時計",
    "disk": "ディスク",
    "memory": "メモリ",
    "serial_port": "シリアルポート",
    "terminal": "TC-200の応答",
    "terminal_state": "TC-200の状態",
    "spool": "未送信のデータ",
    "agent": "エージェント",
}
_PROBLEM, _BUSY = "fleet.command_problem", "fleet.commands.busy"


def show(terminal: TerminalDetail) -> None:
    """Polls every two seconds while a command is open, otherwise as often as the rest of the page."""
    is_busy = st.session_state.get(_BUSY, False)
    poll = st.fragment(_poll, run_every=POLL_SECONDS if is_busy else settings().refresh_seconds)
    poll(terminal, is_busy)


def _poll(terminal: TerminalDetail, was_busy: bool) -> None:
    reading = live.block(
        KEY, "診断", f"{PATH}/{terminal['id']}/commands", right=partial(_buttons, terminal), limit=MAX_COMMANDS
    )
    if reading is None:
        return
    page: PageCommandItem = reading.data
    commands = page["items"]
    is_busy = any(command["state"] in OPEN_COMMANDS for command in commands)
    if is_busy != was_busy:
        st.session_state[_BUSY] = is_busy
        st.rerun()
    if action_problem := st.session_state.pop(_PROBLEM, None):
        feedback.action_failed(action_problem)
    if not commands:
        feedback.empty(
            "まだ診断を行っていません",
            "「リモート診断を開始する」を押すと、店舗PCとTC-200の9項目を確認します。",
            icon=":material/troubleshoot:",
        )
    for command in commands:
        _card(terminal, command)


def _buttons(terminal: TerminalDetail) -> None:
    if not has_permission("fleet:terminal:diagnose") or terminal["archived_at"] or not terminal["enrolled_at"]:
        return
    st.button(
        "診断ファイルを取得する",
        key="terminal.bundle",
        icon=":material/folder_zip:",
        on_click=send_command,
        args=(terminal["id"], "send_bundle"),
    )


def send_command(terminal_id: int, command_name: str) -> None:
    _send_action(f"{PATH}/{terminal_id}/commands", {"name": command_name})


def _cancel(terminal_id: int, command_id: int) -> None:
    _send_action(f"{PATH}/{terminal_id}/commands/{command_id}/cancel", None)


def _send_action(path: str, body: dict[str, Any] | None) -> None:
    st.session_state.pop(_PROBLEM, None)
    try:
        with button_idempotency_key(f"{path} {body}") as idempotency_key:
            session.api().post(path, body, idempotency_key=idempotency_key)
    except ApiProblem as problem:
        st.session_state[_PROBLEM] = problem


def _card(terminal: TerminalDetail, command: CommandItem) -> None:
    state = COMMAND_STATES.get(command["state"], UNKNOWN)
    with st.container(border=True, key=f"command.{command['id']}"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown(f"**{COMMAND_NAME.get(command['name'], '指示')}**　{state.badge()}", width="content")
            created_at = times.parse(command["created_at"])
            st.markdown(small(plain(f"{times.full(created_at)}　{command['created_by']}")), width="content")
        if command["state"] in OPEN_COMMANDS:
            _draw_progress(terminal, command)
        else:
            _draw_outcome(command)


def _draw_progress(terminal: TerminalDetail, command: CommandItem) -> None:
    if command["state"] == "waiting":
        until = times.stamp(command["expires_at"])
        st.markdown(plain(f"店舗PCの次の通信で伝えます。{until}までに応答がなければ打ち切ります。"))
    elif command["percent"] is not None:
        st.progress(command["percent"] / 100, f"{command['percent']}%")
    else:
        st.skeleton(8)
    if command["message"]:
        st.markdown(plain(command["message"]))
    if has_permission("fleet:terminal:diagnose") and command["name"] in ("diagnose", "send_bundle"):
        st.button(
            "取り消す",
            key=f"command.{command['id']}.cancel",
            icon=":material/cancel:",
            on_click=_cancel,
            args=(terminal["id"], command["id"]),
        )


def _draw_outcome(command: CommandItem) -> None:
    checks = (command["result"] or {}).get("checks")
    if isinstance(checks, list) and command["state"] == "done":
        _draw_checks([check for check in checks if isinstance(check, dict)])
    elif command["state"] == "expired":
        st.markdown("店舗PCから応答がありませんでした。電源とネットワークを確認してから、もう一度お試しください。")
    elif command["message"]:
        st.markdown(plain(command["message"]))
    if command["file_id"]:
        link("診断ファイルをダウンロード", f"{DOWNLOAD}/api/core/files/{command['file_id']}", download=True)
    elif command["name"] == "send_bundle" and command["state"] == "done":
        st.markdown(small("診断ファイルの保存期間が過ぎました。必要な場合は、もう一度取得してください。"))


def _draw_checks(checks: list[dict[str, Any]]) -> None:
    failed = [check for check in checks if not check.get("ok")]
    if not failed:
        st.markdown(f":green[:material/check_circle:] {len(checks)}項目すべて正常です。")
    else:
        names = "、".join(_check_label(check) for check in failed)
        failed_text = plain(f"{len(checks)}項目のうち{len(failed)}項目に異常があります: {names}")
        st.markdown(f":red[:material/error:] **{failed_text}**")
    for check in checks:
        icon = ":green[:material/check_circle:]" if check.get("ok") else ":red[:material/error:]"
        st.markdown(f"{icon} **{plain(_check_label(check))}**　{plain(str(check.get('detail') or ''))}")


def _check_label(check: dict[str, Any]) -> str:
    name = str(check.get("name") or "")
    return CHECKS.get(name, name)
