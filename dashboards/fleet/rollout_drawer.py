"""A roll-out next to the list: the progress of each wave, the failures with their reasons, and the actions."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.contract.fleet import Comparison, PreviewAnswer, RolloutDetail, RolloutItem
from dashboards.fleet.words import ROLLOUT
from dashboards.session import has_permission
from dashboards.ui import confirm, details, dialogs, feedback, live, times
from dashboards.ui.columns import Row
from dashboards.ui.links import link
from dashboards.ui.status import UNKNOWN
from dashboards.ui.text import plain, small

PATH = "/api/fleet/rollouts"
KEY = "fleet.rollout"
POLL_SECONDS = 5
ALL_DAY = "終日"


def drawer(row: RolloutItem) -> None:
    @dialogs.dialog(row["name"], position="right", width="medium", icon=":material/system_update_alt:")
    def show() -> None:
        last_answer = live.last_answer(KEY)
        is_over = last_answer is not None and last_answer["id"] == row["id"] and _is_over(last_answer)
        st.fragment(_poll, run_every=None if is_over else POLL_SECONDS)(row["id"], had_ended=is_over)

    show()


def _poll(rollout_id: int, *, had_ended: bool) -> None:
    """The whole roll-out, polled every few seconds until nothing can change any more."""
    reading = live.block(KEY, "", f"{PATH}/{rollout_id}")
    if reading is None:
        return
    rollout: RolloutDetail = reading.data
    if reading.problem:
        feedback.stale(reading.at, reading.problem)
    _draw_state(rollout)
    if has_permission("fleet:rollout:operate"):
        _draw_actions(rollout)
    _draw_waves(rollout)
    _draw_comparison(rollout)
    _draw_failed(rollout)
    st.markdown(small("設定"))
    details.facts(_settings(rollout))
    if _is_over(rollout) != had_ended:
        st.rerun()  # It has ended or was resumed: the polling interval changes.


def _is_over(rollout: RolloutDetail) -> bool:
    """Whether nothing changes any more. An aborted roll-out is over when the updates under way have ended."""
    return rollout["state"] in ("aborted", "finished") and not rollout["counts"]["under_way"]


def _draw_state(rollout: RolloutDetail) -> None:
    badge = ROLLOUT.get(rollout["state"], UNKNOWN).badge()
    st.markdown(f"{badge}　ファームウェア **{plain(rollout['firmware_version'])}**")
    if rollout["reason"]:
        reason_text = f"{'停止' if rollout['state'] == 'paused' else '中止'}の理由: {plain(rollout['reason'])}"
        (st.error if rollout["state"] == "paused" else st.info)(reason_text)
    elif rollout["state"] == "running" and not rollout["is_open"]:
        st.info(f"いまは配信する時間帯（{offer_window_text(rollout)}）の外のため、新しい端末への通知を待っています。")


def offer_window_text(rollout: RolloutDetail) -> str:
    if not rollout["offer_from"] or not rollout["offer_until"]:
        return ALL_DAY
    return f"{rollout['offer_from'][:5]}–{rollout['offer_until'][:5]}"


def _draw_actions(rollout: RolloutDetail) -> None:
    state, counts = rollout["state"], rollout["counts"]
    actions = [
        (state == "draft", "配信を開始する", "start", "play_arrow", start),
        (state == "running", "一時停止する", "pause", "pause", pause),
        (state == "paused", "再開する", "resume", "play_arrow", resume),
        (counts["failed"] > 0 and state not in ("draft", "aborted"), "失敗をやり直す", "retry", "replay", retry),
        (state in ("draft", "running", "paused"), "中止する", "abort", "cancel", abort),
        (rollout["took"] > 0, "元のバージョンに戻す", "roll_back", "undo", roll_back),
    ]
    with st.container(horizontal=True):
        for is_possible, label, key, icon, confirm_action in actions:
            if is_possible:
                dialogs.button(
                    label,
                    confirm_action,
                    rollout,
                    key=f"rollout.{key}",
                    icon=icon,
                    type="primary" if key in ("start", "resume") else "secondary",
                )


def _draw_waves(rollout: RolloutDetail) -> None:
    st.markdown(small("段階ごとの進み具合"))
    if preview := rollout["preview"]:
        st.markdown(preview_text(preview))
        return
    with st.container(border=True, gap="small", key="rollout.waves"):
        for wave in rollout["progress"]:
            is_current = wave["wave"] == rollout["wave"] and rollout["state"] in ("running", "paused")
            arrow = ":blue[:material/arrow_right:] " if is_current else ""
            ended = wave["succeeded"] + wave["failed"] + wave["cancelled"]
            st.markdown(f"{arrow}**第{wave['wave'] + 1}段階**（累計{wave['percent']}%、{wave['total']:,}台）")
            st.progress(ended / wave["total"], text=_counts_text(wave))


def _counts_text(wave: Row) -> str:
    labels = {
        "succeeded": "成功",
        "failed": "失敗",
        "under_way": "更新中",
        "waiting": "待機中",
        "cancelled": "取り消し",
    }
    return "　".join(f"{label} {wave[name]:,}台" for name, label in labels.items() if wave[name] or name == "succeeded")


def _draw_comparison(rollout: RolloutDetail) -> None:
    """Problems of updated terminals compared with waiting ones; a clear increase pauses the roll-out automatically."""
    if comparison := rollout["comparison"]:
        st.markdown(small("更新後の異常（エラー・USBの切断・予期しない再起動）"))
        with st.container(border=True, gap="small", key="rollout.comparison"):
            st.markdown(comparison_text(comparison))
            st.markdown(small("明らかに増えた場合は、自動で一時停止します。"))


def comparison_text(comparison: Comparison) -> str:
    updated, control = comparison["updated"], comparison["control"]
    updated_text = f"更新済み {updated['terminals']:,}台中{updated['troubled']:,}台で異常"
    if not control["terminals"]:
        return f"{updated_text}（比べられる未更新の端末はありません）"
    return f"{updated_text}、未更新 {control['terminals']:,}台中{control['troubled']:,}台"


def preview_text(preview: PreviewAnswer) -> str:
    """How many terminals a roll-out would reach, wave by wave."""
    if not preview["terminals"]:
        return "対象の端末はありません。条件を見直してください。"
    waves = "、".join(
        f"第{number}段階 {wave['terminals']:,}台（累計{wave['percent']}%）"
        for number, wave in enumerate(preview["waves"], 1)
    )
    return f"対象は **{preview['terminals']:,}台**（うちオンライン {preview['online']:,}台）です。{waves}"


def _draw_failed(rollout: RolloutDetail) -> None:
    if not rollout["failed"]:
        return
    st.markdown(small(f"失敗した端末（{rollout['counts']['failed']:,}台）"))
    with st.container(border=True, gap="small", key="rollout.failed"):
        for task in rollout["failed"]:
            link(f"{task['customer_name']} - {task['store_name']}", f"/terminal?id={task['terminal_id']}")
            st.markdown(
                f":red[:material/error:] {plain(task['error'] or '')}  \n"
                + small(plain(f"{task['serial_number']}　第{task['wave'] + 1}段階　現在 {task['firmware_version']}"))
            )
        if rollout["counts"]["failed"] > len(rollout["failed"]):
            st.markdown(small(f"ほか{rollout['counts']['failed'] - len(rollout['failed']):,}台"))


def _settings(rollout: RolloutDetail) -> dict[str, object]:
    targets = rollout["targets"]
    target_texts = [
        f"{label}: {'、'.join(values)}"
        for label, values in (
            ("顧客", targets["customers"]),
            ("タグ", targets["tags"]),
            ("現在のバージョン", targets["versions"]),
        )
        if values
    ]
    return {
        "対象": "　".join(target_texts) or "すべての端末",
        "次の段階へ": f"段階の{rollout['success_percent']}%が成功したら",
        "自動で停止": f"段階の{rollout['error_percent']}%、または全体で{rollout['error_count']:,}台が失敗したら",
        "成功の条件": f"新しいバージョンで正常な通信が{rollout['healthy_heartbeats']}回続くこと",
        "手順ごとの制限時間": f"{rollout['step_minutes']}分",
        "配信する時間帯": offer_window_text(rollout),
        "作成": f"{times.stamp(rollout['created_at'])}　{rollout['created_by']}",
        "開始": times.stamp(rollout["started_at"]),
        "終了": times.stamp(rollout["finished_at"]),
    }


def _confirm(
    rollout: RolloutDetail,
    action_path: str,
    question: str,
    consequence: str,
    action: str,
    done: str,
    *,
    with_reason: bool = False,
) -> None:
    confirm.confirm(
        f"rollout.{action_path}.{rollout['id']}",
        question,
        consequence,
        action=action,
        do=lambda reason, key: session.api().post(
            f"{PATH}/{rollout['id']}/{action_path}", {"reason": reason} if with_reason else None, idempotency_key=key
        ),
        success=done,
        reason="optional" if with_reason else "no",
        danger=action_path not in ("start", "resume", "retry"),
    )


def start(rollout: RolloutDetail) -> None:
    preview = rollout["preview"]
    assert preview is not None, "a draft has one"
    first = preview["waves"][0]["terminals"] if preview["waves"] else 0
    _confirm(
        rollout,
        "start",
        f"「{rollout['name']}」の配信を開始しますか？",
        f"{preview_text(preview)}\n\nはじめに第1段階の{first:,}台へ、ファームウェア "
        f"{rollout['firmware_version']} への更新を指示します。更新中の端末は、再起動のあいだ決済に使えません。",
        "開始する",
        "配信を開始しました。",
    )


def pause(rollout: RolloutDetail) -> None:
    _confirm(
        rollout,
        "pause",
        f"「{rollout['name']}」を一時停止しますか？",
        f"新しい端末への指示を止めます。すでに更新を始めた{rollout['counts']['under_way']:,}台は、そのまま最後まで進みます。"
        "あとで再開できます。",
        "一時停止する",
        "配信を一時停止しました。",
        with_reason=True,
    )


def resume(rollout: RolloutDetail) -> None:
    failed = rollout["counts"]["failed"]
    confirmed_text = f"これまでに失敗した{failed:,}台は確認済みとして扱い、停止の判断に数えません。" if failed else ""
    _confirm(
        rollout,
        "resume",
        f"「{rollout['name']}」を再開しますか？",
        f"待機中の{rollout['counts']['waiting']:,}台への配信を続けます。{confirmed_text}",
        "再開する",
        "配信を再開しました。",
    )


def retry(rollout: RolloutDetail) -> None:
    _confirm(
        rollout,
        "retry",
        f"失敗した{rollout['counts']['failed']:,}台をやり直しますか？",
        "失敗した端末を待機中に戻し、もう一度更新を指示します。一時停止中の場合は、再開したあとに指示します。",
        "やり直す",
        "失敗した端末をやり直します。",
    )


def abort(rollout: RolloutDetail) -> None:
    counts = rollout["counts"]
    _confirm(
        rollout,
        "abort",
        f"「{rollout['name']}」を中止しますか？",
        f"待機中の{counts['waiting']:,}台には配信しません。更新中の{counts['under_way']:,}台は安全なところで止まります"
        "（書き込みが済んだ端末は最後まで進みます）。成功した端末は新しいバージョンのままです。中止は元に戻せません。",
        "中止する",
        "配信を中止しました。",
        with_reason=True,
    )


def roll_back(rollout: RolloutDetail) -> None:
    _confirm(
        rollout,
        "roll-back",
        f"{rollout['took']:,}台を元のバージョンに戻しますか？",
        f"この配信でファームウェア {rollout['firmware_version']} になった{rollout['took']:,}台に、"
        "それぞれの元のバージョンへの更新を、段階を分けずに指示します。この配信がまだ続いている場合は中止します。"
        "元のバージョンが登録されていない端末は、そのままです。",
        "元に戻す",
        "元のバージョンに戻す配信を開始しました。",
    )
