"""`python -m stack.child [OPTIONS] -- COMMAND…`: becomes the command.

--pid-file FILE          leaves its pid there, with the moment it started, so that a number given to somebody else later
                         is never mistaken for ours. The file outlives a supervisor that was killed: the next start
                         finds its orphans by it.
--as-server-account      as PostgreSQL's own account, where there is one.
--may-back-up            sees the address of the backup role and the key of backups, which all others are kept from.
--ends-with-parent NAME  gets this signal when whoever started it is gone, however that ended (Linux).
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
    cut = sys.argv.index("--")
    options = argparse.ArgumentParser(prog="python -m stack.child")
    options.add_argument("--pid-file", type=Path)
    options.add_argument("--as-server-account", action="store_true")
    options.add_argument("--may-back-up", action="store_true")
    options.add_argument("--ends-with-parent", metavar="SIGNAL")
    own, command = options.parse_args(sys.argv[1:cut]), sys.argv[cut + 1 :]
    parent = os.getppid()
    if own.pid_file:
        _leave_pid(own.pid_file)
    if not own.may_back_up:
        for name in ("DATABASE_BACKUP_URL", "DATABASE_REHEARSAL_URL", "BACKUP_KEY"):
            os.environ.pop(name, None)
    account = server_account()
    if own.as_server_account and account is not None:
        os.chdir("/")
        os.setgroups([])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    if own.ends_with_parent:
        # After the change of account, which would undo it.
        end_with(parent, signal.Signals[f"SIG{own.ends_with_parent}"])
    os.execv(command[0], command)


def _leave_pid(file: Path) -> None:
    # Whole or not at all, and beside the folder until then: others read it at any moment.
    building = file.parent.parent / f"{file.name}.pid.part"
    building.write_text(f"{os.getpid()} {psutil.Process().create_time()}")
    building.rename(file)


def end_with(parent: int, number: signal.Signals) -> None:
    """This process gets the signal when its parent is gone, and ends when that is so already."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # gone before it could be asked for
        sys.exit(1)


if __name__ == "__main__":
    main()
