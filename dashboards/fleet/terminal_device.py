"""端末詳細, 本体・トークン: the devices used at this place, the agent's token, and photos of the installation."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.contract.fleet import FATE, Devices, Photos, TerminalDetail, TokenAnswer
from dashboards.fleet.terminals_table import PATH
from dashboards.session import has_permission
from dashboards.ui import columns, confirm, details, dialogs, feedback, files, flash, live, tables, times
from dashboards.ui.files import FILES_PATH, File
from dashboards.ui.live import refreshing
from dashboards.ui.text import plain, small

DEVICES = (
    columns.text("シリアル番号", "serial_number", width=130),
    columns.stamp("設置", "placed_at"),
    columns.stamp("撤去", "removed_at", missing="使用中"),
    columns.text("撤去後", lambda device: FATE.get(device["fate"] or "", "–"), width=96),
    columns.text("理由", "reason", width=200),
    columns.text("担当", lambda device: device["removed_by"] or "–", width=96),
)


def show(terminal: TerminalDetail) -> None:
    _draw_token(terminal)
    _draw_devices(terminal)
    _draw_photos(terminal)


@refreshing
def _draw_token(terminal: TerminalDetail) -> None:
    reading = live.block("fleet.token", "トークン", f"{PATH}/{terminal['id']}/token")
    if reading is None:
        return
    token: TokenAnswer = reading.data
    issued_at, renew_at, cloned_at = (
        times.parse(stamp) if stamp else None for stamp in (token["issued_at"], token["renew_at"], token["cloned_at"])
    )
    if not issued_at:
        st.markdown("有効なトークンはありません。店舗PCのエージェントを登録コードで登録すると発行されます。")
        return
    if cloned_at:
        st.error(
            f"{plain(times.full(cloned_at))}から、2台の店舗PCが同じトークンで通信しています。"
            "失効させてから、正しい1台を登録し直してください。",
            icon=":material/content_copy:",
        )
    else:
        st.markdown("トークンは有効です。店舗PCだけが保持し、この画面には表示されません。")
    details.facts({"発行": times.full(issued_at), "次の自動更新": renew_at and times.full(renew_at)})
    with st.container(horizontal=True):
        if has_permission("fleet:token:rotate"):
            dialogs.button("トークンを更新する", rotate, terminal, key="terminal.token.rotate", icon="autorenew")
        if has_permission("fleet:token:revoke"):
            dialogs.button("トークンを失効させる", revoke, terminal, key="terminal.token.revoke", icon="block")


def rotate(terminal: TerminalDetail) -> None:
    confirm.confirm(
        f"terminal.rotate.{terminal['id']}",
        f"端末 {terminal['serial_number']} のトークンを更新しますか？",
        "次の通信で、店舗PCのエージェントが新しいトークンに切り替えます。通信は途切れません。",
        action="更新する",
        do=lambda _, key: session.api().post(f"{PATH}/{terminal['id']}/token/rotation", idempotency_key=key),
        success="トークンの更新を依頼しました。",
        danger=False,
    )


def revoke(terminal: TerminalDetail) -> None:
    confirm.confirm(
        f"terminal.revoke.{terminal['id']}",
        f"端末 {terminal['serial_number']}（{terminal['store_name']}）のトークンを失効させますか？",
        "この店舗PCからの通信をすぐに拒否します。再開するには、登録コードで登録し直す必要があります。",
        action="失効させる",
        do=lambda _, _key: session.api().delete(f"{PATH}/{terminal['id']}/token"),
        success="トークンを失効させました。",
    )


@refreshing
def _draw_devices(terminal: TerminalDetail) -> None:
    reading = live.block("fleet.devices", "本体の履歴", f"{PATH}/{terminal['id']}/devices")
    if reading is not None:
        devices: Devices = reading.data
        tables.grid("terminal.devices", "本体の履歴", devices["items"], DEVICES)


def _draw_photos(terminal: TerminalDetail) -> None:
    reading = live.block("fleet.photos", "設置写真", f"{PATH}/{terminal['id']}/photos")
    if reading is None:
        return
    answer: Photos = reading.data
    photos = [
        File(photo["id"], photo["name"], photo["size"], photo["content_type"], f"{FILES_PATH}/{photo['id']}")
        for photo in answer["items"]
    ]
    if photos:
        files.previews("terminal.photos", photos)
    else:
        st.markdown(small("設置写真はまだありません。次に訪問する人のために、設置場所と配線を残せます。"))
    if not has_permission("fleet:photo:update"):
        return
    if photos:
        with st.popover("写真を外す", icon=":material/delete:", key="terminal.photos.remove"):
            for photo in photos:
                dialogs.button(photo.name, _confirm_removal, terminal["id"], photo, key=f"terminal.photo.{photo.id}")
    _upload_form(terminal["id"])


def _upload_form(terminal_id: int) -> None:
    form_round = st.session_state.get("terminal.photos.round", 0)
    key = f"terminal.photos.{terminal_id}.{form_round}"
    uploaded = files.upload(key, "写真を追加", purpose="fleet.terminal_photo")
    if uploaded:
        st.button(
            f"{len(uploaded)}枚を設置写真に登録する",
            key="terminal.photos.add",
            type="primary",
            on_click=_save_photos,
            args=(terminal_id, key),
        )
    if problem := st.session_state.pop("terminal.photos.problem", None):
        feedback.action_failed(problem)


def _save_photos(terminal_id: int, key: str) -> None:
    try:
        for file in files.stored(key):
            session.api().post(f"{PATH}/{terminal_id}/photos", {"file_id": file.id}, idempotency_key=file.id)
    except ApiProblem as problem:
        st.session_state["terminal.photos.problem"] = problem
        return
    st.session_state["terminal.photos.round"] = st.session_state.get("terminal.photos.round", 0) + 1
    flash.add("設置写真を登録しました。")


def _confirm_removal(terminal_id: int, photo: File) -> None:
    confirm.confirm(
        f"terminal.photo.remove.{photo.id}",
        f"設置写真「{photo.name}」を外しますか？",
        "この端末の設置写真から外します。元には戻せません。",
        action="外す",
        do=lambda _, _key: session.api().delete(f"{PATH}/{terminal_id}/photos/{photo.id}"),
        success="設置写真を外しました。",
    )
