"""`python -m stack.child PID_FILE [--as-server-account] -- COMMAND…`: becomes the command, and leaves its pid behind.

The pid file also holds when the process started, so that a number given to somebody else later is never mistaken for
ours. It outlives a supervisor that was killed: the next start finds its orphans by it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil

from stack.home import server_account


def main() -> None:
    own, command = sys.argv[1 : sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1 :]
    # Whole or not at all, and beside the folder until then: others read it at any moment.
    file = Path(own[0])
    building = file.parent.parent / f"{file.name}.pid.part"
    building.write_text(f"{os.getpid()} {psutil.Process().create_time()}")
    building.rename(file)
    account = server_account()
    if "--as-server-account" in own and account is not None:
        os.chdir("/")
        os.setgroups([])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    os.execv(command[0], command)


main()
