"""One roll-out beside the list: how far each wave has come, what failed and why, and what can be done about it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboards import session
from dashboards.fleet.words import ROLLOUT
from dashboards.session import may
from dashboards.ui import confirm, details, dialogs, feedback, live, times
from dashboards.ui.columns import Row
from dashboards.ui.links import link
from dashboards.ui.status import UNKNOWN
from dashboards.ui.text import plain, small

PATH = "/api/fleet/rollouts"
KEY = "fleet.rollout"
FOLLOW_SECONDS = 5
ANY_TIME = "終日"


def drawer(row: Row) -> None:
    @dialogs.dialog(plain(row["name"]), position="right", width="medium", icon=":material/system_update_alt:")
    def show() -> None:
        shown = live.shown(KEY)
        is_over = shown is not None and shown["id"] == row["id"] and _is_over(shown)
        st.fragment(_follow, run_every=None if is_over else FOLLOW_SECONDS)(row["id"], was_over=is_over)

    show()


def _follow(number: int, *, was_over: bool) -> None:
    """Everything about it, told anew every few seconds as long as something can still move."""
    reading = live.block(KEY, "", f"{PATH}/{number}")
    if reading is None:
        return
    rollout = reading.data
    if reading.problem:
        feedback.stale(reading.at, reading.problem)
    _state(rollout)
    if may("fleet:rollout:operate"):
        _actions(rollout)
    _waves(rollout)
    _compared(rollout)
    _failed(rollout)
    st.markdown(small("設定"))
    details.facts(_settings(rollout))
    if _is_over(rollout) != was_over:
        st.rerun()  # It has ended, or was taken up again: followed, or followed no more.


def _is_over(rollout: Row) -> bool:
    """Whether nothing moves any more. One that was aborted is, once those that had begun are through."""
    return rollout["state"] in ("aborted", "finished") and not rollout["counts"]["under_way"]


def _state(rollout: Row) -> None:
    badge = ROLLOUT.get(rollout["state"], UNKNOWN).badge()
    st.markdown(f"{badge}　ファームウェア **{plain(rollout['firmware_version'])}**")
    if rollout["reason"]:
        words = f"{'停止' if rollout['state'] == 'paused' else '中止'}の理由: {plain(rollout['reason'])}"
        (st.error if rollout["state"] == "paused" else st.info)(words)
    elif rollout["state"] == "running" and not rollout["is_open"]:
        st.info(f"いまは配信する時間帯（{window(rollout)}）の外のため、新しい端末への通知を待っています。")


def window(rollout: Row) -> str:
    if not rollout["offer_from"]:
        return ANY_TIME
    return f"{rollout['offer_from'][:5]}–{rollout['offer_until'][:5]}"


def _actions(rollout: Row) -> None:
    state, counts = rollout["state"], rollout["counts"]
    offered = [
        (state == "draft", "配信を開始する", "start", "play_arrow", start),
        (state == "running", "一時停止する", "pause", "pause", pause),
        (state == "paused", "再開する", "resume", "play_arrow", resume),
        (counts["failed"] > 0 and state not in ("draft", "aborted"), "失敗をやり直す", "retry", "replay", retry),
        (state in ("draft", "running", "paused"), "中止する", "abort", "cancel", abort),
        (rollout["took"] > 0, "元のバージョンに戻す", "roll_back", "undo", roll_back),
    ]
    with st.container(horizontal=True):
        for shown, word, key, icon, ask in offered:
            if shown:
                dialogs.button(
                    word,
                    ask,
                    rollout,
                    key=f"rollout.{key}",
                    icon=icon,
                    type="primary" if key in ("start", "resume") else "secondary",
                )


def _waves(rollout: Row) -> None:
    st.markdown(small("段階ごとの進み具合"))
    if preview := rollout["preview"]:
        st.markdown(in_words(preview))
        return
    with st.container(border=True, gap="small", key="rollout.waves"):
        for wave in rollout["progress"]:
            now = wave["wave"] == rollout["wave"] and rollout["state"] in ("running", "paused")
            mark = ":blue[:material/arrow_right:] " if now else ""
            ended = wave["succeeded"] + wave["failed"] + wave["cancelled"]
            st.markdown(f"{mark}**第{wave['wave'] + 1}段階**（累計{wave['percent']}%、{wave['total']:,}台）")
            st.progress(ended / wave["total"], text=_counts(wave))


def _counts(wave: dict[str, Any]) -> str:
    words = {
        "succeeded": "成功",
        "failed": "失敗",
        "under_way": "更新中",
        "waiting": "待機中",
        "cancelled": "取り消し",
    }
    return "　".join(f"{word} {wave[name]:,}台" for name, word in words.items() if wave[name] or name == "succeeded")


def _compared(rollout: Row) -> None:
    """How the updated terminals fare beside those that wait; a clear rise stops the roll-out by itself."""
    if known := rollout["comparison"]:
        st.markdown(small("更新後の異常（エラー・USBの切断・予期しない再起動）"))
        with st.container(border=True, gap="small", key="rollout.comparison"):
            st.markdown(compared(known))
            st.markdown(small("明らかに増えた場合は、自動で一時停止します。"))


def compared(known: dict[str, Any]) -> str:
    updated, control = known["updated"], known["control"]
    said = f"更新済み {updated['terminals']:,}台中{updated['troubled']:,}台で異常"
    if not control["terminals"]:
        return f"{said}（比べられる未更新の端末はありません）"
    return f"{said}、未更新 {control['terminals']:,}台中{control['troubled']:,}台"


def in_words(preview: dict[str, Any]) -> str:
    """How many terminals a roll-out would reach, wave by wave."""
    if not preview["terminals"]:
        return "対象の端末はありません。条件を見直してください。"
    waves = "、".join(
        f"第{number}段階 {wave['terminals']:,}台（累計{wave['percent']}%）"
        for number, wave in enumerate(preview["waves"], 1)
    )
    return f"対象は **{preview['terminals']:,}台**（うちオンライン {preview['online']:,}台）です。{waves}"


def _failed(rollout: Row) -> None:
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


def _settings(rollout: Row) -> dict[str, object]:
    targets = rollout["targets"]
    chosen = [
        f"{label}: {'、'.join(targets[name])}"
        for name, label in (("customers", "顧客"), ("tags", "タグ"), ("versions", "現在のバージョン"))
        if targets[name]
    ]
    return {
        "対象": "　".join(chosen) or "すべての端末",
        "次の段階へ": f"段階の{rollout['success_percent']}%が成功したら",
        "自動で停止": f"段階の{rollout['error_percent']}%、または全体で{rollout['error_count']:,}台が失敗したら",
        "成功の条件": f"新しいバージョンで正常な通信が{rollout['healthy_heartbeats']}回続くこと",
        "手順ごとの制限時間": f"{rollout['step_minutes']}分",
        "配信する時間帯": window(rollout),
        "作成": f"{_stamp(rollout['created_at'])}　{rollout['created_by']}",
        "開始": _stamp(rollout["started_at"]),
        "終了": _stamp(rollout["finished_at"]),
    }


def _stamp(moment: str | None) -> str:
    return times.full(times.parse(moment)) if moment else ""


def _ask(
    rollout: Row, move: str, question: str, consequence: str, action: str, done: str, *, with_reason: bool = False
) -> None:
    confirm.confirm(
        f"rollout.{move}.{rollout['id']}",
        question,
        consequence,
        action=action,
        do=lambda why, once: session.api().post(
            f"{PATH}/{rollout['id']}/{move}", {"reason": why} if with_reason else None, once=once
        ),
        done=done,
        reason="optional" if with_reason else "no",
        danger=move not in ("start", "resume", "retry"),
    )


def start(rollout: Row) -> None:
    first = rollout["preview"]["waves"][0]["terminals"] if rollout["preview"]["waves"] else 0
    _ask(
        rollout,
        "start",
        f"「{rollout['name']}」の配信を開始しますか？",
        f"{in_words(rollout['preview'])}\n\nはじめに第1段階の{first:,}台へ、ファームウェア "
        f"{rollout['firmware_version']} への更新を指示します。更新中の端末は、再起動のあいだ決済に使えません。",
        "開始する",
        "配信を開始しました。",
    )


def pause(rollout: Row) -> None:
    _ask(
        rollout,
        "pause",
        f"「{rollout['name']}」を一時停止しますか？",
        f"新しい端末への指示を止めます。すでに更新を始めた{rollout['counts']['under_way']:,}台は、そのまま最後まで進みます。"
        "あとで再開できます。",
        "一時停止する",
        "配信を一時停止しました。",
        with_reason=True,
    )


def resume(rollout: Row) -> None:
    failed = rollout["counts"]["failed"]
    known = f"これまでに失敗した{failed:,}台は確認済みとして扱い、停止の判断に数えません。" if failed else ""
    _ask(
        rollout,
        "resume",
        f"「{rollout['name']}」を再開しますか？",
        f"待機中の{rollout['counts']['waiting']:,}台への配信を続けます。{known}",
        "再開する",
        "配信を再開しました。",
    )


def retry(rollout: Row) -> None:
    _ask(
        rollout,
        "retry",
        f"失敗した{rollout['counts']['failed']:,}台をやり直しますか？",
        "失敗した端末を待機中に戻し、もう一度更新を指示します。一時停止中の場合は、再開したあとに指示します。",
        "やり直す",
        "失敗した端末をやり直します。",
    )


def abort(rollout: Row) -> None:
    counts = rollout["counts"]
    _ask(
        rollout,
        "abort",
        f"「{rollout['name']}」を中止しますか？",
        f"待機中の{counts['waiting']:,}台には配信しません。更新中の{counts['under_way']:,}台は安全なところで止まります"
        "（書き込みが済んだ端末は最後まで進みます）。成功した端末は新しいバージョンのままです。中止は元に戻せません。",
        "中止する",
        "配信を中止しました。",
        with_reason=True,
    )


def roll_back(rollout: Row) -> None:
    _ask(
        rollout,
        "roll-back",
        f"{rollout['took']:,}台を元のバージョンに戻しますか？",
        f"この配信でファームウェア {rollout['firmware_version']} になった{rollout['took']:,}台に、"
        "それぞれの元のバージョンへの更新を、段階を分けずに指示します。この配信がまだ続いている場合は中止します。"
        "元のバージョンが登録されていない端末は、そのままです。",
        "元に戻す",
        "元のバージョンに戻す配信を開始しました。",
    )
