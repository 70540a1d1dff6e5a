"""ファームウェア管理: the roll-outs, their progress, and those that are paused."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.contract.fleet import FirmwareItem, FirmwareOverview, RolloutItem
from dashboards.fleet.firmware_forms import new_firmware, new_rollout
from dashboards.fleet.rollout_drawer import drawer
from dashboards.fleet.words import ROLLOUT
from dashboards.session import has_permission
from dashboards.ui import columns, confirm, dialogs, figures, live, tables
from dashboards.ui.figures import Figure
from dashboards.ui.live import refreshing
from dashboards.ui.status import Status

ROLLOUTS, FIRMWARES = "/api/fleet/rollouts", "/api/fleet/firmwares"
IN_USE = {"open": Status("配信できます", "green", "check_circle"), "withdrawn": Status("取り下げ", "gray", "block")}


def progress_text(rollout: RolloutItem) -> str:
    """第2段階 / 3（25%）"""
    if rollout["state"] == "draft":
        return "開始前"
    waves, wave = rollout["waves"], rollout["wave"]
    return f"第{wave + 1}段階 / {len(waves)}（{waves[wave]}%）"


def _success_percent(rollout: RolloutItem) -> float:
    counts = rollout["counts"]
    return 100 * counts["succeeded"] // counts["total"] if counts["total"] else 0


COLUMNS = (
    columns.text("名前", "name", width=184),
    columns.badge("状態", "state", ROLLOUT, width=116),
    columns.text("バージョン", "firmware_version", width=88),
    columns.text("進み具合", progress_text, width=150),
    columns.percent("成功率", _success_percent, width=64),
    columns.number("対象（台）", lambda row: row["counts"]["total"], width=80),
    columns.number("成功", lambda row: row["counts"]["succeeded"], width=56),
    columns.number("失敗", lambda row: row["counts"]["failed"], width=56),
    columns.number("更新中", lambda row: row["counts"]["under_way"], width=64),
    columns.ago("開始", "started_at"),
)
IMAGE_COLUMNS = (
    columns.text("バージョン", "version", width=96),
    columns.badge("状態", lambda row: "withdrawn" if row["withdrawn_at"] else "open", IN_USE, width=132),
    columns.number("稼働中（台）", "terminals", width=96),
    columns.number("大きさ（KB）", lambda row: -(-row["size"] // 1024), width=104),
    columns.text("説明", "notes", width=280),
    columns.text("登録者", "created_by", width=96),
    columns.ago("登録", "created_at"),
)


@refreshing
def headline() -> None:
    reading = live.block(
        "fleet.rollout_overview", "ファームウェア管理", f"{ROLLOUTS}/overview", headline=True, right=_create_button
    )
    if reading is None:
        return
    counts: FirmwareOverview = reading.data
    if not reading.problem:
        _state_sentence(counts)
    figures.row(
        [
            Figure("配信中", f"{counts['running']:,}件", f"下書き {counts['drafts']:,}件"),
            Figure("一時停止中", f"{counts['paused']:,}件", "再開か中止の判断を待っています"),
            Figure("更新中の端末", f"{counts['under_way']:,}台", "通知から動作の確認まで"),
            Figure("登録済みファームウェア", f"{counts['firmwares']:,}件", "取り下げたものを除く"),
        ],
        faded=reading.problem is not None,
    )


def _create_button() -> None:
    if has_permission("fleet:rollout:create"):
        dialogs.button("配信を作成する", new_rollout, key="firmware.new_rollout", icon="add", type="primary")


def _state_sentence(counts: FirmwareOverview) -> None:
    if counts["paused"]:
        st.error(
            f"一時停止中の配信が{counts['paused']:,}件あります。停止の理由を確認し、再開するか中止するかを決めてください。",
            icon=":material/pause_circle:",
        )
    elif counts["running"]:
        st.info(
            f"{counts['running']:,}件の配信が進んでいます。現在{counts['under_way']:,}台が更新中です。",
            icon=":material/sync:",
        )
    elif counts["firmwares"]:
        st.success("進行中の配信はありません。", icon=":material/check_circle:")
    else:
        st.info(
            "ファームウェアがまだ登録されていません。先にファームウェアを登録してください。", icon=":material/info:"
        )


@refreshing
def draw_rollouts() -> None:
    tables.table(
        "fleet.rollouts",
        "",
        ROLLOUTS,
        COLUMNS,
        actions={"開く": drawer},
        empty=tables.Empty(
            "まだ配信はありません", "ファームウェアを登録し、「配信を作成する」から対象と段階を決めてください。"
        ),
    )


@refreshing
def draw_images() -> None:
    tables.table(
        "fleet.firmwares",
        "ファームウェア",
        FIRMWARES,
        IMAGE_COLUMNS,
        actions={"取り下げる": withdraw} if has_permission("fleet:firmware:withdraw") else None,
        row_opens=False,
        right=_register_button,
        empty=tables.Empty(
            "まだ登録されていません", "「ファームウェアを登録する」から、署名とともに登録してください。"
        ),
    )


def _register_button() -> None:
    if has_permission("fleet:firmware:create"):
        dialogs.button("ファームウェアを登録する", new_firmware, key="firmware.new", icon="upload")


def withdraw(row: FirmwareItem) -> None:
    confirm.confirm(
        f"firmware.withdraw.{row['id']}",
        f"ファームウェア {row['version']} を取り下げますか？",
        "このファームウェアの配信はすべて中止され、新しく配信できなくなります。取り下げは元に戻せません。"
        "すでに更新した端末は、そのままのバージョンで動き続けます。",
        action="取り下げる",
        do=lambda _, key: session.api().post(f"{FIRMWARES}/{row['id']}/withdraw", idempotency_key=key),
        success=f"ファームウェア {row['version']} を取り下げました。",
    )


headline()
draw_rollouts()
draw_images()
