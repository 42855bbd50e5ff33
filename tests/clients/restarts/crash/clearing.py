"""Clears a site away from outside, when a test has failed and its engines cannot be trusted with that."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

from tests.clients.restarts.crash.host import cgroups_of, commands

SECONDS: Final = 5.0


def clear_away(root: Path) -> None:
    """Kill every process of the engines below `root`, whose own are dead, and remove what they had."""
    ids = {entry.name for entry in (root / "data" / "overlay" / "containers").glob("*")}
    groups = [group for container_id in ids for group in cgroups_of(container_id)]
    needle = os.fsencode(f"{root}/")
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        pids = {pid for pid, command in commands() if needle in command and pid != os.getpid()}
        pids |= {int(pid) for group in groups for pid in _read(group / "cgroup.procs")}
        if not pids:
            break
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for group in groups:  # what is frozen does not even die
            with contextlib.suppress(OSError):
                (group / "freezer.state").write_text("THAWED")
        time.sleep(0.02)
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if line.split()[4].startswith(f"{root}/"):
            subprocess.run(["umount", "--lazy", line.split()[4]], check=False)
    for group in groups:
        with contextlib.suppress(OSError):
            group.rmdir()
    shutil.rmtree(root / "data", ignore_errors=True)


def _read(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []
