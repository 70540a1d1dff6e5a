"""diagnose: checks in a few seconds what support would otherwise ask by telephone."""

import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import psutil

from agent import __version__
from agent.command import Cancelled, Stopped
from agent.command_report import Acknowledged, Progress
from agent.context import Context
from agent.tc200 import TerminalError

CLOCK_LIMIT_SECONDS = 120.0
FULL_PERCENT = 90.0
BACKLOG_LIMIT = 3
_MIB = 1024 * 1024


@dataclass(frozen=True)
class Check:
    """The result of one check; `detail` is Japanese."""

    name: str
    ok: bool
    detail: str


def run(context: Context, progress: Progress, _: Mapping[str, Any]) -> dict[str, Any]:
    """Runs all checks; one that fails with an error is reported and does not stop the others. Raises Cancelled,
    Stopped."""
    checks: tuple[tuple[str, Callable[[], Check]], ...] = (
        ("service", lambda: _service(progress)),
        ("clock", lambda: _clock(context)),
        ("disk", lambda: _disk(context)),
        ("memory", _memory),
        ("serial_port", lambda: _serial_port(context)),
        ("terminal", lambda: _terminal(context)),
        ("terminal_state", lambda: _terminal_state(context)),
        ("spool", lambda: _spool(context)),
        ("agent", lambda: _agent(context)),
    )
    return {"checks": [asdict(_run_check(name, check)) for name, check in checks]}


def _run_check(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except (Cancelled, Stopped):
        raise
    except TerminalError as error:
        return Check(name, False, str(error))
    except Exception as error:
        return Check(name, False, f"確認できません（{type(error).__name__}）")


def _service(progress: Progress) -> Check:
    answer: Acknowledged = progress.report_and_wait("diagnosing")
    encryption = answer.tls or "暗号化なし（このPC自身のサービス）"
    return Check("service", True, f"往復 {answer.seconds * 1000:.0f} ミリ秒、{encryption}")


def _clock(context: Context) -> Check:
    skew = context.recent.clock_skew
    if skew is None:
        return Check("clock", False, "サービスの時刻とまだ比べていません")
    text = f"サービスより {abs(skew):.1f} 秒{'進んで' if skew >= 0 else '遅れて'}います"
    return Check("clock", abs(skew) <= CLOCK_LIMIT_SECONDS, text)


def _disk(context: Context) -> Check:
    usage = psutil.disk_usage(context.settings.disk_path)
    return Check(
        "disk", usage.percent < FULL_PERCENT, f"使用率 {usage.percent:.1f}%、空き {usage.free / _MIB:,.0f} MiB"
    )


def _memory() -> Check:
    usage = psutil.virtual_memory()
    text = f"使用率 {usage.percent:.1f}%、空き {usage.available / _MIB:,.0f} MiB"
    return Check("memory", usage.percent < FULL_PERCENT, text)


def _serial_port(context: Context) -> Check:
    port = context.line.port
    if not context.line.present():
        return Check("serial_port", False, f"{port} がありません（USBケーブルが抜けている可能性があります）")
    with context.line.open():
        return Check("serial_port", True, f"{port} を開けます")


def _terminal(context: Context) -> Check:
    with context.line.open() as terminal:
        info = terminal.info()
    text = f"シリアル番号 {info.serial_number}、機種 {info.model}、ファームウェア {info.firmware_version}"
    if info.on_trial:
        text += "（試用中）"
    if info.serial_number != context.serial_number:
        return Check("terminal", False, f"{text}（登録: {context.serial_number}）")
    return Check("terminal", True, text)


def _terminal_state(context: Context) -> Check:
    with context.line.open() as terminal:
        status = terminal.status()
    if status.code is None:
        return Check("terminal_state", True, "正常")
    return Check("terminal_state", False, f"{status.text or 'TC-200の異常'}（{status.code}）")


def _spool(context: Context) -> Check:
    waiting, rejected = context.spool.count(), len(context.spool.rejected())
    text = f"未送信 {waiting} 件（上限 {context.settings.spool_limit} 件）、除外 {rejected} 件"
    return Check("spool", waiting <= BACKLOG_LIMIT and not rejected, text)


def _agent(context: Context) -> Check:
    uptime = datetime.now(UTC) - context.recent.started_at
    memory = psutil.Process(os.getpid()).memory_info().rss / _MIB
    text = f"版 {__version__}、稼働 {uptime.total_seconds() / 3600:.1f} 時間、メモリ {memory:.0f} MiB"
    return Check("agent", True, f"{text}、Python {platform.python_version()}、{platform.platform(terse=True)}")
