"""A command lives as long as its parent wants it to, with everything it started."""

import subprocess
import sys

import psutil
import pytest

from convrec.engine import warden

_FAMILY = """
import subprocess, sys, time
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(grandchild.pid, flush=True)
time.sleep({seconds})
"""


def _start(seconds):
    process = subprocess.Popen(
        [sys.executable, "-P", warden.__file__, sys.executable, "-c", _FAMILY.format(seconds=seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    return process, psutil.Process(int(process.stdout.readline()))


@pytest.mark.parametrize("seconds", [600, 0])
def test_nothing_outlives_the_pipe_or_the_command(seconds):
    process, grandchild = _start(seconds)
    with process:
        if seconds:
            assert grandchild.is_running()
            process.stdin.close()
        process.wait(timeout=warden.GRACE_S + 10)
    _, alive = psutil.wait_procs([grandchild], timeout=5)
    assert not alive
