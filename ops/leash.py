"""Runs a program that dies with its parent: ``python leash.py PARENT_PID PROGRAM ARGUMENT…``.

The kernel kills the program the moment the supervisor is gone, kill -9 included, so that no orphan keeps a port, a
camera or the ledger. It is started by path, without site-packages, since it only has to become the program.
Source: prctl(2), PR_SET_PDEATHSIG; the setting outlives exec.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent = int(sys.argv[1])
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:  # it went before the leash was on
        sys.exit("the supervisor is gone")
    try:
        os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.exit(f"{sys.argv[2]}: {error.strerror}")


if __name__ == "__main__":
    main()
