"""Processes that run while a test looks at them."""

import contextlib
import subprocess
import time
from pathlib import Path


def start(factory, *arguments):
    """A build that runs while the test does something else."""
    return subprocess.Popen(
        [factory.place.programs / "pratique", "target", "build", "containers", "--tuf", "tuf", *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=factory.work,
        env=factory.place.env,
    )


def wait_until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "in vain"
        time.sleep(0.02)


def children_below(pid):
    """Every process below this one."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in task.read_text().split():
                found += [int(child), *children_below(int(child))]
    return found


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
