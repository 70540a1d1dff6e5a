"""園情報: can the nursery's stations log in, do they work, and what data does the nursery have?"""

from __future__ import annotations

import streamlit as st

from dashboards.addresses import FILES
from dashboards.entries import choices, station_password, stations
from dashboards.entries.records import NURSERY
from dashboards.session import has_permission
from dashboards.ui import columns, details, dialogs, live, tables
from dashboards.ui.columns import Row
from dashboards.ui.links import link, public_url
from dashboards.ui.live import refreshing
from dashboards.ui.text import plain, small

KEY = "entries.nursery"
ARCHIVES = "/api/entries/archives"


@refreshing
def page() -> None:
    reading = live.block(
        KEY,
        "園情報",
        "/api/entries/nursery",
        headline=True,
        right=choices.nursery_selector,
        nursery_id=choices.selected_nursery_id(),
    )
    if reading is None:
        return
    nursery = reading.data
    state_sentence(nursery)
    left, right = st.columns([3, 2], gap="large")
    with left:
        _facts(nursery)
    with right:
        _station_login(nursery)


def state_sentence(nursery: Row) -> None:
    name, running, silent = plain(nursery["name"]), nursery["stations"], nursery["silent_stations"]
    if nursery["archived_at"]:
        st.info(f"{name}はアーカイブされています。入退登録は利用できません。", icon=":material/archive:")
    elif not nursery["has_station_password"]:
        st.warning(
            f"{name}の入退登録は無効です。入退登録画面にログインするためのパスワードを設定してください。",
            icon=":material/key_off:",
        )
    elif not running:
        st.info(
            f"{name}の入退登録は有効ですが、ログイン中の端末がありません。タブレットで入退登録画面を開いてください。",
            icon=":material/info:",
        )
    elif silent:
        st.error(
            f"{name}の入退登録端末{running:,}台のうち、{silent:,}台から応答がありません。"
            "タブレットの電源とネットワークを確認してください。",
            icon=":material/cloud_off:",
        )
    else:
        st.success(f"{name}の入退登録端末は、{running:,}台すべてが稼働中です。", icon=":material/check_circle:")


def _facts(nursery: Row) -> None:
    details.facts(
        {
            "保育園名": nursery["name"],
            "保育園コード": nursery["code"],
            "開園時刻": nursery["opens_at"][:5],
            "閉園時刻": nursery["closes_at"][:5],
            "オフラインで保存できる件数": f"{nursery['offline_cap']:,}件",
            "保護者": f"{nursery['parents']:,}人",
            "園児": f"{nursery['children']:,}人",
        }
    )
    if has_permission("entries:nursery:update") and not nursery["archived_at"]:
        dialogs.button("編集する", NURSERY.edit, nursery, key="nursery.edit", icon="edit")


def _station_login(nursery: Row) -> None:
    with st.container(border=True, gap="small", key="nursery.station"):
        st.markdown("**入退登録画面**")
        address = public_url("/entry-exit-login")
        st.markdown(small("タブレットのブラウザーで、次のアドレスを開きます。"))
        st.code(address, language=None, wrap_lines=True)
        st.markdown(f"パスワード: {'設定済み' if nursery['has_station_password'] else ':orange[未設定]'}")
        with st.container(horizontal=True):
            link("入退登録画面を開く", address)
            if has_permission("entries:nursery:update") and not nursery["archived_at"]:
                label = "パスワードを変更する" if nursery["has_station_password"] else "パスワードを設定する"
                dialogs.button(label, station_password.set_password, nursery, key="nursery.password", icon="key")
                if nursery["has_station_password"]:
                    dialogs.button(
                        "入退登録を無効にする",
                        station_password.clear_password,
                        nursery,
                        key="nursery.off",
                        icon="key_off",
                    )


@refreshing
def devices() -> None:
    tables.table(
        "entries.stations",
        "入退登録端末",
        stations.PATH,
        stations.COLUMNS,
        counter="台",
        query=_nursery_query(),
        actions=stations.ACTIONS if has_permission("entries:station:update") else None,
        empty=tables.Empty(
            "ログイン中の端末はありません",
            "タブレットで入退登録画面を開き、保育園コードとパスワードでログインしてください。",
        ),
    )


def _nursery_query() -> dict[str, int]:
    nursery = live.last_answer(KEY)
    return {"nursery_id": nursery["id"]} if nursery else {}


@refreshing
def archives() -> None:
    tables.table(
        "entries.archives",
        "古い入退ログの保管ファイル",
        ARCHIVES,
        (
            columns.text("対象月", lambda row: f"{row['month'][:4]}年{int(row['month'][5:7])}月", width=120),
            columns.number("件数", "logs", width=100),
            columns.stamp("保管した日時", "made_at"),
        ),
        query=_nursery_query(),
        actions={"CSVを開く": _open_archive},
        empty=tables.Empty(
            "保管ファイルはまだありません", "1年を過ぎた入退ログは、月ごとのCSVになってここに並びます。"
        ),
    )


def _open_archive(row: Row) -> None:
    month = f"{row['month'][:4]}年{int(row['month'][5:7])}月"

    @dialogs.dialog(f"{month}の入退ログ", width="small", icon=":material/folder_zip:")
    def show() -> None:
        st.markdown(f"{plain(row['nursery_name'])}の{month}の入退ログ{row['logs']:,}件です。削除した記録も含まれます。")
        link("CSVを保存する", f"{FILES}/{row['file_id']}", primary=True, download=True)

    show()


if choices.require_nursery("園情報"):
    page()
    devices()
    if has_permission("entries:nursery:update"):
        archives()
