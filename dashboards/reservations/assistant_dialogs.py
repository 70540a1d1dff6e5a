"""Dialogs of assistants' tokens: issue, show once with the setup, revoke."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.contract.reservations import FIELDS, AssistantItem, IssuedAssistant
from dashboards.reservations.actions import Body, Target, ask
from dashboards.ui import dialogs
from dashboards.ui.fields import Checkbox, Text
from dashboards.ui.text import plain, small

PATH = "/api/reservations/assistants"
NAME = "genba-reservations"


def issue() -> None:
    ask(
        "reservations.assistant.new",
        "トークンを発行する",
        (
            Text(
                "name",
                FIELDS["name"],
                100,
                required=True,
                placeholder="佐藤様のClaude",
                help="誰の、どのアシスタントかがわかる名前を付けます。",
            ),
            Checkbox(
                "is_shared",
                "複数のお客様で共用する",
                help="予約の状況を確認するときとキャンセルするときに、予約時の電話番号も必要になります。",
            ),
        ),
        _issue,
        icon="key",
        submit="発行する",
        done=lambda typed: f"「{typed['name']}」のトークンを発行しました。",
    )


def _issue(body: Body, idempotency_key: str) -> None:
    created: IssuedAssistant = session.api().post(PATH, body, idempotency_key=idempotency_key)
    dialogs.open(show_token, body["name"], created["token"], created["url"])


def show_token(name: str, token: str, url: str) -> None:
    @dialogs.dialog("アシスタントを接続する", width="large", icon=":material/key:")
    def show() -> None:
        st.markdown(f"「{plain(name)}」のトークンです。アシスタントの設定に登録してください。")
        st.markdown(small("トークン（マウスを重ねると、右上にコピーのボタンが出ます）"))
        st.code(token, language=None)
        st.markdown(small("接続先のURL"))
        st.code(url, language=None)
        code, desktop, others = st.tabs(["Claude Code", "Claude Desktop", "そのほか"])
        with code:
            st.markdown(small("ターミナルで、次のコマンドを実行します。"))
            st.code(claude_code(token, url), language=None, wrap_lines=True)
        with desktop:
            st.markdown(
                small(
                    "「設定」→「開発者」→「構成を編集」で開くファイルに、次の内容を加えて再起動します"
                    "（Node.jsが必要です）。"
                )
            )
            st.code(claude_desktop(token, url), language="json", wrap_lines=True)
        with others:
            st.markdown(
                small(
                    "MCPの設定ファイルを使うクライアント（Cursor、VS Codeなど）には、次の内容を加えます。"
                    "トークンを設定できず、OAuthだけに対応するクライアントからは接続できません。"
                )
            )
            st.code(any_client(token, url), language="json", wrap_lines=True)
        st.warning("この画面を閉じると、トークンは二度と表示できません。", icon=":material/warning:")
        st.button("控えました", type="primary", key="reservations.assistant.noted", on_click=dialogs.close)

    show()


def claude_code(token: str, url: str) -> str:
    return f'claude mcp add --transport http {NAME} {url} --header "Authorization: Bearer {token}"'


def claude_desktop(token: str, url: str) -> str:
    """Claude Desktop's own connectors require OAuth; the bridge accepts a token. The variable keeps the space out of
    the arguments, which Windows would split there."""
    http_options = ["--allow-http"] if url.startswith("http:") else []
    bridge = {
        "command": "npx",
        "args": ["-y", "mcp-remote", url, "--header", "Authorization:${AUTH_HEADER}", *http_options],
        "env": {"AUTH_HEADER": f"Bearer {token}"},
    }
    return _config_file(bridge)


def any_client(token: str, url: str) -> str:
    return _config_file({"type": "http", "url": url, "headers": {"Authorization": f"Bearer {token}"}})


def _config_file(server: dict[str, Any]) -> str:
    """One line for each setting, because there is little room above the button."""
    lines = ",\n".join(f"      {json.dumps(name)}: {json.dumps(value)}" for name, value in server.items())
    return f'{{\n  "mcpServers": {{\n    "{NAME}": {{\n{lines}\n    }}\n  }}\n}}'


def revoke(assistant: AssistantItem) -> None:
    name = assistant["name"]
    Target("reservations.assistant", PATH, assistant["id"]).confirm(
        "revoke",
        f"「{name}」のトークンを失効させますか？",
        "このトークンを使うアシスタントは、すぐに接続できなくなります。受け付け済みの予約はそのまま進みます。"
        "この操作は元に戻せません。",
        body=lambda _: {},
        action="失効させる",
        success=f"「{name}」のトークンを失効させました。",
    )
