"""`python -m stack.child [OPTIONS] -- COMMAND…`: becomes the command.

--pid-file FILE          writes its pid there, with its start time, so that a reused pid is never mistaken for ours. The
                         file outlives a killed supervisor: the next start finds its orphans by it.
--as-server-account      runs as PostgreSQL's own account, where there is one.
--may-back-up            keeps the backup role's URL and the backup key, which are removed for all others.
--ends-with-parent NAME  gets this signal when its parent process ends, however that happens (Linux).
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
from pathlib import Path

import psutil

from stack.home import server_account

PR_SET_PDEATHSIG = 1


def main() -> None:
    separator = sys.argv.index("--")
    options = argparse.ArgumentParser(prog="python -m stack.child")
    options.add_argument("--pid-file", type=Path)
    options.add_argument("--as-server-account", action="store_true")
    options.add_argument("--may-back-up", action="store_true")
    options.add_argument("--ends-with-parent", metavar="SIGNAL")
    arguments, command = options.parse_args(sys.argv[1:separator]), sys.argv[separator + 1 :]
    parent = os.getppid()
    if arguments.pid_file:
        _write_pid_file(arguments.pid_file)
    if not arguments.may_back_up:
        for name in ("DATABASE_BACKUP_URL", "DATABASE_REHEARSAL_URL", "BACKUP_KEY"):
            os.environ.pop(name, None)
    account = server_account()
    if arguments.as_server_account and account is not None:
        os.chdir("/")
        os.setgroups([])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    if arguments.ends_with_parent:
        # After the change of account, which would undo it.
        end_with_parent(parent, signal.Signals[f"SIG{arguments.ends_with_parent}"])
    os.execv(command[0], command)


def _write_pid_file(file: Path) -> None:
    # Written next to the folder and renamed, because others may read it at any time.
    partial_file = file.parent.parent / f"{file.name}.pid.part"
    partial_file.write_text(f"{os.getpid()} {psutil.Process().create_time()}")
    partial_file.rename(file)


def end_with_parent(parent: int, number: signal.Signals) -> None:
    """Sends this process the signal when its parent ends; exits now when the parent has ended already."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # The parent ended before prctl.
        sys.exit(1)


if __name__ == "__main__":
    main()
