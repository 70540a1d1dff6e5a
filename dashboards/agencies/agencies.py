"""代理店管理: the agencies, and which of their data is missing."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

from dashboards import session
from dashboards.agencies.records import AGENCY, new_agency
from dashboards.contract.agencies import AgenciesAgencyItem, AgencySummary
from dashboards.session import has_permission
from dashboards.ui import columns, confirm, details, dialogs, filters, flash, live, tables, times
from dashboards.ui.columns import Row
from dashboards.ui.exports import Export
from dashboards.ui.links import link, mail, telephone
from dashboards.ui.live import refreshing
from dashboards.ui.status import Status

ACTIVE = {"active": Status("有効", "green", "check_circle"), "inactive": Status("無効", "gray", "block")}
SORTS = {"name": "代理店名順", "code": "代理店コード順", "-created_at": "登録の新しい順"}


def state(row: AgenciesAgencyItem) -> str:
    return "active" if row["is_active"] else "inactive"


# 3.5.
COLUMNS = (
    columns.text("代理店名", "name", width=240, sort="name"),
    columns.text("代理店コード", "code", width=130, sort="code"),
    columns.text("担当者名", "contact_name", width=150),
    columns.number("所属営業担当数", "sales_count", width=130),
    columns.badge("ステータス", state, ACTIVE, width=110),
)


@refreshing
def headline() -> None:
    reading = live.block("agencies.summary", "代理店管理", f"{AGENCY.path}/summary", headline=True, right=_new_button)
    if reading is None:
        return
    counts: AgencySummary = reading.data
    if not counts["active"] + counts["inactive"]:
        st.markdown("まだ代理店が登録されていません。")
        return
    sentence = f"有効な代理店は{counts['active']:,}件です。"
    missing = []
    if counts["without_sales"]:
        missing.append(f"営業担当者がいない代理店が**{counts['without_sales']:,}件**")
    if counts["without_shop"]:
        missing.append(f"紹介店コードが未登録の代理店が**{counts['without_shop']:,}件**")
    sentence += f"{'、'.join(missing)}あります。" if missing else "営業担当者と紹介店コードは、すべて登録されています。"
    if counts["inactive"]:
        sentence += f"ほかに無効の代理店が{counts['inactive']:,}件あります。"
    st.markdown(sentence)


def _new_button() -> None:
    if has_permission("agencies:agency:update"):
        dialogs.button("代理店を登録する", new_agency, key="agencies.agency.add", icon="add", type="primary")


def edit(agency: AgenciesAgencyItem) -> None:
    """An inactive agency is activated first."""
    if agency["is_active"]:
        AGENCY.edit(agency)
    else:
        activate(agency)


def switch(agency: AgenciesAgencyItem) -> None:
    (deactivate if agency["is_active"] else activate)(agency)


def deactivate(agency: AgenciesAgencyItem) -> None:
    name, sales_count = f"代理店「{agency['name']}」", agency["sales_count"]

    def send(reason: str, idempotency_key: str) -> None:
        session_count = session.api().post(
            f"{AGENCY.path}/{agency['id']}/deactivate", {"reason": reason}, idempotency_key=idempotency_key
        )["sessions_ended"]
        logout_note = f"ログイン中だった{session_count:,}件を終了しました。" if session_count else ""
        flash.add(f"{name}を無効にしました。{logout_note}")

    subject = (
        f"所属する営業担当者{sales_count:,}人は、すぐにログアウトされ、" if sales_count else "所属する営業担当者は、"
    )
    confirm.confirm(
        f"agencies.agency.deactivate.{agency['id']}",
        f"{name}を無効にしますか？",
        f"{subject}ログインできなくなります。この代理店に新しい営業担当者を登録することもできません。"
        "提出済みの投入依頼と獲得案件はそのまま残り、投入担当者は作業を続けられます。あとで有効に戻せます。",
        action="無効にする",
        do=send,
        success="",
        reason="optional",
    )


def activate(agency: AgenciesAgencyItem) -> None:
    name, sales_count = f"代理店「{agency['name']}」", agency["sales_count"]
    subject = f"所属する営業担当者{sales_count:,}人が、" if sales_count else "所属する営業担当者が、"
    confirm.confirm(
        f"agencies.agency.activate.{agency['id']}",
        f"{name}は無効です。有効に戻しますか？",
        f"{subject}これまでのパスワードでまたログインできるようになります。",
        action="有効に戻す",
        do=lambda _, idempotency_key: session.api().post(
            f"{AGENCY.path}/{agency['id']}/activate", idempotency_key=idempotency_key
        ),
        success=f"{name}を有効に戻しました。",
        danger=False,
    )


def drawer(row: AgenciesAgencyItem) -> None:
    @dialogs.dialog(row["name"], position="right", width="small", icon=":material/store:")
    def show() -> None:
        st.markdown(ACTIVE[state(row)].badge())
        with st.container(horizontal=True):
            if row["is_active"]:
                dialogs.button("編集", edit, row, key="agencies.agency.edit", icon="edit")
                dialogs.button("無効化", deactivate, row, key="agencies.agency.deactivate", icon="block")
            else:
                dialogs.button("有効に戻す", activate, row, key="agencies.agency.activate", icon="undo")
            if has_permission("core:user:read"):
                link("ユーザー管理", f"/users?{urlencode({'role': 'sales'})}")
        values: Row = row
        details.facts(
            {
                **{label: values[name] for name, label in AGENCY.labels.items() if name != "name"},
                AGENCY.labels["phone"]: telephone(row["phone"]),
                AGENCY.labels["mail_address"]: mail(row["mail_address"]),
                "所属営業担当数": f"{row['sales_count']:,}人",
                "代理店ID": row["id"],
                "作成日時": times.stamp(row["created_at"]),
                "更新日時": times.stamp(row["updated_at"]),
            }
        )

    show()


@refreshing
def show_list(chosen: filters.Filters) -> None:
    tables.table(
        "agencies.agencies",
        "",
        AGENCY.path,
        COLUMNS,
        sorts=SORTS,
        filters=chosen,
        actions={"詳細": drawer, "編集": edit, "無効化": switch},
        export=Export.of(AGENCY.path),
        empty=tables.Empty("まだ代理店が登録されていません", "「代理店を登録する」から登録してください。"),
    )


headline()
show_list(
    filters.bar(
        filters.Text("q", "キーワード", "代理店名・コード・紹介店・担当者"),
        filters.Choice("is_active", "ステータス", {"true": ACTIVE["active"], "false": ACTIVE["inactive"]}),
    )
)
