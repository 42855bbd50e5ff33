"""Monitors and cgroups that nobody looks after, on the real host."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from daemon.runtimes.cgroups import CGROUP_ROOT, remove_cgroup
from daemon.runtimes.families import end_family
from daemon.runtimes.processes import started_ticks
from daemon.runtimes.strays import end_strays

pytestmark = pytest.mark.runtime
MONITOR = 'exec -a conmon sh -c "sleep 1000 & wait" --bundle={root}/bundles/1'  # by its name and arguments
RUNTIME = 'exec -a crun sh -c "sleep 1000 & wait" --root={root}/runtime pause 1'
RUNTIME_OF_MONITOR = """exec -a conmon sh -c 'sh -c "sleep 1000 & wait" --root={root}/runtime & wait' \
    --bundle={root}/bundles/1"""


@contextmanager
def pretending(script: str, root: Path) -> Generator[subprocess.Popen[bytes], None, None]:
    command = ["bash", "-c", script.format(root=root)]
    with subprocess.Popen(command, start_new_session=True) as started:
        while not Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text():
            pass
        try:
            yield started
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)


@pytest.fixture
def monitor(tmp_path: Path) -> Generator[subprocess.Popen[bytes], None, None]:
    with pretending(MONITOR, tmp_path) as started:
        yield started


def child_of(monitor: subprocess.Popen[bytes]) -> int:
    return int(Path(f"/proc/{monitor.pid}/task/{monitor.pid}/children").read_text())


def lives(pid: int) -> bool:
    """Tell it from what has ended and waits for init to notice."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


async def test_an_unknown_monitor_is_ended_with_what_it_has_forked(
    monitor: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    child = child_of(monitor)
    await end_strays(tmp_path, known=())
    assert [lives(pid) for pid in (child, monitor.pid)] == [False, False]


async def test_a_runtime_that_an_earlier_engine_waited_for_is_ended_with_what_it_has_forked(
    tmp_path: Path,
) -> None:
    with pretending(RUNTIME, tmp_path) as runtime:
        child = child_of(runtime)
        await end_strays(tmp_path / "other", known=())
        assert lives(runtime.pid)
        await end_strays(tmp_path, known=())
        assert [lives(pid) for pid in (child, runtime.pid)] == [False, False]


async def test_a_runtime_of_a_monitor_that_is_known_or_spared_is_left_alone(tmp_path: Path) -> None:
    with pretending(RUNTIME_OF_MONITOR, tmp_path) as monitor:
        await end_strays(tmp_path, known={(monitor.pid, started_ticks(monitor.pid))})
        await end_strays(tmp_path, known=(), spared={"1"})
        assert lives(child_of(monitor))


def all_processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


HOPPER = """
import ctypes, os, time
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER, as conmon is one
if os.fork() == 0:
    while True:
        time.sleep(0.02)
        if os.fork():
            os._exit(0)
time.sleep(1000)
"""


async def test_what_forks_while_it_is_being_killed_does_not_escape(tmp_path: Path) -> None:
    mark = str(tmp_path)
    command = [sys.executable, "-c", HOPPER, mark]
    with subprocess.Popen(command) as leader:  # ruff: ignore[create-subprocess-in-async-function]  waits for nothing
        while not Path(f"/proc/{leader.pid}/task/{leader.pid}/children").read_text():
            pass
        await end_family(leader.pid)
        named = [pid for pid in all_processes() if mark in command_of(pid) and lives(pid)]
        for pid in named:
            os.kill(pid, signal.SIGKILL)
    assert named == []


async def test_monitors_that_are_known_or_anothers_are_left_alone(
    monitor: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    await end_strays(tmp_path, known={(monitor.pid, started_ticks(monitor.pid))})
    await end_strays(tmp_path / "other", known=())
    assert monitor.poll() is None


def test_a_cgroup_is_removed_with_what_is_in_it() -> None:
    hierarchy = next(CGROUP_ROOT.glob("**/cgroup.procs")).parent
    name = f"longshore-test-{secrets.token_hex(4)}"
    inner = hierarchy / name / "inner"
    inner.mkdir(parents=True)
    with subprocess.Popen(["sleep", "1000"]) as process:
        (inner / "cgroup.procs").write_text(str(process.pid))
        remove_cgroup(f"/{name}")
        assert process.wait() == -9
    assert not (hierarchy / name).exists()


def test_a_cgroup_that_is_not_there_is_no_error() -> None:
    remove_cgroup("/longshore-test-none")
