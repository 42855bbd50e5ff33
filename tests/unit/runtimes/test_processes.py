"""Processes by identity: none is mistaken for the one that had its number before."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest
import trio

from daemon.runtimes.processes import held, lives, send_signal, spawn, started_ticks, wait_ended


@attrs.frozen
class Sleeper:
    """A child process that waits for signals."""

    pid: int
    ticks: int


@pytest.fixture
async def sleeper(tmp_path: Path) -> AsyncIterator[Sleeper]:
    pid = await spawn(["sleep", "1000"], tmp_path, os.environ, ())
    ticks = started_ticks(pid)
    assert ticks is not None
    yield Sleeper(pid, ticks)
    send_signal(pid, ticks, signal.SIGKILL)
    await wait_ended(pid, ticks)


async def test_a_spawned_process_has_a_session_of_its_own(sleeper: Sleeper, tmp_path: Path) -> None:
    assert os.getsid(sleeper.pid) == sleeper.pid
    assert Path(f"/proc/{sleeper.pid}/cwd").readlink() == tmp_path


async def test_the_end_of_a_child_is_seen_and_reaped(sleeper: Sleeper) -> None:
    assert send_signal(sleeper.pid, sleeper.ticks, signal.SIGTERM)
    await wait_ended(sleeper.pid, sleeper.ticks)
    assert started_ticks(sleeper.pid) is None


async def test_one_that_nobody_has_reaped_yet_has_ended(sleeper: Sleeper) -> None:
    assert lives(sleeper.pid, sleeper.ticks)
    assert not lives(sleeper.pid, sleeper.ticks + 1)
    send_signal(sleeper.pid, sleeper.ticks, signal.SIGKILL)
    with held(sleeper.pid, sleeper.ticks) as pidfd, trio.fail_after(60):
        assert pidfd is not None
        await trio.lowlevel.wait_readable(pidfd)
    assert started_ticks(sleeper.pid) == sleeper.ticks
    assert not lives(sleeper.pid, sleeper.ticks)
    await wait_ended(sleeper.pid, sleeper.ticks)
    assert not lives(sleeper.pid, sleeper.ticks)


async def test_a_process_that_started_at_another_time_is_another_one(sleeper: Sleeper) -> None:
    with held(sleeper.pid, sleeper.ticks + 1) as pidfd:
        assert pidfd is None
    assert not send_signal(sleeper.pid, sleeper.ticks + 1, signal.SIGKILL)
    await wait_ended(sleeper.pid, sleeper.ticks + 1)
    assert started_ticks(sleeper.pid) == sleeper.ticks


async def test_what_is_gone_hears_nothing_and_is_not_waited_for(sleeper: Sleeper) -> None:
    send_signal(sleeper.pid, sleeper.ticks, signal.SIGKILL)
    await wait_ended(sleeper.pid, sleeper.ticks)
    assert not send_signal(sleeper.pid, sleeper.ticks, signal.SIGTERM)
    await wait_ended(sleeper.pid, sleeper.ticks)


async def test_a_wait_can_be_given_up_and_taken_up_again(sleeper: Sleeper) -> None:
    with trio.move_on_after(0) as waiting:
        await wait_ended(sleeper.pid, sleeper.ticks)
    assert waiting.cancelled_caught
    send_signal(sleeper.pid, sleeper.ticks, signal.SIGKILL)
    await wait_ended(sleeper.pid, sleeper.ticks)


async def test_a_process_that_is_no_child_can_be_waited_for(tmp_path: Path) -> None:
    """As after a restart of the engine, when its monitors are children of init."""
    pid_file = tmp_path / "pid"
    parent = await spawn(["sh", "-c", f"sleep 1000 & echo $! > {pid_file}"], tmp_path, os.environ, ())
    await wait_ended(parent, started_ticks(parent))
    orphan = int(pid_file.read_text())
    ticks = started_ticks(orphan)
    assert ticks is not None
    assert send_signal(orphan, ticks, signal.SIGKILL)
    await wait_ended(orphan, ticks)


async def test_a_program_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await spawn(["/nonesuch"], tmp_path, os.environ, ())


def test_only_what_exists_has_a_start_time() -> None:
    assert started_ticks(os.getpid()) is not None
    assert started_ticks(2**22 + 1) is None  # above the largest pid there can be (proc(5), pid_max)
