"""システム状態: does everything run, and did it run this month? Servers, processes, jobs, requests, outbox."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import streamlit as st

from dashboards.ui import charts, columns, figures, live, tables, times
from dashboards.ui.figures import Figure
from dashboards.ui.live import refreshing
from dashboards.ui.status import Status
from dashboards.ui.text import plain, small

PATH = "/api/core/system"
NAMES = {"service": "データサービス", "worker": "ジョブ"}
PRESENCE = {"there": Status("稼働中", "green", "check_circle"), "gone": Status("応答なし", "red", "cloud_off")}
RUNNING = {
    "fine": Status("正常", "green", "check_circle"),
    "late": Status("遅延", "red", "schedule"),
    "new": Status("未実行", "gray", "hourglass_empty"),
}
ANSWERS = (Status("正常", "green", "check_circle"), Status("エラー", "red", "error"))
SLOW_MS = 5000
HIGH_ERROR_RATE = 0.01

PROCESSES = (
    columns.text("プロセス", lambda row: NAMES.get(row["name"], row["name"]), width=124),
    columns.badge("状態", "presence", PRESENCE, width=96),
    columns.text("サーバー", "host", width=150),
    columns.text("PID", lambda row: str(row["pid"]), width=72),
    columns.percent("CPU", lambda row: round(row["cpu_percent"]), width=64),
    columns.text("メモリ", lambda row: megabytes(row["memory_bytes"]), width=88),
    columns.ago("起動", "started_at", width=160),
    columns.ago("最終報告", "seen_at", width=160),
)
JOBS = (
    columns.text("ジョブ", "title", width=200),
    columns.badge("状態", "running", RUNNING, width=88),
    columns.text("間隔", lambda row: times.duration(timedelta(seconds=row["every_seconds"])), width=80),
    columns.ago("最終実行", "last_at", missing="まだありません", width=172),
)


@refreshing
def overview() -> None:
    reading = live.block("core.system", "システム状態", PATH, headline=True)
    if reading is None:
        return
    state = reading.data
    if not reading.problem:
        wrong = troubles(state)
        if wrong:
            st.error(f"対応が必要な点が{len(wrong)}件あります。{' '.join(wrong)}", icon=":material/report:")
        else:
            st.success("すべてのサーバー、プロセス、ジョブが正常に動いています。", icon=":material/check_circle:")
    traffic, outbox = state["traffic"], state["outbox"]
    machine = machine_of(state)
    figures.row(
        [
            Figure("エラー率（5分）", rate(traffic["error_rate"]), f"応答 {traffic['requests']:,}件"),
            Figure("応答時間（95%）", answer_time(traffic), "直近5分の応答の95%"),
            Figure("送信待ちの通知", f"{outbox['waiting']:,}件", f"送信できなかった通知 {outbox['dead']:,}件"),
            Figure("サーバーのCPU", share(machine, "host_cpu_percent"), "データサービスの動くサーバー"),
            Figure("サーバーのメモリ", share(machine, "host_memory_percent"), disk(machine)),
        ],
        faded=reading.problem is not None,
    )
    processes(state)
    left, right = st.columns([1.1, 1], gap="medium")
    with left:
        jobs(state)
    with right:
        servers(state)
        requests(traffic)


def troubles(state: dict[str, Any]) -> list[str]:
    """What a person has to look at, a sentence each."""
    traffic = state["traffic"]
    gone = [instance for instance in state["instances"] if not instance["is_there"]]
    late = [job["title"] for job in state["jobs"] if job["is_late"]]
    told = []
    if state["redis"] is None:
        told.append("Redis（Valkey）に接続できません。")
    if not any(instance["name"] == "worker" and instance["is_there"] for instance in state["instances"]):
        told.append("ジョブのプロセスが動いていません。")
    if gone:
        names = "、".join(sorted({NAMES.get(instance["name"], instance["name"]) for instance in gone}))
        told.append(f"応答のないプロセスがあります（{names}）。")
    if late:
        told.append(f"ジョブ「{'」「'.join(late)}」が動いていません。")
    if state["outbox"]["dead"]:
        told.append(f"送信できなかった通知が{state['outbox']['dead']:,}件あります。「通知」で確認してください。")
    if traffic["error_rate"] is not None and traffic["error_rate"] >= HIGH_ERROR_RATE:
        told.append(f"エラー率が{rate(traffic['error_rate'])}です。")
    if traffic["p95_ms"] is not None and traffic["p95_ms"] > SLOW_MS:
        told.append("応答に時間がかかっています。")
    return told


def machine_of(state: dict[str, Any]) -> dict[str, Any] | None:
    return next((one for one in state["instances"] if one["name"] == "service" and one["is_there"]), None)


def rate(error_rate: float | None) -> str:
    return "–" if error_rate is None else f"{error_rate:.1%}"


def answer_time(traffic: dict[str, Any]) -> str:
    if traffic["p95_ms"] is None:
        return "–"
    return f"{traffic['p95_ms'] / 1000:g}秒以内"


def share(machine: dict[str, Any] | None, name: str) -> str:
    return "–" if machine is None else f"{machine[name]:.0f}%"


def disk(machine: dict[str, Any] | None) -> str:
    return "" if machine is None else f"ディスク使用率 {machine['host_disk_percent']:.0f}%"


def megabytes(size: int) -> str:
    return f"{size / 1e9:,.1f}GB" if size >= 1e9 else f"{size / 1e6:,.0f}MB"


def processes(state: dict[str, Any]) -> None:
    rows = [row | {"presence": "there" if row["is_there"] else "gone"} for row in state["instances"]]
    _listed("core.instances", "プロセス", rows, PROCESSES)


def jobs(state: dict[str, Any]) -> None:
    rows = [row | {"running": running(row)} for row in state["jobs"]]
    _listed("core.jobs", "ジョブ", rows, JOBS)


def running(job: dict[str, Any]) -> str:
    if job["is_late"]:
        return "late"
    return "fine" if job["last_at"] else "new"


def _listed(key: str, title: str, rows: list[dict[str, Any]], shown: tuple[columns.Column, ...]) -> None:
    """Rows that came with the page's one answer, as a table like any other."""

    def source(**_: Any) -> dict[str, Any]:
        return {"items": rows, "total": len(rows), "next_cursor": None}

    tables.table(key, title, source, shown, rows=100)


def servers(state: dict[str, Any]) -> None:
    database, redis = state["database"], state["redis"]
    with st.container(border=True):
        st.markdown(f"**PostgreSQL {plain(database['version'].split(' ')[0])}**")
        used = f"接続 {database['connections']:,} / {database['connections_allowed']:,}"
        st.markdown(small(f"データ量 {megabytes(database['size_bytes'])}　{used}　起動 {since(database)}"))
        if redis is None:
            st.markdown("**Redis（Valkey）**")
            st.markdown(":red[接続できません]")
            return
        st.markdown(f"**{plain(redis['name'])} {plain(redis['version'])}**")
        waiting = f"待っているジョブ {redis['waiting']:,}件"
        st.markdown(small(f"メモリ {megabytes(redis['memory_bytes'])}　{waiting}　起動 {since(redis)}"))


def since(server: dict[str, Any]) -> str:
    return times.full(times.parse(server["started_at"]))


def requests(traffic: dict[str, Any]) -> None:
    minutes = traffic["minutes"]
    total, errors = sum(minute["requests"] for minute in minutes), sum(minute["errors"] for minute in minutes)
    finding = f"直近1時間の応答は{total:,}件、うちエラーは{errors:,}件です"
    x = [times.clock(times.parse(minute["minute"]))[:5] for minute in minutes]
    series = {
        "正常": [minute["requests"] - minute["errors"] for minute in minutes],
        "エラー": [minute["errors"] for minute in minutes],
    }
    charts.stacked(finding, x, series, unit="件/分", key="core.system.traffic", kinds=ANSWERS)


@refreshing
def month() -> None:
    reading = live.block("core.availability", "今月の稼働状況", "/api/core/probes/availability")
    if reading is None:
        return
    told = reading.data
    down, target = told["down_minutes"], told["target_minutes"]
    if told["percent"] is None:
        st.markdown("今月の監視記録はまだありません。監視プログラム（watchdog）が動くと、ここに表示されます。")
        return
    left = (
        f"目標（月{target:.0f}分以内）まで、あと{target - down:.0f}分です。"
        if told["within_target"]
        else (f"目標（月{target:.0f}分以内）を{down - target:.0f}分超えています。")
    )
    st.markdown(f"今月の停止時間は{down:.0f}分です。{left}")
    figures.row(
        [
            Figure("稼働率", f"{told['percent']:.2f}%", "停止時間を、記録のある時間で割って計算します"),
            Figure("停止時間", f"{down:.0f}分", f"目標 {target:.0f}分以内", share=min(1.0, down / target)),
            Figure("記録のない時間", f"{told['unknown_minutes']:.0f}分", "監視プログラムが動いていなかった時間"),
        ],
        faded=reading.problem is not None,
    )
    for outage in told["outages"][-5:]:
        start, end = times.parse(outage["start"]), times.parse(outage["end"])
        what = "、".join(plain(words) for words in outage["down"].values())
        st.markdown(small(f"{times.full(start)}から{times.duration(end - start)}　{what}"))


overview()
month()
