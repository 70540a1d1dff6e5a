"""An enrolment code, shown once, with the command to run on the store PC."""

from __future__ import annotations

import streamlit as st

from dashboards.ui import dialogs
from dashboards.ui.text import plain, small

WINDOWS = 'powershell -ExecutionPolicy Bypass -File "C:\\Program Files\\Genba\\agent\\install\\install-windows.ps1"'
LINUX = "cd /opt/genba && runuser -u genba-agent -- .venv/bin/python -m agent enrol --config /etc/genba-agent.toml"


def show_code_once(title: str, explained: str, code: str) -> None:
    """A dialog; `explained` says for which store PCs the code is valid, and until when."""

    @dialogs.dialog(title, width="large", icon=":material/key:")
    def show() -> None:
        st.markdown(plain(explained))
        st.markdown(small("登録コード（マウスを重ねると、右上にコピーのボタンが出ます）"))
        st.code(code, language=None)
        st.markdown(small("店舗PCで実行するコマンド（Windows、管理者のPowerShell）"))
        st.code(f"{WINDOWS} -Code {code}", language=None, wrap_lines=True)
        st.markdown(small("店舗PCで実行するコマンド（Linux、root）"))
        st.code(f"{LINUX} --code {code}", language=None, wrap_lines=True)
        st.warning("この画面を閉じると、コードは二度と表示できません。", icon=":material/warning:")
        st.button("控えました", type="primary", key="enrolment.noted", on_click=dialogs.close)

    show()
