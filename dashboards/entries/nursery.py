"""園情報: can the nursery's stations log in, do they work, and what data does the nursery have?"""

from __future__ import annotations

import streamlit as st

from dashboards.addresses import FILES
from dashboards.contract.entries import FIELDS, SUBJECTS, ArchiveItem, NurseryItem
from dashboards.entries import choices, station_password, stations
from dashboards.entries.records import NURSERY
from dashboards.session import has_permission
from dashboards.ui import columns, details, dialogs, live, tables, times
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
    nursery: NurseryItem = reading.data
    state_sentence(nursery)
    left, right = st.columns([3, 2], gap="large")
    with left:
        _facts(nursery)
    with right:
        _station_login(nursery)


def state_sentence(nursery: NurseryItem) -> None:
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


def _facts(nursery: NurseryItem) -> None:
    labels = NURSERY.labels
    details.facts(
        {
            labels["name"]: nursery["name"],
            labels["code"]: nursery["code"],
            labels["opens_at"]: nursery["opens_at"][:5],
            labels["closes_at"]: nursery["closes_at"][:5],
            labels["offline_cap"]: f"{nursery['offline_cap']:,}件",
            FIELDS["parents"]: f"{nursery['parents']:,}人",
            FIELDS["children"]: f"{nursery['children']:,}人",
        }
    )
    if has_permission("entries:nursery:update") and not nursery["archived_at"]:
        dialogs.button("編集する", NURSERY.edit, nursery, key="nursery.edit", icon="edit")


def _station_login(nursery: NurseryItem) -> None:
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
        SUBJECTS["station"],
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
    nursery: NurseryItem | None = live.last_answer(KEY)
    return {"nursery_id": nursery["id"]} if nursery else {}


@refreshing
def archives() -> None:
    tables.table(
        "entries.archives",
        "古い入退ログの保管ファイル",
        ARCHIVES,
        (
            columns.text(FIELDS["month"], lambda row: times.month(row["month"]), width=120),
            columns.number(FIELDS["logs"], "logs", width=100),
            columns.stamp("保管した日時", "made_at"),
        ),
        query=_nursery_query(),
        actions={"CSVを開く": _open_archive},
        id_field="file_id",
        empty=tables.Empty(
            "保管ファイルはまだありません", "1年を過ぎた入退ログは、月ごとのCSVになってここに並びます。"
        ),
    )


def _open_archive(row: ArchiveItem) -> None:
    month = times.month(row["month"])

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
