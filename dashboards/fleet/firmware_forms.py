"""Forms for a new firmware image with its signature, and for a new roll-out with its targets and limits."""

from __future__ import annotations

import re
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.contract.fleet import FIELDS, FirmwareChoices, FirmwareItem
from dashboards.fleet.choices import customers
from dashboards.fleet.rollout_drawer import PATH, preview_text
from dashboards.ui import dialogs, feedback, fields, files, forms
from dashboards.ui.fields import Text
from dashboards.ui.text import small

IMAGES = {".bin": "ファームウェア", ".img": "ファームウェア", ".fw": "ファームウェア"}
MAX_BYTES = 64 * 1024 * 1024
WAVES = "5, 25, 100"
# A select box, because Streamlit's time field shows 月 for minutes.
HALF_HOURS = [f"{hour:02}:{minute:02}" for hour in range(24) for minute in (0, 30)]


SIGNING = (
    "ファームウェアの作成者が、バージョン・大きさ・SHA-256に付けたEd25519の署名です。"
    "`python -m stack.firmware sign` で作れます。署名が一致しないファイルは登録できません。"
)
NEW_FIRMWARE = (
    Text("version", FIELDS["version"], 20, required=True, placeholder="1.2.0"),
    Text("signature", "署名（Base64）", 200, required=True, height=80, help=SIGNING),
    Text("notes", "説明", 2000, height=96),
)


def new_firmware() -> None:
    @dialogs.dialog("ファームウェアを登録する", width="medium", icon=":material/upload:")
    def show() -> None:
        form_round = st.session_state.get("form.firmware.form", {}).get("round", 0)
        uploaded = files.upload(
            f"firmware.file.{form_round}",
            "ファイル",
            purpose="fleet.firmware",
            kinds=IMAGES,
            max_bytes=MAX_BYTES,
            max_files=1,
            help="64MBまで。署名したファイルを、そのまま選んでください。",
        )
        with forms.form("firmware.form", submit="登録する") as form:
            typed = fields.draw(NEW_FIRMWARE, form, {}, "new")
        if form.submitted:
            if not uploaded:
                st.error("ファイルを選び、送信が終わってから登録してください。", icon=":material/error:")
                return
            body = {"file_id": uploaded[0].id, **typed}
            form.send(
                lambda key: session.api().post("/api/fleet/firmwares", body, idempotency_key=key),
                success=f"ファームウェア {typed['version']} を登録しました。署名を確認しました。",
            )

    show()


def new_rollout() -> None:
    @dialogs.dialog("配信を作成する", width="large", icon=":material/rocket_launch:")
    def show() -> None:
        try:
            firmwares: list[FirmwareItem] = session.api().get("/api/fleet/firmwares", limit=100)["items"]
            choices: FirmwareChoices = session.api().get(f"{PATH}/choices")
        except ApiProblem as problem:
            feedback.failed(problem, key="rollout.form")
            return
        versions = {firmware["id"]: firmware["version"] for firmware in firmwares if not firmware["withdrawn_at"]}
        if not versions:
            feedback.empty(
                "配信できるファームウェアがありません", "先に「ファームウェアを登録する」から登録してください。"
            )
            return
        request = _targets(versions, choices)
        _preview(request)
        _limits(request, versions[request["firmware_id"]])

    show()


def _targets(versions_by_id: dict[int, str], choices: FirmwareChoices) -> dict[str, Any]:
    """Drawn outside of the form: each change is counted at once."""
    st.markdown("**1. ファームウェアと対象**  \n" + small("条件を選ばなければ、すべての端末が対象です。"))
    customer_names = customers()
    firmware = st.selectbox(
        "ファームウェア", [*versions_by_id], format_func=lambda option: versions_by_id[option], key="rollout.firmware"
    )
    customer_ids = st.multiselect(
        "顧客",
        [*customer_names],
        format_func=lambda option: customer_names[option],
        key="rollout.customers",
        placeholder="すべて",
    )
    tags = st.multiselect("タグ", choices["tags"], key="rollout.tags", placeholder="すべて")
    versions = st.multiselect("現在のバージョン", choices["versions"], key="rollout.versions", placeholder="すべて")
    st.markdown("**2. 段階**")
    waves_text = st.text_input(
        "段階（対象に対する累計%）",
        WAVES,
        key="rollout.waves",
        help="小さい順に、最後を100にします。前の段階がうまくいってから、次の段階へ進みます。",
    )
    return {
        "firmware_id": firmware,
        "targets": {"customer_ids": customer_ids, "tags": tags, "versions": versions},
        "waves": [int(number) for number in re.findall(r"\d+", waves_text or "")],
    }


def _preview(request: dict[str, Any]) -> None:
    try:
        st.info(
            preview_text(session.api().post(f"{PATH}/preview", request, idempotency_key=None)),
            icon=":material/point_of_sale:",
        )
    except ApiProblem as problem:
        messages = [error["message"] for error in problem.errors]
        st.error("\n\n".join(messages) if messages else feedback.problem_text(problem), icon=":material/error:")


def _limits(request: dict[str, Any], version: str) -> None:
    with forms.form("rollout.form", submit="下書きを作成する") as form:
        st.markdown("**3. 進む条件と止まる条件**")
        name = form.field("name", st.text_input, "配信の名前", required=True, max_chars=100, value=f"{version} の配信")
        left, middle, right = st.columns(3)
        with left:
            success_percent = form.field("success_percent", _number, "次へ進む成功率（%）", value=90, max_value=100)
            healthy_heartbeats = form.field(
                "healthy_heartbeats", _number, "成功に必要な正常通信（回）", value=3, max_value=100
            )
        with middle:
            error_percent = form.field("error_percent", _number, FIELDS["error_percent"], value=10, max_value=100)
            step_minutes = form.field("step_minutes", _number, FIELDS["step_minutes"], value=30, max_value=1440)
        with right:
            error_count = form.field("error_count", _number, "停止する失敗台数（台）", value=5, max_value=100_000)
        st.markdown("**4. 配信する時間帯（日本時間）**  \n" + small("両方を空にすると、終日配信します。"))
        left, right = st.columns(2)
        with left:
            offer_from = form.field("offer_from", _clock, "開始")
        with right:
            offer_until = form.field("offer_until", _clock, "終了")
    if form.submitted:
        body = request | {
            "name": name,
            "success_percent": success_percent,
            "error_percent": error_percent,
            "error_count": error_count,
            "healthy_heartbeats": healthy_heartbeats,
            "step_minutes": step_minutes,
            "offer_from": offer_from,
            "offer_until": offer_until,
        }
        form.send(
            lambda key: session.api().post(PATH, body, idempotency_key=key),
            success="下書きを作成しました。一覧から開いて、配信を開始してください。",
        )


def _number(label: str, *, value: int, max_value: int, key: str) -> int:
    return int(st.number_input(label, min_value=1, max_value=max_value, value=value, step=1, key=key))


def _clock(label: str, *, key: str) -> str | None:
    return st.selectbox(
        label,
        HALF_HOURS,
        index=None,
        format_func=lambda time_text: time_text.removeprefix("0"),
        placeholder="指定しない",
        key=key,
    )
