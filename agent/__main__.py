"""The agent's commands: `python -m agent enrol | run | once | simulate`."""

import argparse
import logging
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from threading import Event

from agent import __version__, command_book, config, logs, spool, state
from agent.arguments import parse
from agent.commands.worker import Worker
from agent.config import ConfigError, Settings
from agent.context import Context
from agent.firmware import journal
from agent.loop import Loop
from agent.running import on_stop, work_until_stopped
from agent.send import EnrolmentRefused, Service
from agent.simulator import SimulatorError
from agent.spool import Spool, SpoolError
from agent.state import Credentials, StateError
from agent.tc200 import Terminal, TerminalError

log = logging.getLogger("agent")


class _Stopped(Exception):
    """A command cannot go on; the message is Japanese."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns its exit code: 0 done, 1 not done (the reason is printed), 2 wrong command line."""
    for stream in (sys.stdout, sys.stderr):
        # A console that cannot print a character must not stop the agent.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    options = parse(sys.argv[1:] if arguments is None else arguments)
    try:
        if options.command == "simulate":
            return _simulate(options)
        settings = config.load(options.config or config.default_config_path())
        state.make_state_dir(settings.state_dir)
        if options.command == "enrol":
            return _enrol(settings, options.code, options.serial)
        return _run(settings) if options.command == "run" else _once(settings)
    except (ConfigError, StateError, SpoolError, EnrolmentRefused, SimulatorError, _Stopped) as error:
        print(f"エラー: {error}", file=sys.stderr)
        return 1
    except sqlite3.Error as error:
        print(
            f"エラー: スプールを読み書きできません（{error}）。ディスクの空き容量を確認してください。", file=sys.stderr
        )
        return 1
    except KeyboardInterrupt:
        return 130


def _enrol(settings: Settings, code: str, serial_number: str | None) -> int:
    # The spool is opened first: its lock excludes a running agent, and shows that the token can be stored afterwards.
    with closing(_open_spool(settings)) as open_spool:
        if serial_number is None:
            serial_number = _read_serial_number(settings)
        with closing(Service(settings.service_url, settings.http_timeout_seconds)) as service:
            enrolment = service.enrol(code, serial_number, settings.store_name)
        unsent = open_spool.count()
    if _previous_terminal(settings.state_dir) not in (None, enrolment.terminal_id):
        state.forget_firmware_version(settings.state_dir)
        command_book.forget(settings.state_dir)
        journal.forget(settings.state_dir)
        if unsent:
            # Before the new token is stored: readings of one terminal are never sent as another's.
            moved_to = spool.set_aside(open_spool.path)
            print(f"前の端末の未送信ハートビート {unsent} 件は、この端末のものではないため {moved_to} に移しました。")
    state.save_credentials(settings.state_dir, Credentials(enrolment.terminal_id, serial_number, enrolment.token))
    print(
        f"登録しました（シリアル番号 {serial_number}、端末ID {enrolment.terminal_id}）。run で送信を開始してください。"
    )
    return 0


def _read_serial_number(settings: Settings) -> str:
    try:
        with Terminal(settings.serial_port, settings.serial_timeout_seconds) as terminal:
            return terminal.info().serial_number
    except TerminalError as error:
        raise _Stopped(
            f"{error}。TC-200の電源とUSBケーブルを確認するか、--serial でシリアル番号を指定してください。"
        ) from error


def _previous_terminal(state_dir: Path) -> int | None:
    try:
        credentials = state.load_credentials(state_dir)
    except StateError:
        return None
    return credentials.terminal_id if credentials else None


def _once(settings: Settings) -> int:
    logs.to_stderr()
    credentials = _credentials(settings)
    open_spool = _open_spool(settings)
    service = Service(settings.service_url, settings.http_timeout_seconds)
    try:
        reason = Loop(Context(settings, credentials, open_spool), service).once()
        unsent = open_spool.count()
    finally:
        service.close()
        open_spool.close()
    if reason:
        raise _Stopped(f"{reason}。未送信のハートビート {unsent} 件は保存されています。")
    print("送信しました（未送信 0 件）。")
    return 0


def _run(settings: Settings) -> int:
    logs.to_stderr()
    credentials = _credentials(settings)
    open_spool = _open_spool(settings)
    logs.to_files(settings.state_dir, settings.log_kilobytes)
    context = Context(settings, credentials, open_spool)
    service = Service(settings.service_url, settings.http_timeout_seconds)
    loop = Loop(context, service)
    shutdown_reported = Event()
    on_stop(context.stop, shutdown_reported)
    log.info(
        "エージェント %s を開始しました（%s → %s）。", __version__, credentials.serial_number, settings.service_url
    )
    workers = {"commands": Worker(context, updates=False), "updates": Worker(context, updates=True)}
    targets = {"loop": loop.run, **{name: worker.run for name, worker in workers.items()}}
    ended = work_until_stopped(context.stop, context.book.close, targets)
    if ended.errors:
        log.error("予期しない異常のため停止します。サービス管理が再起動します。", exc_info=ended.errors[0])
        return 1
    try:
        loop.report_shutdown(send="loop" not in ended.unfinished)
    except sqlite3.Error as error:
        log.error("終了を記録できません（%s）。", error)
    shutdown_reported.set()
    if not ended.unfinished:
        service.close()
        open_spool.close()
    log.info("停止しました。")
    return 0


def _credentials(settings: Settings) -> Credentials:
    credentials = state.load_credentials(settings.state_dir)
    if credentials is None:
        raise _Stopped("この店舗PCはまだ登録されていません。先に enrol で登録してください。")
    return credentials


def _open_spool(settings: Settings) -> Spool:
    opened = Spool(settings.state_dir / spool.FILE_NAME, settings.spool_limit)
    if opened.set_aside:
        print(f"警告: スプールが壊れていたため {opened.set_aside} に移し、新しく作成しました。", file=sys.stderr)
    return opened


def _simulate(options: argparse.Namespace) -> int:
    # Imported here: a store PC does not need the simulator, and Windows has no pseudo terminals.
    if options.scenario == "tc200":
        if os.name != "posix":
            raise SimulatorError("simulate tc200 はこのOSでは使えません（LinuxまたはmacOSで実行してください）。")
        from agent.simulator import tc200
        from agent.simulator.firmware_slots import Fault

        fault = Fault(options.firmware_fault) if options.firmware_fault else None
        return tc200.run(options.link, options.serial, options.firmware, options.error, fault, options.restart)
    from agent.simulator import scenarios

    return scenarios.run_from_options(options)


if __name__ == "__main__":
    sys.exit(main())
