"""Runs a command for as long as its parent lives. A script of its own: python warden.py COMMAND...

Its standard input is a pipe that the parent holds open. When that closes, because the parent wants it or was
killed, the whole process group ends: SIGTERM first, SIGKILL for what is left. The group also ends when the
command does, so that no child of the command survives it. The parent makes the warden lead a new group.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

GRACE_S = 10.0
"""Between SIGTERM and SIGKILL."""


def main(command: list[str]) -> None:
    """Run the command; does not return, since ending the group ends the warden."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    # After the start: an ignored signal would be inherited.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    child.wait()
    os.killpg(0, signal.SIGKILL)


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGTERM)
    time.sleep(GRACE_S)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
