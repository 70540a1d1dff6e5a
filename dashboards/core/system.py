"""システム状態: servers, processes, jobs, requests and outbox now, and the availability of this month."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

import streamlit as st

from dashboards.contract.core import (
    PROBE_TARGET,
    Availability,
    Backups,
    InstanceItem,
    JobItem,
    Rehearsal,
    Replica,
    SystemState,
    Traffic,
)
from dashboards.ui import charts, columns, figures, live, tables, times
from dashboards.ui.figures import Figure
from dashboards.ui.live import refreshing
from dashboards.ui.status import Status
from dashboards.ui.text import plain, small

PATH = "/api/core/system"
STATE = "core.system"
NAMES = {"service": PROBE_TARGET["service"], "worker": "定期処理", "reader": "明細の読み取り"}
PRESENCE = {"there": Status("稼働中", "green", "check_circle"), "gone": Status("応答なし", "red", "cloud_off")}
RUNNING = {
    "fine": Status("正常", "green", "check_circle"),
    "late": Status("遅延", "red", "schedule"),
    "new": Status("初回待ち", "gray", "hourglass_empty"),
}
ANSWERS = (Status("成功", "blue", "check_circle"), Status("失敗", "red", "error"))
# Why the read replica is not used.
REPLICA = {
    "off": "状態を確認しています",
    "late": "遅れています",
    "away": "接続できません",
    "other": "複製として動いていません",
}
REPLICA_TROUBLES = {
    "late": "読み取り用データベースが大きく遅れています。",
    "away": "読み取り用データベースに接続できません。",
    "other": "読み取り用データベースが複製として動いていません（DATABASE_READ_URLの接続先を確認してください）。",
}
SLOW_MS = 5000
HIGH_ERROR_RATE = 0.01

PROGRAMS = (
    columns.text("プログラム", lambda row: NAMES.get(row["name"], row["name"]), width=124),
    columns.badge("状態", "presence", PRESENCE, width=96),
    columns.text("サーバー", "host", width=150),
    columns.percent("CPU", lambda row: round(row["cpu_percent"]), width=64),
    columns.text("メモリ", lambda row: size_text(row["memory_bytes"]), width=88, sort_value="memory_bytes"),
    columns.ago("起動", "started_at"),
    columns.ago("最終報告", "seen_at"),
)
JOBS = (
    columns.text("定期処理", "title", width=220),
    columns.badge("状態", "running", RUNNING, width=88),
    columns.text(
        "間隔",
        lambda row: times.duration(timedelta(seconds=row["every_seconds"])),
        width=76,
        sort_value="every_seconds",
    ),
    columns.ago("最終実行", "last_at", missing="–"),
)


@refreshing
def draw_overview() -> None:
    reading = live.block(STATE, "システム状態", PATH, headline=True)
    if reading is None:
        return
    state: SystemState = reading.data
    if not reading.problem:
        problems = problem_texts(state)
        if problems:
            st.error(f"対応が必要な点が{len(problems)}件あります。{' '.join(problems)}", icon=":material/report:")
        else:
            st.success("サーバー、プログラム、定期処理は、すべて正常に動いています。", icon=":material/check_circle:")
    traffic, outbox = state["traffic"], state["outbox"]
    machine = service_instance(state)
    figures.row(
        [
            Figure(
                "応答の失敗",
                rate_text(traffic["error_rate"]),
                f"直近5分の応答 {traffic['requests']:,}件",
                help="直近5分の応答のうち、失敗した割合です。件数が少ないときは計算しません。",
            ),
            Figure(
                "応答時間",
                response_time_text(traffic),
                "直近5分、95%の応答",
                help="直近5分の応答のうち95%が、この時間内に返りました。",
            ),
            Figure("送信待ちの通知", f"{outbox['waiting']:,}件", f"送信できなかった通知 {outbox['dead']:,}件"),
            Figure(
                "最終バックアップ",
                *last_backup_text(state["backup"]),
                help=restore_test_text(state["backup"]["rehearsal"]),
            ),
            Figure("サーバーのCPU", percent_text(machine, "host_cpu_percent"), "データサービスのあるサーバー"),
            Figure("サーバーのメモリ", percent_text(machine, "host_memory_percent"), disk_text(machine)),
        ],
        faded=reading.problem is not None,
    )


@refreshing
def draw_parts() -> None:
    """The overview's answer in detail, without a call of its own."""
    state: SystemState | None = live.last_answer(STATE)
    if state is None:
        return
    st.subheader("プログラム", anchor=False)
    rows = [row | {"presence": "there" if row["is_there"] else "gone"} for row in state["instances"]]
    tables.grid("core.instances", "プログラム", rows, PROGRAMS)
    left, right = st.columns([1.1, 1], gap="medium")
    with left:
        st.subheader("定期処理", anchor=False)
        tables.grid("core.jobs", "定期処理", [row | {"running": job_state(row)} for row in state["jobs"]], JOBS)
    with right:
        st.subheader("データの保管", anchor=False)
        draw_servers(state)
        draw_requests(state["traffic"])


def problem_texts(state: SystemState) -> list[str]:
    """What needs attention, a sentence each."""
    traffic = state["traffic"]
    missing_instances = [instance for instance in state["instances"] if not instance["is_there"]]
    late = [job["title"] for job in state["jobs"] if job["is_late"] and not job["remedy"]]
    problems = []
    if state["redis"] is None:
        problems.append("処理の待ち行列（Valkey）に接続できません。")
    if not any(instance["name"] == "worker" and instance["is_there"] for instance in state["instances"]):
        problems.append("定期処理のプログラムが動いていません。")
    if missing_instances:
        names = "、".join(sorted({NAMES.get(instance["name"], instance["name"]) for instance in missing_instances}))
        problems.append(f"応答のないプログラムがあります（{names}）。")
    if late:
        problems.append(f"定期処理「{'」「'.join(late)}」が予定どおりに動いていません。")
    problems += [plain(job["remedy"]) for job in state["jobs"] if job["is_late"] and job["remedy"]]
    if state["outbox"]["dead"]:
        problems.append(f"送信できなかった通知が{state['outbox']['dead']:,}件あります。「通知」で確認してください。")
    problems += replica_problem_texts(state["replica"])
    problems += backup_problem_texts(state["backup"])
    if traffic["error_rate"] is not None and traffic["error_rate"] >= HIGH_ERROR_RATE:
        problems.append(f"直近5分の応答の{rate_text(traffic['error_rate'])}が失敗しています。")
    if traffic["p95_ms"] is not None and traffic["p95_ms"] > SLOW_MS:
        problems.append("応答に時間がかかっています。")
    return problems


def replica_problem_texts(state: Replica | None) -> list[str]:
    """The replica's problem. Users still get fresh data: the primary database answers them."""
    if state is None or state["state"] in ("ok", "off"):
        return []
    problem = REPLICA_TROUBLES[state["state"]]
    if state["state"] == "late" and state["behind_seconds"] is not None:
        problem = f"読み取り用データベースが{times.duration(timedelta(seconds=state['behind_seconds']))}遅れています。"
    return [f"{problem}その間は元のデータベースから表示するため、表示は古くなりません。"]


def last_backup_text(backup: Backups) -> tuple[str, str]:
    """The time of the last backup, and its result."""
    last = backup["last"]
    if last is None:
        return "–", "まだありません" if backup["expected"] else "毎日のバックアップは別の方法で行う設定です"
    size = f"{size_text(last['bytes'])}、{last['kept']:,}回分を保管"
    return times.short(times.parse(last["at"])), f"失敗　前回の成功 {size}" if backup["failed"] else f"成功　{size}"


def restore_test_text(rehearsal: Rehearsal | None) -> str:
    """Whether a restore of a backup was tested."""
    if rehearsal is None:
        return "バックアップから復元できるかどうかの確認は、まだ行われていません。"
    at_text = times.stamp(rehearsal["at"])
    if not rehearsal["ok"]:
        return ""
    duration = times.duration(timedelta(seconds=max(1, rehearsal["seconds"])))
    return (
        f"{at_text}にバックアップを別の場所へ復元し、すべての表が一致することを確認しました。"
        f"かかった時間は{duration}です（目標は24時間以内）。"
    )


def backup_problem_texts(backup: Backups) -> list[str]:
    return _backup_run_problem_texts(backup) + _restore_problem_texts(backup["rehearsal"])


def _restore_problem_texts(rehearsal: Rehearsal | None) -> list[str]:
    if rehearsal is None:
        return []
    at_text = times.stamp(rehearsal["at"])
    if not rehearsal["ok"]:
        return [
            f"{at_text}に行ったバックアップの復元の確認に失敗しました。サーバーのログ（backup.log）で原因を確認してください。"
        ]
    duration = times.duration(timedelta(seconds=rehearsal["seconds"]))
    slow = f"バックアップの復元に{duration}かかりました（目標は24時間以内）。"
    late = f"バックアップの復元の確認が{at_text}から行われていません。"
    return [slow] * rehearsal["is_slow"] + [late] * rehearsal["is_late"]


def _backup_run_problem_texts(backup: Backups) -> list[str]:
    if backup["failed"] and backup["tried_at"]:
        at_text = times.stamp(backup["tried_at"])
        return [f"{at_text}のバックアップに失敗しました。サーバーのログ（backup.log）で原因を確認してください。"]
    if not backup["is_late"]:
        return []
    if backup["last"] is None:
        return ["バックアップがまだ一度も取られていません。サーバーのログ（backup.log）を確認してください。"]
    return [
        f"最後のバックアップから{times.duration(datetime.now(UTC) - times.parse(backup['last']['at']))}たちました。"
    ]


def service_instance(state: SystemState) -> InstanceItem | None:
    return next(
        (instance for instance in state["instances"] if instance["name"] == "service" and instance["is_there"]), None
    )


def rate_text(error_rate: float | None) -> str:
    return "–" if error_rate is None else f"{error_rate:.1%}"


def response_time_text(traffic: Traffic) -> str:
    if traffic["p95_ms"] is None:
        return "–"
    return f"{traffic['p95_ms'] / 1000:g}秒以内"


def percent_text(machine: InstanceItem | None, name: Literal["host_cpu_percent", "host_memory_percent"]) -> str:
    return "–" if machine is None else f"{machine[name]:.0f}%"


def disk_text(machine: InstanceItem | None) -> str:
    return "" if machine is None else f"ディスク使用率 {machine['host_disk_percent']:.0f}%"


def size_text(size: int) -> str:
    return f"{size / 1e9:,.1f}GB" if size >= 1e9 else f"{size / 1e6:,.0f}MB"


def job_state(job: JobItem) -> str:
    if job["is_late"]:
        return "late"
    return "fine" if job["last_at"] else "new"


def draw_servers(state: SystemState) -> None:
    database, redis = state["database"], state["redis"]
    with st.container(border=True):
        st.markdown(f"**データベース**（PostgreSQL {plain(database['version'].split(' ')[0])}）")
        connections = f"接続 {database['connections']:,}本（上限 {database['connections_allowed']:,}本）"
        since = f"{times.stamp(database['started_at'])}から稼働"
        st.markdown(small(f"データ量 {size_text(database['size_bytes'])}　{connections}　{since}"))
        if restore_test := restore_test_text(state["backup"]["rehearsal"]):
            st.markdown(small(restore_test))
        if state["replica"] is not None:
            st.markdown(replica_text(state["replica"]))
        if redis is None:
            st.markdown("**処理の待ち行列**（Valkey）　:red[接続できません]")
            return
        st.markdown(f"**処理の待ち行列**（{plain(redis['name'])} {plain(redis['version'])}）")
        waiting = f"待っている処理 {redis['waiting']:,}件"
        since = f"{times.stamp(redis['started_at'])}から稼働"
        st.markdown(small(f"メモリ {size_text(redis['memory_bytes'])}　{waiting}　{since}"))


def replica_text(state: Replica) -> str:
    """The read replica, which lists and figures are read from."""
    title = "**読み取り用データベース**　"
    if state["state"] == "ok":
        behind = state["behind_seconds"] or 0
        return title + small("遅れはありません" if behind < 1 else f"遅れ {behind:.0f}秒")
    return f"{title}:orange[{REPLICA[state['state']]}]"


def draw_requests(traffic: Traffic) -> None:
    """The last hour by the minute, in real time, with minutes without a request."""
    by_minute = {times.parse(minute["minute"]): minute for minute in traffic["minutes"]}
    this_minute = datetime.now(times.TOKYO).replace(second=0, microsecond=0)
    minutes = [this_minute - timedelta(minutes=ago) for ago in reversed(range(60))]
    errors = [by_minute[minute]["errors"] if minute in by_minute else 0 for minute in minutes]
    total = [by_minute[minute]["requests"] if minute in by_minute else 0 for minute in minutes]
    charts.stacked(
        f"直近1時間の応答は{sum(total):,}件、うち失敗は{sum(errors):,}件です",
        [times.clock(minute)[:5] for minute in minutes],
        {
            ANSWERS[0].label: [count - error_count for count, error_count in zip(total, errors, strict=True)],
            ANSWERS[1].label: errors,
        },
        unit="件",
        key="core.system.traffic",
        statuses=ANSWERS,
    )


@refreshing
def draw_month() -> None:
    reading = live.block("core.availability", "今月の稼働状況", "/api/core/probes/availability")
    if reading is None:
        return
    availability: Availability = reading.data
    down, target = availability["down_minutes"], availability["target_minutes"]
    if availability["percent"] is None:
        st.markdown(
            "今月の監視の記録はまだありません。監視プログラムが動き始めると、停止した時間がここに表示されます。"
        )
        return
    st.markdown(f"{month_text(availability)}{target_text(availability)}")
    figures.row(
        [
            Figure("稼働率", f"{availability['percent']:.2f}%", "停止時間を、監視できた時間で割って計算します"),
            Figure(
                "停止時間",
                minutes_text(down),
                f"目標は月に{minutes_text(target)}以内です",
                share=min(1.0, down / target),
            ),
            Figure(
                "監視できなかった時間",
                minutes_text(availability["unknown_minutes"]),
                "監視プログラムが動いていなかった時間です",
            ),
        ],
        faded=reading.problem is not None,
    )
    for outage in availability["outages"][-5:]:
        start = times.parse(outage["start"])
        details = "、".join(f"{PROBE_TARGET.get(name, name)}: {plain(text)}" for name, text in outage["down"].items())
        st.markdown(small(f"{times.full(start)}から{minutes_text(outage['minutes'])}　{details}"))


def month_text(availability: Availability) -> str:
    prefix = f"今月、監視できた{minutes_text(availability['up_minutes'] + availability['down_minutes'])}のうち、"
    if not availability["outages"]:
        return f"{prefix}停止はありません。"
    return (
        f"{prefix}停止は{len(availability['outages']):,}回、合わせて{minutes_text(availability['down_minutes'])}です。"
    )


def target_text(availability: Availability) -> str:
    down, target = availability["down_minutes"], availability["target_minutes"]
    goal = f"目標（月に{minutes_text(target)}以内の停止）"
    if not availability["within_target"]:
        return f"{goal}を{minutes_text(down - target)}超えています。"
    return f"{goal}を守れています。" + (f"残りは{minutes_text(target - down)}です。" if down else "")


def minutes_text(minutes: float) -> str:
    return times.duration(timedelta(minutes=minutes)) if minutes else "0分"


draw_overview()
draw_month()
draw_parts()
