"""Runs that no record tells of, found again from what their monitors have left on the host."""

from __future__ import annotations

from pathlib import Path

from daemon.runtimes.base import Run
from daemon.runtimes.conmon import GONE_TICKS
from daemon.runtimes.monitorfiles import MonitorFiles
from daemon.runtimes.processes import started_ticks
from daemon.runtimes.strays import Monitor


def run_of(files: MonitorFiles, monitor: Monitor | None) -> Run | None:
    """Return the run that has a monitor, or had one that has left an exit code since; blocks.

    None if no process is known: it may still be being made.
    """
    pid = _pid(files.directory / "pid")
    if pid is None:
        return None
    if monitor is not None:
        return Run(pid, started_ticks(pid) or GONE_TICKS, monitor.pid, monitor.started_ticks)
    if (files.exits / files.id).exists():
        return Run(pid, GONE_TICKS, pid, GONE_TICKS)  # nobody's: the exit file is all that is left to read
    return None


def _pid(file: Path) -> int | None:
    try:
        pid = int(file.read_text())
    except (OSError, ValueError):
        return None
    return pid if pid > 0 else None
